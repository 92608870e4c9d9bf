"""Zygote: a warm Python without threads that forks one child for each job.

A fork takes a millisecond where a new interpreter takes thirty. Each child has a
process group and a temporary folder of its own, so that ending one ends nothing else.

It speaks JSON, a line a message. In, on stdin: {"run": id, …} and {"kill": id}. Out, on
stdout: {"id", "log" | "progress" | "cost" | "end"}. It ends when stdin closes, and takes
its children with it. A child speaks to it through three pipes:

    1, 2   what it prints, line by line; lines of 1 that begin with a secret mark are
           records of job.log and job.progress, so that they keep their place among prints
    3      how the job ended: {"result": text of JSON} or {"error": {…}}

What happens in a child is in zygote_child.py. Needs Python 3.8 and nothing else.
"""

import gc
import json
import os
import re
import selectors
import shutil
import signal
import sys
import tempfile
import time

import zygote_child

sys.path.pop(0)  # The folder of this file, which is no place for a job's imports.

KILL_AFTER_S = 2.0  # Between TERM and KILL: time to remove a file, not to finish a job.
READ_BYTES = 65_536  # What a pipe holds.
LINE_BYTES_MAX = 16_384  # Longer lines are cut into several.
ENDING_BYTES_MAX = 4_194_304  # Of fd 3, which native code can write to as well.


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
        zygote_child.die_with_parent(signal.SIGTERM)
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
        """Forks a child for the order. When the system has no more to give, only this job fails."""
        pipes = []
        try:
            folder = tempfile.mkdtemp(dir=self.root)
            mark = "\x1e" + os.urandom(8).hex() + " "
            for _ in range(3):
                pipes.append(os.pipe())
            pid = self.fork(order, folder, mark, [write for _, write in pipes])
        except OSError as error:
            for read, _ in pipes:
                os.close(read)
            self.news.append({"id": order["run"], "end": not_started(error)})
        else:
            child = Child(self, order["run"], pid, folder, mark.encode(), [read for read, _ in pipes])
            self.children[child.id] = child
            self.news.append({"id": child.id, "pid": pid})
        finally:
            for _, write in pipes:
                os.close(write)

    def fork(self, order, folder, mark, writes):
        # TERM is held back until the child has a handler of its own for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            pid = os.fork()
            if pid == 0:
                zygote_child.run(self.pid, order, folder, mark, writes)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        try:
            os.setpgid(pid, pid)  # The child does the same; whoever is first, the group is there.
        except OSError:
            pass  # It was first, and has become another program.
        return pid

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
        ending = read_ending(self.ended)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return {"id": self.id, "end": {**ending, "code": code, "signal": signal_name(number), "last": self.last}}


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
    except OSError:
        pass  # Nothing of it is left, or what is left is somebody else's.


def read_ending(data):
    """What a child wrote about its end; nothing when it had no time for that."""
    try:
        ending = json.loads(data)
    except ValueError:
        ending = None
    return ending if isinstance(ending, dict) else {}


def not_started(error):
    failure = {"message": f"No process could be made: {error}", "kind": "OSError", "stack": "", "permanent": False}
    return {"error": {**failure, "seconds": 0}, "code": 1, "signal": None, "last": ""}


def signal_name(number):
    try:
        return signal.Signals(number).name if number else None
    except ValueError:
        return str(number)


if __name__ == "__main__":
    zygote_child.offer_qntx()
    Zygote().serve()
