"""Zygote: a warm Python without threads that forks one child for each job.

A fork takes half a millisecond where a new interpreter takes thirty. Each child has a
process group and a temporary folder of its own, so that ending one ends nothing else.

It speaks JSON, a line a message. In, on stdin: {"run": id, …} and {"kill": id}. Out, on
stdout: {"id", "log" | "progress" | "cost" | "end"}. It ends when stdin closes, and takes
its children with it. A child speaks to it through three pipes:

    1, 2   what it prints, line by line; lines of 1 that begin with a secret mark are
           records of job.log and job.progress, so that they keep their place among prints
    3      how the job ended: {"result": text of JSON} or {"error": {…}}

Needs Python 3.8 and nothing else.
"""

import sys

sys.path.pop(0)  # The folder of this file, which is no place for a job's imports.

# Not all of these are used here: what is imported once need not be imported by each job.
import ast
import asyncio
import atexit
import csv
import ctypes
import datetime
import decimal
import gc
import inspect
import io
import json
import linecache
import math
import os
import random
import re
import selectors
import shutil
import signal
import tempfile
import threading
import time
import traceback
import types
import urllib.request

KILL_AFTER_S = 2.0  # Between TERM and KILL: time to remove a file, not to finish a job.
READ_BYTES = 65_536  # What a pipe holds.
LINE_BYTES_MAX = 16_384  # Longer lines are cut into several.
ENDING_BYTES_MAX = 4_194_304  # Of fd 3, which native code can write to as well.
RESULT_BYTES_MAX = 1_048_576  # 1 MiB: what a host keeps of a result.
RESULTS_MAX = 1_000  # Results of rows that are given back; all of them are counted.
PROGRESS_EVERY_S = 0.2  # Nobody reads faster.
PR_SET_PDEATHSIG = 1  # From linux/prctl.h.


