"""Services: what the host may ask of a plugin, call by call."""

from __future__ import annotations

import hmac
import json
import threading
import traceback
import typing
import urllib.parse
from datetime import datetime, timezone

import grpc

from . import Request, Response
from .endings import sentence_of
from .job import Job
from .outbox import Outbox
from .schedules import to_wire
from .sockets import Socket
from .wire import protocol, v1, write_json

if typing.TYPE_CHECKING:
    from . import Plugin
    from .serve import Server


UINT32_MAX = 2**32 - 1
OPEN = ("Metadata", "Describe", "Health", "Initialize")  # They tell nothing worth hiding, or decide for themselves.
NOT_ITS_HOST = "Only the host of this plugin may call it."


class Proof:
    """Who may call the plugin. Its port is open to every program of the machine, so the first
    Initialize that brings the token of its host as metadata, too, makes that token the price of
    all calls from then on. QNTX's own hosts bring none, and are served without."""

    def __init__(self):
        self._expected = b""

    def initialized(self, metadata, token: str) -> bool:
        """A host says who it is. True when it may: nobody else has before."""
        if self._expected:
            return self.admits(metadata)
        if token and _said(metadata) == f"Bearer {token}".encode():
            self._expected = _said(metadata)
        return True

    def admits(self, metadata) -> bool:
        """True for a call of the host."""
        return not self._expected or hmac.compare_digest(self._expected, _said(metadata))


def _said(metadata) -> bytes:
    return next((value.encode() for key, value in metadata or () if key == "authorization"), b"")


class DomainPlugin:
    """protocol.DomainPluginService: one method for each of its calls."""

    NAME = "protocol.DomainPluginService"

    def __init__(self, server: Server):
        self._server, self._plugin = server, server.plugin
        self._starting = threading.Lock()
        self._started = False

    def Metadata(self, request, context):
        return self._plugin._about

    def Initialize(self, request, context):
        with self._starting:
            if not self._server.proof.initialized(context.invocation_metadata(), request.auth_token):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, NOT_ITS_HOST)
            self._plugin.host._initialize(request)
            if not self._started:
                self._start(context)
            self._server.announced = self._plugin._announced()
        routes = [protocol.RouteInfo(method=method, path=path) for method, path in self._plugin._routes]
        return protocol.InitializeResponse(handler_names=list(self._plugin._jobs), http_routes=routes,
                                           watchers=self._plugin._watchers.values())

    def Shutdown(self, request, context):
        self._server.end()
        return protocol.Empty()

    def Health(self, request, context):
        return protocol.HealthResponse(healthy=True, message="running",
                                       details={"jobs": str(self._server.runner.running)})

    def ConfigSchema(self, request, context):
        return protocol.ConfigSchemaResponse(fields=self._plugin._config)

    def RegisterGlyphs(self, request, context):
        return protocol.GlyphDefResponse(glyphs=self._plugin._glyphs)

    def HandleHTTP(self, request, context):
        url, verb = urllib.parse.urlsplit(request.path), request.method.upper()
        run = self._plugin._route(verb, url.path)
        if run is None:
            return _no_route(self._plugin, url.path)
        headers = {header.name.lower(): ", ".join(header.values) for header in request.headers}
        asked = Request(verb, url.path, dict(urllib.parse.parse_qsl(url.query, True)), headers, request.body)
        try:
            return _http(self._server.runner.call(run, asked, self._plugin.host))
        except Exception:
            traceback.print_exc()  # For the plugin's log; who asked over HTTP may be anybody.
            return _http(Response(f"Plugin {self._plugin.name} failed to answer.\n", 500))

    def HandleWebSocket(self, requests, context):
        if self._plugin._websocket is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{self._plugin.name} has no WebSocket.")
        socket = Socket(self._plugin)
        context.add_callback(socket._end)
        yield from socket._serve(self._plugin._websocket, self._server.runner, requests)

    def ExecuteJob(self, request, context):
        if self._plugin._handler(request.handler_name) is None:
            context.abort(grpc.StatusCode.NOT_FOUND,
                          f"{self._plugin.name} has no handler {json.dumps(request.handler_name)}.")
        start = _start_of(request, context.invocation_metadata())
        outbox = Outbox()
        job = Job(start, outbox, self._plugin.host)
        context.add_callback(lambda: job._cancel("cancelled"))  # Also when its deadline passes.
        self._server.runner.start(job, outbox.close)
        return _answer(outbox, self._plugin.version)

    def _start(self, context) -> None:
        try:
            for hook in self._plugin._starts:
                self._server.runner.call(hook, self._plugin.host)
        except Exception as error:
            traceback.print_exc()
            sentence = f"{self._plugin.name} did not start: {sentence_of(error)}"
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, sentence)
        self._started = True


