"""Serve: the process around a plugin.

gRPC's threads take the host's calls; plain handlers run in threads of their own, async
ones on one event loop in a thread; the main thread only waits for the end, so that
signals are heard whatever a handler does.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import json
import os
import signal
import stat
import sys
import threading
import traceback
import typing
from concurrent import futures

import grpc

from . import Handler, Plugin, output
from .endings import finish_of_error, finish_of_result, finish_of_unknown
from .job import Job, current
from .services import NOT_ITS_HOST, OPEN, DomainPlugin, PluginService, Proof, Stream
from .wire import CHANNEL_OPTIONS, message_class, method, serialize

PORT_TRIES = 64  # As many as QNTX's own SDK walks before it gives up.
BEAT_S = 2.0  # Well inside the ten seconds after which a silent holder is doubted.
STOP_GRACE_S = 2.0  # For cancelled jobs; the host waits three seconds between TERM and KILL.
SEND_GRACE_S = 0.5  # For the last messages. Older versions of grpcio wait all of it while a client is connected.
SOCKETS_MAX = 64  # WebSockets hold a thread each; the host opens no more.
CALLS_SPARE = 16  # gRPC threads besides those that unary jobs hold: for the stream and short calls.
PR_SET_DUMPABLE = 4  # From linux/prctl.h.

Done = typing.Callable[[typing.Any], None]


class Server:
    """Serves one plugin on 127.0.0.1 until it is told to end."""

    def __init__(self, plugin: Plugin):
        self.plugin = plugin
        self.streams: set[Stream] = set()
        self.runner = Runner(plugin)
        self.proof = Proof()
        self._ending = threading.Event()
        plugin._on_change = self._announce
        self.announced: list = []

    def run(self, port: int) -> None:
        """Serves; ends the process."""
        _hide_memory()
        output.capture()
        for word in (signal.SIGTERM, signal.SIGINT):
            signal.signal(word, lambda *_: self._ending.set())
        server = grpc.server(
            futures.ThreadPoolExecutor(self.plugin.concurrency + SOCKETS_MAX + CALLS_SPARE, "qntx-call"),
            options=[*CHANNEL_OPTIONS, ("grpc.so_reuseport", 0)])  # Or a port in use would look free.
        for service in (DomainPlugin(self), PluginService(self)):
            server.add_generic_rpc_handlers((_handlers(service, self.proof),))
        bound = _bind(server, port)
        server.start()
        for work in (self._beat, self._await_host):
            threading.Thread(target=work, daemon=True).start()
        print(f"QNTX_PLUGIN_PORT={bound}", flush=True)
        self._ending.wait()
        self._end(server)

    def end(self) -> None:
        """Asks the process to end."""
        self._ending.set()

    def _announce(self) -> None:
        for stream in list(self.streams):
            self.announced = self.plugin._announced()
            stream.outbox.announce(self.announced)

    def _beat(self) -> None:
        while not self._ending.wait(BEAT_S):
            for stream in list(self.streams):
                stream.beat()

    def _await_host(self) -> None:
        """A pipe on stdin is the host's lifeline: it closes however the host dies."""
        mode = os.fstat(0).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            while os.read(0, 4096):
                pass
            self.end()

    def _end(self, server: grpc.Server) -> None:
        self.runner.cancel_all("shutdown")
        self.runner.wait(STOP_GRACE_S)
        for hook in self.plugin._stops:
            try:
                self.runner.call(hook, self.plugin.host)
            except Exception:
                traceback.print_exc()
        for stream in list(self.streams):
            stream.outbox.close()
        server.stop(SEND_GRACE_S).wait()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # A handler that does not listen must not keep the process.