class Zygote:
    """The loop: orders in, children's lines out."""

    def __init__(self):
        self.pid = os.getpid()
        self.root = room(os.getcwd(), self.pid)
        self.children = {}
        self.orders = b""
        self.news = []
        self.ended = False
        self.selector = selectors.DefaultSelector()
        self.watch(0, self.read_orders)
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.watch(woken, lambda: os.read(woken, READ_BYTES))

    def watch(self, fd, act):
        os.set_blocking(fd, False)
        self.selector.register(fd, selectors.EVENT_READ, act)

    def end(self, *_):
        self.ended = True

    def serve(self):
        die_with_parent(signal.SIGTERM)
        gc.freeze()  # Or the first collection in a child would copy all that it shares with us.
        try:
            while not self.ended:
                for key, _ in self.selector.select(self.nap()):
                    key.data()
                self.reap()
                self.kill_late()
                self.tell()
        finally:
            for child in list(self.children.values()):
                kill_group(child.pid, signal.SIGKILL)
            shutil.rmtree(self.root, ignore_errors=True)

    def nap(self):
        late = [child.kill_at for child in self.children.values() if child.kill_at]
        return max(0.0, min(late) - time.monotonic()) if late else None

    def read_orders(self):
        data = os.read(0, READ_BYTES)
        if not data:
            self.ended = True
        *lines, self.orders = (self.orders + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "run" in order:
                self.start(order)
            elif order["kill"] in self.children:
                self.children[order["kill"]].stop()

    def start(self, order):
        folder = tempfile.mkdtemp(dir=self.root)
        mark = "\x1e" + os.urandom(8).hex() + " "
        pipes = [os.pipe() for _ in range(3)]
        # Held back until the child has a handler of its own for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        pid = os.fork()
        if pid == 0:
            run_child(self.pid, order, folder, mark, [write for _, write in pipes])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        for _, write in pipes:
            os.close(write)
        try:
            os.setpgid(pid, pid)  # The child does the same; whoever is first, the group is there.
        except OSError:
            pass
        child = Child(self, order["run"], pid, folder, mark.encode(), [read for read, _ in pipes])
        self.children[child.id] = child
        self.news.append({"id": child.id, "pid": pid})

    def reap(self):
        for child in list(self.children.values()):
            # The dead leader keeps its group's number from being used again until it is waited for.
            if not has_ended(child.pid):
                continue
            kill_group(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
            del self.children[child.id]
            self.news.append(child.ending(status))

    def kill_late(self):
        for child in self.children.values():
            if child.kill_at and child.kill_at <= time.monotonic():
                child.kill_at = None
                kill_group(child.pid, signal.SIGKILL)

    def tell(self):
        data = b"".join(json.dumps(each).encode() + b"\n" for each in self.news)
        self.news.clear()
        while data:
            data = data[os.write(1, data):]


class Child:
    """A job that runs, as the zygote sees it."""

    def __init__(self, zygote, id, pid, folder, mark, fds):
        self.zygote, self.id, self.pid, self.folder, self.mark = zygote, id, pid, folder, mark
        self.kill_at = None
        self.last = ""
        self.ended = b""
        self.out, self.err, self.result = fds
        self.partial = {self.out: b"", self.err: b""}
        for fd in fds:
            zygote.watch(fd, lambda fd=fd: self.read(fd))

    def stop(self):
        if self.kill_at is None:
            self.kill_at = time.monotonic() + KILL_AFTER_S
            kill_group(self.pid, signal.SIGTERM)

    def read(self, fd):
        """Takes what is there; False when there is nothing more now."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self.zygote.selector.unregister(fd)
            return False
        if fd == self.result:
            self.ended = (self.ended + data)[:ENDING_BYTES_MAX]
            return True
        *lines, rest = (self.partial[fd] + data).split(b"\n")
        if len(rest) > LINE_BYTES_MAX and self.mark not in rest:
            lines, rest = lines + [rest], b""
        self.partial[fd] = rest
        for line in lines:
            self.line(fd, line)
        return True

    def line(self, fd, line):
        printed, mark, record = line.partition(self.mark) if fd == self.out else (line, b"", b"")
        for at in range(0, max(len(printed), 0 if mark else 1), LINE_BYTES_MAX):
            text = printed[at:at + LINE_BYTES_MAX].decode("utf-8", "replace")
            self.last = text if fd == self.err and text.strip() else self.last
            self.zygote.news.append({"id": self.id, "log": "info" if fd == self.out else "warn", "text": text})
        if mark:
            self.record(record)

    def record(self, record):
        try:
            self.zygote.news.append({"id": self.id, **json.loads(record)})
        except ValueError:
            pass  # The child was killed while it wrote.

    def ending(self, status):
        """The last event of a child that has exited."""
        for fd in (self.out, self.err, self.result):
            while fd in self.zygote.selector.get_map() and self.read(fd):
                pass
            if fd in self.zygote.selector.get_map():
                self.zygote.selector.unregister(fd)
            os.close(fd)
        for fd, rest in self.partial.items():
            if rest:
                self.line(fd, rest)
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            ending = json.loads(self.ended) if self.ended else {}
        except ValueError:
            ending = {}
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return {"id": self.id, "end": {**ending, "code": code, "signal": signal_name(number), "last": self.last}}


# From here on: what happens in a child.


class PermanentError(Exception):
    """Raise it to fail a job for good: no further try."""


class RetryAfter(Exception):
    """Raise it to fail a try and to say after how many seconds the next one makes sense."""

    def __init__(self, seconds, message=""):
        super().__init__(message or f"try again in {seconds:g} s")
        self.seconds = seconds


class Snooze(Exception):
    """Raise it to run again after so many seconds without it counting as a try."""

    def __init__(self, seconds):
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds


class Cancelled(BaseException):
    """Raised in a job that is told to end and does not look at job.cancelled."""


class Log:
    """job.log("text", key=value), job.log.warn(…)."""

    def __init__(self, say):
        self.say = say

    def __call__(self, message, **fields):
        self.at("info", message, fields)

    info = __call__

    def debug(self, message, **fields):
        self.at("debug", message, fields)

    def warn(self, message, **fields):
        self.at("warn", message, fields)

    def error(self, message, **fields):
        self.at("error", message, fields)

    def at(self, level, message, fields):
        text = str(message)[:LINE_BYTES_MAX]
        self.say({"log": level, "text": text, "fields": {name: plain(value) for name, value in fields.items()}})


class Job:
    """What a script finds as `job`, and a handler gets as its argument."""

    def __init__(self, about, mark):
        self.id = about["id"]
        self.handler = about["handler"]
        self.attempt = about["attempt"]
        self.max_attempts = about["maxAttempts"]
        self.trigger = about["trigger"]
        self.schedule_id = about["scheduleId"]
        self.occurrence = about["occurrence"]
        self.catchup = about["catchup"]
        self.payload = read_json(about["payload"])
        self.log = Log(self._say)
        self._mark = mark
        self._looks = False
        self._cancelled = False
        self._progress_at = 0.0

    @property
    def cancelled(self):
        """True when the job shall end. Who looks at it is not interrupted, but has two seconds."""
        self._looks = True
        return self._cancelled

    def progress(self, current, total=0, message=""):
        """Says how far it is: progress(3, 10)."""
        now = time.monotonic()
        if current == total or now - self._progress_at >= PROGRESS_EVERY_S:
            self._progress_at = now
            self._say({"progress": [round(current), round(total), str(message)]})

    def cost(self, amount):
        """Adds to what the job cost."""
        self._say({"cost": plain(float(amount))})

    def _say(self, record):
        sys.stdout.flush()
        write_all(1, (self._mark + json.dumps(record) + "\n").encode())

    def _on_term(self, *_):
        self._cancelled = True
        if not self._looks:
            raise Cancelled


def run_child(parent, order, folder, mark, fds):
    """Runs one job in a forked child. Never returns."""
    code = 1
    try:
        enter(parent, order, folder, fds)
        job = Job(order["job"], mark)
        signal.signal(signal.SIGTERM, job._on_term)
        ending, code = attempt(order, job)
        write_all(3, json.dumps(ending).encode())
    except Cancelled:
        pass  # Too late to say more than the exit code does.
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass
        os._exit(code)


def enter(parent, order, folder, fds):
    """Makes the process the job's own: group, signals, files, folder."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # It died before we asked to die with it.
    given = tempfile.TemporaryFile(dir=folder)
    given.write(order.get("stdin", "").encode())
    given.seek(0)
    for number, fd in enumerate([given.fileno(), *fds]):
        os.dup2(fd, number, inheritable=number < 3)
    os.closerange(4, 1024)  # Other jobs' pipes among them.
    given.close = lambda: None  # Its number is closed, and may be somebody else's by the time it is collected.
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder


def attempt(order, job):
    """Runs the code; answers with how it ended and the process's exit code."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        result = perform(order, job)
        leave()
    except SystemExit as error:
        return {}, exit_code(error)
    except BaseException as error:
        return {"error": described(error)}, 1
    try:
        text = "" if result is None else json.dumps(result, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        return {"error": refused(f"The result is not JSON: {error}.")}, 1
    if size > RESULT_BYTES_MAX:
        return {"error": refused(f"The result has {size} bytes; a result may have {RESULT_BYTES_MAX}.")}, 1
    return {"result": text}, 0


def perform(order, job):
    """Runs the code as a script, or the function that it defines. Answers with the result."""
    source, path = order["code"], order["path"]
    # The compiler and the traceback find the source by this name.
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    tree = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    wanted = ("row", "handler") if "csv" in order else ("handler",)
    defined = [name for name in wanted if any(getattr(each, "name", None) == name for each in tree.body)]

    sys.argv = [path, *map(str, order.get("args", []))]
    if os.path.isabs(path):
        sys.path.insert(0, os.path.dirname(path))
    module = types.ModuleType("__main__")
    # A file that defines a handler is imported, not run: its "if __name__" is for trying it by hand.
    module.__dict__.update(__file__=path, __name__="handler" if defined else "__main__", job=job)
    sys.modules[module.__name__] = sys.modules["__main__"] = module
    exec(compile(tree, path, "exec", dont_inherit=True), module.__dict__)

    if "csv" in order:
        return each_row(order["csv"], module, defined, job)
    return call(module.handler, job) if defined else getattr(module, "result", None)


def call(run, *arguments):
    """Calls what may be plain or async."""
    answer = run(*arguments)
    if not inspect.isawaitable(answer):
        return answer

    async def wait():
        return await answer

    return asyncio.run(wait())


def each_row(order, module, defined, job):
    """Gives each row to the code's row(row) or, as its payload, to handler(job)."""
    if not defined:
        raise PermanentError("The code of a python.csv job has to define row(row) or handler(job).")
    run = getattr(module, defined[0])
    with open_csv(order) as lines:
        total = sum(1 for _ in rows_of(lines, order))
    results, returned, done = [], 0, 0
    with open_csv(order) as lines:
        rows = rows_of(lines, order)
        for done, row in enumerate(rows, 1):
            job.payload = row
            try:
                result = call(run, row if defined[0] == "row" else job)
            except Exception as error:
                error.where = f"row {done} (line {rows.line_num}): "
                raise
            job.progress(done, total)
            returned += result is not None
            if result is not None and len(results) < RESULTS_MAX:
                results.append(result)
    return {"rows": done, "returned": returned, "results": results}


def open_csv(order):
    if "file" in order:
        return open(order["file"], newline="", encoding="utf-8-sig")
    return io.StringIO(order["text"], newline="")


def rows_of(lines, order):
    return csv.DictReader(lines, fieldnames=order.get("columns"), delimiter=order.get("delimiter", ","))


def leave():
    """What an interpreter does before it ends: threads, then whoever asked to be called."""
    threading._shutdown()
    atexit._run_exitfuncs()


def exit_code(error):
    """The exit code of sys.exit(…): as an interpreter has it, text being printed."""
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def refused(message):
    """Running it again would return the same, so it is for good."""
    return {"message": message, "kind": "result", "stack": "", "permanent": True, "seconds": 0}


def described(error):
    """An exception as the host wants to hear it, with the traceback from the code's first line on."""
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    kind, own = type(error).__name__, isinstance(error, (PermanentError, RetryAfter, Snooze))
    said = str(error) if own and str(error) else f"{kind}: {error}" if str(error) else kind
    return {
        "message": getattr(error, "where", "") + said,
        "kind": kind,
        "stack": "".join(traceback.format_exception(type(error), error, trace)),
        "permanent": isinstance(error, (PermanentError, SyntaxError)),
        "seconds": error.seconds if own and kind != "PermanentError" else 0,
    }


def offer_qntx():
    """Lets a script say `from qntx import RetryAfter`, as a plugin does."""
    offered = types.ModuleType("qntx", "What a script may raise.")
    for each in (PermanentError, RetryAfter, Snooze):
        each.__module__ = "qntx"
        setattr(offered, each.__name__, each)
    sys.modules["qntx"] = offered


def plain(value):
    """A value that a line of a log can carry: JSON has no infinity, and a field no fields."""
    if isinstance(value, (str, int, type(None))) or isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)


def read_json(text):
    """A payload as a value: None when there is none, text when it is not JSON."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def room(base, pid):
    """The folder of this zygote's jobs. Removes those of zygotes that are gone, killed perhaps."""
    for name in os.listdir(base):
        if re.fullmatch(r"jobs-\d+", name) and not lives(int(name[5:])):
            shutil.rmtree(os.path.join(base, name), ignore_errors=True)
    path = os.path.join(base, f"jobs-{pid}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    return path


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # Somebody else's now.
    return True


def has_ended(pid):
    """True for a child that is dead and not yet waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_group(pid, number):
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def signal_name(number):
    try:
        return signal.Signals(number).name if number else None
    except ValueError:
        return str(number)


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number):
    """Asks for a signal when the parent dies. Elsewhere than on Linux its closed pipe must do."""
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


if __name__ == "__main__":
    offer_qntx()
    Zygote().serve()
