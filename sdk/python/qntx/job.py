"""Job: the object that a handler is given."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import time
import typing

from .outbox import Outbox
from .wire import read_json, utf8, v1, write_json

if typing.TYPE_CHECKING:
    from .host import Host

CONCURRENCY_DEFAULT = 32  # Plain handlers take a thread each; more of them fight over one interpreter.
CHECKPOINT_BYTES_MAX = 65_536  # What a host keeps: where the job stands, not what it made.
LINE_CHARS_MAX = 16_384  # Of one line of a log; the rest of it is cut.

current: contextvars.ContextVar[Job | None] = contextvars.ContextVar("qntx_job", default=None)


class Log:
    """Writes lines: `log("text", key=value)` is `log.info(…)`; also debug, warn, error."""

    def __init__(self, write: typing.Callable[[str, str, dict], None]):
        self._write = write

    def __call__(self, message: object, **fields: object) -> None:
        self._write("info", str(message), fields)

    info = __call__

    def debug(self, message: object, **fields: object) -> None:
        self._write("debug", str(message), fields)

    def warn(self, message: object, **fields: object) -> None:
        self._write("warn", str(message), fields)

    def error(self, message: object, **fields: object) -> None:
        self._write("error", str(message), fields)


class Job:
    """What to do, and ways to talk about it while doing it.

    id, handler    text
    payload        read as JSON; None when empty; text when it is not JSON
    bytes          the payload as it was sent
    state          what the last attempt saved with checkpoint(); None when none did
    attempt        which try this is, from 1; max_attempts: how many there may be
    timeout        seconds that this try may take; 0 when not said
    trigger        enqueue, schedule, run-now, backfill, retry, watcher
    schedule_id    the host's id of the schedule that made it, like "SC_01M7…"; or None
    declared_id    the id under which the plugin declared that schedule, like "hourly"; or None
    occurrence     its nominal instant, ISO 8601, the same for every attempt; or None
    run_count      which run of its schedule it is, from 1: the same for every attempt, and
                   counted over restarts of everything; or None
    catchup        True when the occurrence was missed and is made up for
    tenant         whose job it is, where a host serves several; or None
    cancel_event   a threading.Event, set when the job shall end; an async handler gets
                   asyncio.CancelledError besides
    cancel_reason  "cancelled", "timeout" or "shutdown"; "" while the job may run
    log            log("text", key=value), log.warn(…); print() says the same as log()
    qntx           the Host
    """

    def __init__(self, start, outbox: Outbox, host: Host):
        self.id: str = start.job_id
        self.handler: str = start.handler
        self.bytes: bytes = start.payload
        self.payload: typing.Any = read_json(start.payload)
        self.attempt: int = start.attempt
        self.max_attempts: int = start.max_attempts
        self.timeout: float = start.timeout_ms / 1000
        self.trigger: str = start.trigger
        self.schedule_id: str | None = start.schedule_id or None
        self.declared_id: str | None = start.declared_id or None
        self.occurrence: str | None = start.occurrence or None
        self.run_count: int | None = start.run_count or None
        self.catchup: bool = start.catchup
        self.tenant: str | None = start.tenant or None
        self.state: typing.Any = read_json(start.checkpoint)
        self.log = Log(self._line)
        self.qntx = host
        self._fence = start.fence
        self._told = threading.Event()
        self._told_why = ""
        self._listens = False  # True when the handler may have returned because it was told to end.
        self._outbox = outbox
        self._task: asyncio.Task | None = None
        self._cost = 0.0
        self._lost_lines = 0
        self._partial = {"info": "", "warn": ""}
        self._lock = threading.Lock()
        self._ended = False

    @property
    def cancelled(self) -> bool:
        """True when the job shall end. Look at it between the steps of a plain handler."""
        return self.cancel_event.is_set()

    @property
    def cancel_event(self) -> threading.Event:
        """Set when the job shall end."""
        self._listens = True
        return self._told

    @property
    def cancel_reason(self) -> str:
        """Why the job shall end; "" while it may run."""
        self._listens = True
        return self._told_why

    def progress(self, current: int, total: int = 0, message: str = "") -> None:
        """Says how far it is: `progress(3, 10, "third page")`."""
        if not self._ended:
            self._outbox.progress(v1.JobProgress(job_id=self.id, fence=self._fence, current=round(current),
                                                 total=round(total), message=utf8(message)))

    def checkpoint(self, state: object) -> None:
        """Saves where it stands, for the next attempt, which has it as `state`: JSON of at
        most 64 KiB. On disk within a second; the newest counts."""
        data = write_json(state)
        if len(data) > CHECKPOINT_BYTES_MAX:
            raise ValueError(f"The checkpoint of {self.handler} has {len(data)} bytes; it may have {CHECKPOINT_BYTES_MAX}.")
        self.state = read_json(data)
        if not self._ended:
            self._outbox.checkpoint(v1.JobCheckpoint(job_id=self.id, fence=self._fence, checkpoint=data))

    def heartbeat(self) -> None:
        """Says "still alive". The SDK does this by itself every two seconds."""
        if not self._ended:
            self._outbox.beat([self._beat()])

    def cost(self, amount: float) -> None:
        """Adds to what the job cost."""
        with self._lock:
            self._cost += amount

    def _beat(self):
        return v1.JobBeat(job_id=self.id, fence=self._fence)

    def _line(self, level: str, message: str, fields: dict) -> None:
        if self._ended:
            return
        if len(message) > LINE_CHARS_MAX:
            message = f"{message[:LINE_CHARS_MAX]}… (cut: {len(message)} characters)"
        line = v1.JobLog(job_id=self.id, fence=self._fence, level=level, at=int(time.time() * 1000),
                         message=utf8(message), fields=utf8(json.dumps(fields, default=str)) if fields else "")
        with self._lock:
            self._lost_lines = self._outbox.log(line, self._lost_lines)

    def _print(self, level: str, text: str) -> None:
        """Takes what was printed and logs the lines that are complete."""
        with self._lock:
            *lines, rest = (self._partial[level] + text).split("\n")
            if len(rest) > LINE_CHARS_MAX:
                lines, rest = [*lines, rest], ""
            self._partial[level] = rest
        for line in lines:
            self._line(level, line, {})

    def _cancel(self, reason: str) -> None:
        """Asks the handler to end. The first reason stays."""
        with self._lock:
            if self._ended or self._told.is_set():
                return
            self._told_why = reason
            self._told.set()
        if self._task is not None:
            self._listens = True
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _end(self, finish) -> None:
        """Sends the last lines and how it ended. From then on the job says nothing."""
        for level, rest in self._partial.items():
            if rest:
                self._line(level, rest, {})
        if self._lost_lines:
            self._outbox.lost(self.id, self._fence, self._lost_lines)
        finish.job_id, finish.fence, finish.cost = self.id, self._fence, self._cost
        self._ended = True
        self._outbox.finish(finish)