class PluginService:
    """qntx.v1.PluginService: one method for each of its calls."""

    NAME = "qntx.v1.PluginService"

    def __init__(self, server: Server):
        self._server, self._plugin = server, server.plugin
        self._cleaning = threading.Lock()
        self._cleanups: list[typing.Callable] = []

    def Describe(self, request, context):
        self._cleanups = list(self._plugin._cleanups)  # Once for each host that asks what it is.
        return v1.DescribeResponse(
            protocol="qntx.v1", capabilities=self._plugin._capabilities, schedules=self._schedules(context),
            endpoints=list(self._plugin._endpoints.values()), stream=True, concurrency=self._plugin.concurrency,
            handlers=self._plugin._announced(), priority=self._plugin.priority, follows_services=True)

    def _schedules(self, context) -> list:
        """What the plugin declares now. INVALID_ARGUMENT says that only its author can help."""
        try:
            lists = [self._server.runner.call(give) for give in self._plugin._schedules]
        except Exception as error:
            traceback.print_exc()
            context.abort(grpc.StatusCode.INTERNAL, sentence_of(error))
        try:
            return [declared for given in lists for declared in to_wire(self._plugin, given)]
        except TypeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    def Cleanup(self, request, context):
        with self._cleaning:
            hooks, self._cleanups = self._cleanups, []
        errors = []
        for hook in hooks:
            try:
                self._server.runner.call(hook)
            except Exception as error:
                traceback.print_exc()
                errors.append(error)
        if errors:
            context.abort(grpc.StatusCode.INTERNAL, sentence_of(errors[0]))
        return v1.CleanupResponse()

    def Jobs(self, requests, context):
        stream = Stream(self._server)
        context.add_callback(stream.outbox.close)
        now = self._plugin._announced()
        if now != self._server.announced:  # They changed while no stream was open.
            self._server.announced = now
            stream.outbox.announce(now)
        self._server.streams.add(stream)
        threading.Thread(target=stream.read, args=(requests,), daemon=True).start()
        try:
            yield v1.PluginMessage(ready=True)
            yield from stream.outbox.messages()
        finally:
            stream.abandon()
            self._server.streams.discard(stream)


