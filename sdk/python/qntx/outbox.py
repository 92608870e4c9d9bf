"""Outbox: everything that jobs have to say, gathered and sent as soon as the host reads.

One message with a hundred endings costs hardly more than one with a single ending.
When the host does not read, endings wait without limit (the host knows how many jobs
it started) but lines do not: beyond a limit they are counted and dropped, and a line
in their place says how many.
"""

from __future__ import annotations

import threading
import time
import typing
from collections import deque

from .wire import v1

BATCH_BYTES = 1_048_576  # Per message, but for its last item: far below gRPC's own 4 MiB.
LINES_WAITING_BYTES_MAX = 16_777_216  # Lines that wait until the host reads; it keeps 8 MiB of a job.
LINE_BYTES = 64  # Of a line beside its text.


class Outbox:
    """What waits to be sent on one stream, or in one answer."""

    def __init__(self):
        self._news = threading.Condition()
        self._items: deque = deque()  # (field of PluginMessage, message), in the order they were said.
        self._line_bytes = 0
        self._progress: dict = {}
        self._checkpoints: dict = {}
        self._beats: dict = {}
        self._handlers: list | None = None
        self._closed = False

    def finish(self, finish) -> None:
        """Takes a JobFinish."""
        with self._news:
            self._items.append(("finishes", finish))
            self._news.notify()

    def log(self, line, lost: int) -> int:
        """Takes a JobLog. `lost` lines of its job got lost just before it; answers with how many are lost now."""
        with self._news:
            if self._line_bytes >= LINES_WAITING_BYTES_MAX:
                return lost + 1
            if lost:
                self._say_lost(line.job_id, line.fence, lost)
            self._append(line)
            self._news.notify()
            return 0

    def lost(self, job_id: str, fence: int, lines: int) -> None:
        """Says that the job's last lines got lost."""
        with self._news:
            self._say_lost(job_id, fence, lines)

    def progress(self, progress) -> None:
        """Takes a JobProgress; only the newest of a job is sent."""
        with self._news:
            self._progress[progress.job_id, progress.fence] = progress
            self._news.notify()

    def checkpoint(self, checkpoint) -> None:
        """Takes a JobCheckpoint; only the newest of a job is sent."""
        with self._news:
            self._checkpoints[checkpoint.job_id, checkpoint.fence] = checkpoint
            self._news.notify()

    def beat(self, beats: typing.Iterable) -> None:
        """Takes JobBeats; one of each job is enough."""
        with self._news:
            self._beats.update({(beat.job_id, beat.fence): beat for beat in beats})
            self._news.notify()

    def announce(self, handlers: list) -> None:
        """Takes the HandlerOptions that replace those announced before."""
        with self._news:
            self._handlers = handlers
            self._news.notify()

    def close(self) -> None:
        """What waits is still sent; nothing after it."""
        with self._news:
            self._closed = True
            self._news.notify()

    def messages(self) -> typing.Iterator:
        """PluginMessages, each as soon as there is something to say, until it is closed and empty."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closed or self._has_news())
                if not self._has_news():
                    return
                message = self._take()
            yield message

    def _say_lost(self, job_id: str, fence: int, lines: int) -> None:
        self._append(v1.JobLog(
            job_id=job_id, fence=fence, level="warn", at=int(time.time() * 1000),
            message=f"{lines} lines were dropped here: the job said more than could be sent."))

    def _append(self, line) -> None:
        self._items.append(("logs", line))
        self._line_bytes += _size(line)

    def _has_news(self) -> bool:
        return bool(self._items or self._progress or self._checkpoints or self._beats) or self._handlers is not None

    def _take(self):
        message, size = v1.PluginMessage(), 0
        while self._items and size < BATCH_BYTES:
            field, item = self._items.popleft()
            if field == "logs":
                self._line_bytes -= _size(item)
            size += item.ByteSize()
            getattr(message, field).append(item)
        message.progress.extend(self._progress.values())
        message.checkpoints.extend(self._checkpoints.values())
        message.beats.extend(self._beats.values())
        if self._handlers is not None:
            message.handlers_changed.SetInParent()  # Also when there are none left.
            message.handlers_changed.handlers.extend(self._handlers)
        self._progress, self._checkpoints, self._beats, self._handlers = {}, {}, {}, None
        return message


def _size(line) -> int:
    return len(line.message) + len(line.fields) + LINE_BYTES