class Runner:
    """Runs what may be plain or async, and knows which jobs run."""

    def __init__(self, plugin: Plugin):
        self._plugin = plugin
        self._jobs: set[Job] = set()
        self._changed = threading.Condition()
        self._coming: list[typing.Coroutine] = []
        self._tasks: set[asyncio.Task] = set()
        self._threads = futures.ThreadPoolExecutor(plugin.concurrency, "qntx-job")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._jobs)

    def start(self, job: Job, ended: typing.Callable[[], None]) -> None:
        """Runs the job's handler; calls `ended` when the job has said how it ended."""
        handler = self._plugin._handler(job.handler)
        with self._changed:
            self._jobs.add(job)

        def done(finish: typing.Any) -> None:
            job._end(finish)
            with self._changed:
                self._jobs.discard(job)
                self._changed.notify_all()
            ended()

        if handler is None:
            done(finish_of_unknown(f"{self._plugin.name} has no handler {json.dumps(job.handler)}."))
        elif _is_async(handler.run):
            self._begin(_attempt_async(handler, job, done))
        else:
            self._threads.submit(contextvars.copy_context().run, self._attempt, handler, job, done)

    def cancel_all(self, reason: str) -> None:
        """Asks every job to end."""
        with self._changed:
            jobs = list(self._jobs)
        for job in jobs:
            job._cancel(reason)

    def wait(self, seconds: float) -> None:
        """Waits until no job runs, but not longer than that."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs, seconds)

    def call(self, run: typing.Callable, *arguments: object) -> typing.Any:
        """Calls a function from any thread but the loop's; answers with what it returns in the end."""
        if _is_async(run):
            return self._await(run(*arguments))
        result = run(*arguments)
        return self._await(result) if inspect.isawaitable(result) else result

    def _begin(self, attempt: typing.Coroutine) -> None:
        """Hands an async attempt to the loop. Those of one message wake it once: waking costs more than a small job."""
        with self._changed:
            self._coming.append(attempt)
            if len(self._coming) > 1:
                return
        self._loop.call_soon_threadsafe(self._begin_all)

    def _begin_all(self) -> None:
        with self._changed:
            coming, self._coming = self._coming, []
        for attempt in coming:
            task = self._loop.create_task(attempt)
            self._tasks.add(task)  # The loop itself does not keep them.
            task.add_done_callback(self._tasks.discard)

    def _attempt(self, handler: Handler, job: Job, done: Done) -> None:
        current.set(job)
        try:
            _refuse_if_cancelled(job)
            finish = finish_of_result(job, self.call(handler.run, job))
        except BaseException as error:
            finish = finish_of_error(job, error)
        done(finish)

    def _await(self, awaitable: typing.Awaitable) -> typing.Any:
        async def wait() -> typing.Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result()


def _handlers(service: DomainPlugin | PluginService, proof: Proof) -> grpc.GenericRpcHandler:
    """gRPC's table of a service: its methods are those that begin with a capital."""
    table = {}
    for name in (name for name in dir(service) if name[0].isupper() and name != "NAME"):
        found = method(f"{service.NAME}/{name}")
        streams = name in ("Jobs", "HandleWebSocket")
        make = grpc.stream_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        run = getattr(service, name) if name in OPEN else _guarded(getattr(service, name), proof)
        table[name] = make(run, message_class(found.input_type).FromString, serialize)
    return grpc.method_handlers_generic_handler(service.NAME, table)


def _guarded(run: typing.Callable, proof: Proof) -> typing.Callable:
    def guarded(request, context):
        if not proof.admits(context.invocation_metadata()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, NOT_ITS_HOST)
        return run(request, context)

    return guarded


async def _attempt_async(handler: Handler, job: Job, done: Done) -> None:
    current.set(job)
    job._task = asyncio.current_task()
    try:
        _refuse_if_cancelled(job)
        finish = finish_of_result(job, await handler.run(job))
    except BaseException as error:
        finish = finish_of_error(job, error)
    done(finish)


def _refuse_if_cancelled(job: Job) -> None:
    if job._told.is_set():
        raise asyncio.CancelledError


def _is_async(run: typing.Callable) -> bool:
    return inspect.iscoroutinefunction(run) or inspect.iscoroutinefunction(getattr(run, "__call__", None))


def _bind(server: grpc.Server, port: int) -> int:
    for each in range(port, port + (PORT_TRIES if port else 1)):
        try:
            bound = server.add_insecure_port(f"127.0.0.1:{each}")
        except RuntimeError:  # Older versions of grpcio answer 0 instead.
            bound = 0
        if bound:
            return bound
    raise SystemExit(f"No port from {port} to {port + PORT_TRIES - 1} is free on 127.0.0.1.")


def _hide_memory() -> None:
    """Keeps other processes of the same user from reading the host's token out of this one. Linux only."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        pass
