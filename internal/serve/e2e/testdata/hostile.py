"""A plugin that does what nobody wants: each job tries something, and says what came of it."""

import ctypes
import errno
import os
import signal
import socket
import time
from pathlib import Path

from qntx import Plugin
from qntx.endings import HostError

# It calls a handler as another plugin does.
plugin = Plugin("hostile", version="6.6.6", capabilities=["cap:scheduler.manage"])
LIBC = ctypes.PyDLL(None, use_errno=True)
HOME = Path.cwd().parent.parent  # Its own folder is plugins-data/hostile.


def refused(attempt) -> str:
    """What an attempt came to: "done", or why not."""
    try:
        attempt()
    except (OSError, HostError, IndexError, MemoryError) as error:
        code = getattr(error, "errno", None)
        return errno.errorcode[code] if code else f"{type(error).__name__}: {error}"
    return "done"


def connect() -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(HOME / "host.sock"))


@plugin.job("spy", max_attempts=1)
def spy(job):
    """Reads what belongs to others, and ends them."""
    host = os.getppid()
    mine = os.getuid()
    others = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    others = [pid for pid in others if refused(lambda: os.stat(f"/proc/{pid}")) == "done"
              and os.stat(f"/proc/{pid}").st_uid != mine]
    read = [f"{pid}/{name}" for pid in others for name in ("environ", "mem", "maps")
            if refused(lambda: Path(f"/proc/{pid}/{name}").open("rb").read(1)[0]) == "done"]
    files = ["operator.token", "qntx.db", "logs.db", "qntx.toml", "plugins.run.json", "logs/victim.log",
             "plugins-data/victim"]
    opened = {name: refused(lambda: os.listdir(HOME / name) if name == "plugins-data/victim"
                            else (HOME / name).read_bytes()) for name in files}
    return {
        "uid": mine,
        "others": len(others),
        "read": read,
        "files": opened,
        "list": refused(lambda: os.listdir(HOME)),
        "door": refused(connect),
        "kill": refused(lambda: os.kill(host, signal.SIGKILL)),
        "root": refused(lambda: os.setuid(0)),
        "program": refused(lambda: Path(__file__).open("a")),
        "cgroup": refused(lambda: [path.write_text("max") for path in Path("/sys/fs/cgroup").glob("**/pids.max")
                                   if "hostile" in str(path)]),
        "secrets": [name for name, value in os.environ.items() if "token" in (name + value).lower()],
    }


def fork_alone() -> int:
    """A child in which nothing else of this process goes on: gRPC would wait there for its threads."""
    child = LIBC._Fork()
    if child < 0:
        raise OSError(ctypes.get_errno(), "fork")
    return child


@plugin.job("fork", max_attempts=1)
def fork(job):
    """Makes children, in sessions of their own, until there are no more; then all of them spin."""
    children, why = 0, ""
    waits, go = os.pipe()
    while children < 10_000:  # A machine without limits is not to suffer for long.
        try:
            child = fork_alone()
        except OSError as error:
            why = errno.errorcode[error.errno]
            break
        if child == 0:
            LIBC.setsid()
            signal.alarm(30)  # Should nobody end it.
            os.close(go)
            os.read(waits, 1)
            while True:
                pass
        children += 1
    os.close(go)
    until = time.monotonic() + job.payload["seconds"]
    while time.monotonic() < until:
        refused(fork_alone)
        time.sleep(0.01)
    return {"children": children, "why": why}


@plugin.job("chatter", max_attempts=1)
def chatter(job):
    """Prints so much, as fast as it can. Answers with how long that took."""
    lines, left, began = (b"x" * 999 + b"\n") * 64, job.payload["bytes"], time.monotonic()
    while left > 0:
        left -= os.write(2, lines)
    return time.monotonic() - began


@plugin.job("gorge", max_attempts=1)
def gorge(job):
    """Takes more memory than it may have."""
    return len("x" * job.payload["bytes"])


@plugin.job("meddle", max_attempts=1)
def meddle(job):
    """Reaches for what belongs to others."""
    scheduler, ids = plugin.host.scheduler, job.payload["schedules"]
    return {
        "listed": len(scheduler.list()),
        "delete": [refused(lambda: scheduler.delete(id)) for id in ids],
        "pause": [refused(lambda: scheduler.pause(id)) for id in ids],
        "enqueue": refused(lambda: plugin.host.queue.enqueue("victim.beat", {})),
    }


@plugin.job("flood", max_attempts=1)
def flood(job):
    """Makes schedules until somebody says no."""
    made = 0
    for number in range(job.payload["schedules"]):
        why = refused(lambda: plugin.host.scheduler.create("hostile.spy", name=f"flood-{number}", every="24h"))
        if why != "done":
            return {"made": made, "why": why}
        made += 1
    return {"made": made, "why": ""}


@plugin.job("victim.beat")
def grab(job):
    """Would run what is meant for another."""
    raise RuntimeError("it was mine")


plugin.run()
