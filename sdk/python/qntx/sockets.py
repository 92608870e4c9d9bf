"""Sockets: one WebSocket of a browser at /ws/<plugin>, as a plugin's handler sees it."""

from __future__ import annotations

import asyncio
import collections
import json
import threading
import time
import traceback
import typing
import urllib.parse

import grpc

from .wire import protocol

if typing.TYPE_CHECKING:
    from . import Plugin
    from .serve import Runner

QUEUE_MAX = 64  # Messages either way; then whoever sends more waits.
CONNECT, DATA, CLOSE, PING, PONG, ERROR = range(6)  # WebSocketMessage.Type.


class Socket:
    """A WebSocket. `for` it, or `async for` it: the messages that the browser sends, as bytes,
    until it goes.

    query      what stands behind the question mark of /ws/<plugin>?…, text by name
    headers    those of the browser's request, names in small letters
    """

    def __init__(self, plugin: Plugin):
        self.query: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self._host = plugin.host
        self._changed = threading.Condition()
        self._unread: collections.deque[bytes] = collections.deque()
        self._unsent: collections.deque = collections.deque()
        self._connected = self._over = False
        self._wakes: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    @property
    def over(self) -> bool:
        """True when one side has ended it."""
        return self._over

    def send(self, message: str | bytes) -> typing.Any:
        """Sends one message; waits while the browser does not keep up. Sends nothing when it is over."""
        data = message.encode() if isinstance(message, str) else bytes(message)
        return self._host._answer(lambda: self._put(data))

    def send_json(self, value: object) -> typing.Any:
        """Sends a value as JSON."""
        return self.send(json.dumps(value, ensure_ascii=False))

    def close(self, reason: str = "") -> None:
        """Ends it, with a sentence for the browser."""
        self._finish(CLOSE, reason)

    def __iter__(self) -> typing.Iterator[bytes]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unread or self._over)
                if not self._unread:
                    return
                message = self._unread.popleft()
                self._changed.notify_all()
            yield message

    async def __aiter__(self) -> typing.AsyncIterator[bytes]:
        wake = asyncio.Event()
        with self._changed:
            self._wakes.append((asyncio.get_running_loop(), wake))
        while True:
            wake.clear()
            with self._changed:
                message = self._unread.popleft() if self._unread else None
                self._changed.notify_all()
                over = self._over
            if message is not None:
                yield message
            elif over:
                return
            else:
                await wake.wait()

    def _serve(self, run: typing.Callable, runner: Runner, requests: typing.Iterator) -> typing.Iterator:
        """What is to be sent, until it is over."""
        for work in ((self._read, requests), (self._speak, run, runner)):
            threading.Thread(target=work[0], args=work[1:], daemon=True).start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unsent or self._over)
                if not self._unsent:
                    return
                message = self._unsent.popleft()
                self._changed.notify_all()
            yield message

    def _speak(self, run: typing.Callable, runner: Runner) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._connected or self._over)
        try:
            if not self._over:
                runner.call(run, self, self._host)
            self.close()
        except Exception:
            traceback.print_exc()  # For the plugin's log; the browser may be anybody's.
            self._finish(ERROR, f"Plugin {self._host._plugin.name} failed to answer.")

    def _read(self, requests: typing.Iterator) -> None:
        try:
            for message in requests:
                self._take(message)
                if self._over:
                    break
        except grpc.RpcError:
            pass  # The host went away, or the browser.
        self._end()

    def _take(self, message) -> None:
        with self._changed:
            if message.type == CONNECT:
                self.headers = dict(message.headers)
                self.query = dict(urllib.parse.parse_qsl(self.headers.pop("qntx-query", ""), True))
                self._connected = True
            elif message.type == PING:
                self._unsent.append(protocol.WebSocketMessage(type=PONG, timestamp=message.timestamp))
            elif message.type == DATA:
                self._changed.wait_for(lambda: len(self._unread) < QUEUE_MAX or self._over)
                self._unread.append(message.data)
            elif message.type in (CLOSE, ERROR):
                self._over = True
            self._tell()

    def _put(self, data: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._unsent) < QUEUE_MAX or self._over)
            if not self._over:
                self._unsent.append(_message(DATA, data))
                self._tell()

    def _finish(self, type: int, reason: str) -> None:
        with self._changed:
            if not self._over:  # Behind what waits already, and without waiting: this may be the event loop.
                self._unsent.append(_message(type, reason.encode()))
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._tell()

    def _tell(self) -> None:
        self._changed.notify_all()
        for loop, wake in self._wakes:
            loop.call_soon_threadsafe(wake.set)


def _message(type: int, data: bytes):
    return protocol.WebSocketMessage(type=type, data=data, timestamp=time.time_ns())