class Stream:
    """One Jobs call: the jobs that it started, and the outbox that they speak through."""

    def __init__(self, server: Server):
        self.outbox = Outbox()
        self.running: dict[tuple[str, int], Job] = {}
        self._server = server
        self._draining = False
        self._lock = threading.Lock()

    def read(self, requests: typing.Iterator) -> None:
        """Does what the host says until it says no more."""
        try:
            for message in requests:
                for start in message.starts:
                    self._start(start)
                for cancel in message.cancels:
                    self._cancel(cancel)
                if message.drain:
                    self._drain()
            self._drain()
        except grpc.RpcError:
            self.outbox.close()  # The host went away; nobody waits for an answer.

    def beat(self) -> None:
        """Says which jobs are alive."""
        with self._lock:
            jobs = list(self.running.values())
        self.outbox.beat(job._beat() for job in jobs)

    def abandon(self) -> None:
        """Nobody reads any more: the host will start the jobs again on its next stream."""
        with self._lock:
            jobs = list(self.running.values())
        for job in jobs:
            job._cancel("shutdown")

    def _start(self, start) -> None:
        key = (start.job_id, start.fence)
        with self._lock:
            if key in self.running:
                return  # The same attempt twice is one attempt.
            job = self.running[key] = Job(start, self.outbox, self._server.plugin.host)
        self._server.runner.start(job, lambda: self._ended(key))

    def _cancel(self, cancel) -> None:
        job = self.running.get((cancel.job_id, cancel.fence))
        if job:
            job._cancel(cancel.reason or "cancelled")

    def _ended(self, key: tuple[str, int]) -> None:
        with self._lock:
            del self.running[key]
            if self._draining and not self.running:
                self.outbox.close()

    def _drain(self) -> None:
        with self._lock:
            self._draining = True
            if not self.running:
                self.outbox.close()


def _start_of(request, metadata):
    """A JobStart of QNTX's request and what a host of ours says beside it. From another host
    there is nothing, and it is the one try."""
    said = {key.removeprefix("qntx-"): urllib.parse.unquote(value) for key, value in metadata or ()
            if key.startswith("qntx-") and isinstance(value, str)}

    def number(key: str) -> int:
        value = said.get(key, "")
        return min(int(value), UINT32_MAX) if value.isascii() and value.isdigit() else 0

    return v1.JobStart(
        job_id=request.job_id, handler=request.handler_name, payload=request.payload,
        timeout_ms=max(0, min(request.timeout_secs * 1000, UINT32_MAX)),
        attempt=number("attempt") or 1, max_attempts=number("max-attempts") or 1, run_count=number("run-count"),
        trigger=said.get("trigger", ""), tenant=said.get("tenant", ""), catchup=said.get("catchup") == "true",
        schedule_id=said.get("schedule-id", ""), declared_id=said.get("declared-id", ""),
        occurrence=said.get("occurrence", ""), traceparent=said.get("traceparent", ""))


def _answer(outbox: Outbox, version: str):
    """What a job said and how it ended, as one ExecuteJobResponse. Waits for the end."""
    answer = protocol.ExecuteJobResponse(plugin_version=version)
    for message in outbox.messages():
        for line in message.logs:
            at = datetime.fromtimestamp(line.at / 1000, timezone.utc).isoformat(timespec="milliseconds")
            answer.log_entries.add(timestamp=at, level=line.level, message=line.message, metadata=line.fields)
        for progress in message.progress:
            answer.progress_current, answer.progress_total = progress.current, progress.total
        for finish in message.finishes:
            answer.success, answer.result, answer.cost_actual = finish.success, finish.result, finish.cost
            answer.error = "\n".join(filter(None, (finish.error.message, finish.error.stack)))
    return answer


def _no_route(plugin: Plugin, path: str):
    allowed = ", ".join(dict.fromkeys(verb for verb, _ in plugin._routes if plugin._route(verb, path)))
    if allowed:
        return _http(Response(f"{path} answers {allowed}.\n", 405, {"allow": allowed}))
    return _http(Response(f"Plugin {plugin.name} has no route {path}.\n", 404))


def _http(answer: object):
    """An HTTPResponse of what a handler returned."""
    answer = answer if isinstance(answer, Response) else Response(answer)
    if isinstance(answer.body, str):
        body, kind = answer.body.encode(), "text/plain; charset=utf-8"
    elif isinstance(answer.body, bytes):
        body, kind = answer.body, "application/octet-stream"
    else:
        body, kind = write_json(answer.body), "application/json"
    headers = {"content-type": kind} | {name.lower(): str(value) for name, value in answer.headers.items()}
    return protocol.HTTPResponse(status_code=answer.status, body=body, headers=[
        protocol.HTTPHeader(name=name, values=[value]) for name, value in headers.items()])
