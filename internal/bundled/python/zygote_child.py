"""What happens in a child of the zygote: one job, from the fork to the exit code.

A file that defines handler(job) answers with what that returns; any other runs as a
script with `job` in scope, and may set `result`. Needs Python 3.8 and nothing else.
"""

# Not all of these are used here: what the zygote has imported, no job has to import.
# urllib.request alone takes a job forty milliseconds.
import ast
import asyncio
import atexit
import csv
import ctypes
import datetime
import inspect
import io
import json
import linecache
import math
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import urllib.request

TEXT_BYTES_MAX = 16_384  # Of one line of job.log.
RESULT_BYTES_MAX = 1_048_576  # 1 MiB: what a host keeps of a result.
RESULTS_MAX = 1_000  # Results of rows that are given back; all of them are counted.
PROGRESS_EVERY_S = 0.2  # Nobody reads faster.
PR_SET_PDEATHSIG = 1  # From linux/prctl.h.


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
        text = str(message)[:TEXT_BYTES_MAX]
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


def run(parent, order, folder, mark, fds):
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


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number):
    """Asks for a signal when the parent dies. Elsewhere than on Linux its closed pipe must do."""
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
