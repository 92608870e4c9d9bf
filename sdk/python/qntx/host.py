"""Host: what a plugin may ask of the host that runs it.

Every call is written the same way in both worlds: in a plain function it returns the
answer, in an async one it is awaited. It raises HostError. Answers are records with
the fields that the class which gives them names.
"""

from __future__ import annotations

import asyncio
import functools
import math
import typing
from concurrent import futures
from types import SimpleNamespace as Record

import grpc
from google.protobuf import json_format

from .endings import HostError
from .job import Log
from .output import plugin_line
from .wire import (CHANNEL_OPTIONS, is_list, message_class, method, no_text, protocol, read_json, serialize, v1,
                   write_json)

if typing.TYPE_CHECKING:
    from . import Plugin

CALL_TIMEOUT_S = 30.0  # A host that needs longer is not going to answer.
CALLS_MAX = 32  # Async calls under way, watches included; more of them wait for their turn.
BATCH = 500  # Attestations per call: a message of some hundred kilobytes.
LIST_MAX = 10_000  # Schedules that list() collects: far above any quota.


class Host:
    """config     the plugin's section of the configuration: text by name
    log        the plugin's own log; scheduler, queue, ats, locks, secrets, http,
               storage: see their classes
    """

    def __init__(self, plugin: Plugin):
        self.config: dict[str, str] = {}
        self.log = Log(plugin_line)
        self.scheduler = Scheduler(self)
        self.queue = Queue(self)
        self.ats = Attestations(self)
        self.locks = Locks(self)
        self.secrets = Secrets(self)
        self.http = Web(self)
        self.storage = Storage(self)
        self.services = Services()
        self._plugin = plugin
        self._token = ""
        self._endpoints = {"protocol.ATSStoreService": "", "protocol.FetchService": "",
                           "qntx.v1.HostService": "", "qntx.v1.LockService": "", "qntx.v1.StorageService": ""}
        self._channels: dict[str, grpc.Channel] = {}
        self._pool = futures.ThreadPoolExecutor(CALLS_MAX, "qntx-host")

    def set_jobs(self, jobs: dict) -> typing.Any:
        """Replaces the plugin's handlers while it runs: {"name": function}, or
        {"name": Handler(function, timeout=…)}."""
        return self._answer(lambda: self._plugin._set_jobs(jobs))

    def context(self) -> typing.Any:
        """Who the plugin is to its host: a record of plugin (its name there), tenant ("" is
        nobody's), version, digest (SHA-256 of the program that this process was started from:
        whole where it was installed or pinned, else the first 16 digits), capabilities (names
        of what it may do now), host_version. Needs cap:context.read."""
        request = v1.GetContextRequest()

        def ask():
            answer = self._ask("qntx.v1.HostService/GetContext", request)
            return Record(**{**vars(_record(answer)), "capabilities": list(answer.capabilities)})

        return self._answer(ask)

    def _initialize(self, request) -> None:
        self.config = dict(request.config)
        self._token = request.auth_token
        # One address serves all that is ours; each of these is that address.
        ours = request.schedule_endpoint or request.queue_endpoint or request.ats_store_endpoint
        self._endpoints = {
            "protocol.ATSStoreService": request.ats_store_endpoint,
            "protocol.FetchService": request.fetch_endpoint,
            "qntx.v1.HostService": ours,
            "qntx.v1.LockService": ours,
            "qntx.v1.StorageService": ours,
        }
        self.services._tell(request)

    def _stub(self, kind: str, path: str) -> typing.Callable:
        service = path.split("/")[0]
        endpoint = self._endpoints[service]
        if not endpoint:
            raise HostError("UNAVAILABLE", f"The host does not offer {service} to this plugin.")
        if endpoint not in self._channels:
            self._channels[endpoint] = grpc.insecure_channel(endpoint, options=CHANNEL_OPTIONS)
        read = message_class(method(path).output_type).FromString
        return getattr(self._channels[endpoint], kind)(f"/{path}", serialize, read)

    def _ask(self, path: str, request) -> typing.Any:
        try:
            return self._stub("unary_unary", path)(request, timeout=CALL_TIMEOUT_S, metadata=self._metadata())
        except grpc.RpcError as error:
            raise host_error(error) from None

    def _answer(self, ask: typing.Callable[[], typing.Any]) -> typing.Any:
        """What `ask` returns; in async code something to await for it."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return ask()
        return loop.run_in_executor(self._pool, ask)

    def _metadata(self) -> tuple:
        return (("authorization", f"Bearer {self._token}"), ("qntx-refusals", "status"))


class ServiceAddress(typing.NamedTuple):
    """Where a service is, for a gRPC client of the plugin's own: `address` is "127.0.0.1:port",
    plaintext. `token` goes with each call as metadata, authorization "Bearer <token>", and into
    auth_token where its requests have that."""

    address: str
    token: str


class Services:
    """What other plugins provide for this one now: llm (protocol.LLMService), embedding,
    vector_search and search are each a ServiceAddress; None while nobody provides it, or the
    plugin lacks cap:services.use. Look when you call: providers come and go."""

    llm: ServiceAddress | None = None
    embedding: ServiceAddress | None = None
    vector_search: ServiceAddress | None = None
    search: ServiceAddress | None = None

    def _tell(self, request) -> None:
        for word in ("llm", "embedding", "vector_search", "search"):
            address = getattr(request, f"{word}_endpoint")
            setattr(self, word, ServiceAddress(address, request.auth_token) if address else None)


class Scheduler:
    """Schedules made at run time; needs cap:scheduler.manage. Answers are records of id,
    name, handler, endpoint (one of the two is ""), payload, every, cron, at, timezone, state
    (active, paused, finished, deleted), pause_note, next_run_at ("" is never), last_run_at,
    last_run_state (of its job), last_error, run_count, failures (in a row), revision,
    description, metadata, created_at, and the options of create. Schedules are named by id
    or by name."""

    def __init__(self, host: Host):
        self._host = host

    def create(self, handler: str = "", payload: object = None, **options) -> typing.Any:
        """Makes a schedule for a handler, or, with `endpoint`, for one of the plugin's own
        routes: "POST /sync", or "/sync" where that has one method. Options: exactly one of
        every ("5m"), cron ("0 9 * * 1-5") and at (ISO 8601 with its offset); name, timezone,
        description, metadata (text by name), paused, locking ("require-global",
        "prefer-global" or "node-local"); must_start_within and must_succeed_within ("30s"
        after its time; otherwise the host says so); overlap ("skip", "buffer-one" …), missed
        ("latest", "skip" …), timeout ("30s"), max_attempts, retry ("exponential:2s..10m")."""
        said = {name: value for name, value in options.items() if value is not None}
        named = self._host._plugin._qualified(handler) if handler else ""
        request = _request(v1.CreateScheduleRequest, handler=named, payload=write_json(payload), **said)
        return self._schedule("CreateSchedule", request)

    def upsert(self, name: str, handler: str = "", payload: object = None, **options) -> typing.Any:
        """Creates the schedule of this name, or changes it. Options as for create."""
        return self.create(handler, payload, name=name, upsert=True, **options)

    def get(self, id_or_name: str) -> typing.Any:
        """The schedule, or None."""

        def ask():
            try:
                return _schedule(self._host._ask("qntx.v1.HostService/GetSchedule", v1.ScheduleRef(id=id_or_name)))
            except HostError as error:
                if error.code == "not-found":
                    return None
                raise

        return self._host._answer(ask)

    def list(self, handler: str = "", state: str = "") -> typing.Any:
        """A list of all that match."""

        def ask():
            request, found = v1.ListSchedulesRequest(handler=handler, state=state), []
            while len(found) < LIST_MAX:
                page = self._host._ask("qntx.v1.HostService/ListSchedules", request)
                found += [_schedule(each) for each in page.schedules]
                request.cursor = page.cursor
                if not page.cursor:
                    break
            return found

        return self._host._answer(ask)

    def update(self, id_or_name: str, **change) -> typing.Any:
        """Changes options of create, name, handler, endpoint or payload. What is not given
        stays; None takes away what need not be there. With `revision` it is refused (code
        "conflict") when the schedule has changed since then."""
        change = {name: _taken_away(name) if value is None else value for name, value in change.items()}
        if "payload" in change:
            change["payload"] = write_json(change["payload"])
        return self._schedule("UpdateSchedule", _request(v1.UpdateScheduleRequest, id=id_or_name, **change))

    def pause(self, id_or_name: str, note: str = "") -> typing.Any:
        """Keeps it from firing; `note` tells whoever finds it paused why."""
        return self._schedule("PauseSchedule", v1.PauseScheduleRequest(id=id_or_name, note=note))

    def resume(self, id_or_name: str) -> typing.Any:
        """Lets it fire again."""
        return self._schedule("ResumeSchedule", v1.ScheduleRef(id=id_or_name))

    def delete(self, id_or_name: str) -> typing.Any:
        """Ends it; its history stays."""
        return self._schedule("DeleteSchedule", v1.ScheduleRef(id=id_or_name))

    def get_endpoints(self) -> typing.Any:
        """The plugin's own routes, by path: records of method, path, handler (the function),
        description, schedulable."""
        request = v1.GetEndpointsRequest()
        return self._host._answer(
            lambda: [_record(each) for each in self._host._ask("qntx.v1.HostService/GetEndpoints", request).endpoints])

    def _schedule(self, name: str, request) -> typing.Any:
        return self._host._answer(lambda: _schedule(self._host._ask(f"qntx.v1.HostService/{name}", request)))


class Queue:
    """Jobs. Answers are records of id and created: False when the job existed already."""

    def __init__(self, host: Host):
        self._host = host

    def enqueue(self, handler: str, payload: object = None, **options) -> typing.Any:
        """Puts one job on disk. Options: id (the same id again answers with the job that
        exists), priority (lower runs first), run_at (ISO 8601 with its offset),
        unique_key (one active job of a handler has it), unique_for (seconds for
        which it has it from now on, also when it has ended), concurrency_key (those of a handler
        that have it run one after the other, or as many at once as it allows), max_attempts, retry (how long it
        waits between tries, as of a handler), timeout (seconds), parent_id (the job whose
        child it is: cancelled with it), wait_for (ids of jobs, earlier in the same call or
        there already: it runs when all have ended), wait_policy (when one of those does not
        complete: "fail", "continue" or "cancel"), child_policy (of its children when it
        fails: "keep" or "cancel"), cost_estimate (what it will cost, of the budgets that it
        falls under: reserved while it runs)."""
        request = self._request([{"handler": handler, "payload": payload, **options}])
        return self._host._answer(lambda: self._enqueue(request)[0])

    def enqueue_many(self, jobs: typing.Iterable[dict]) -> typing.Any:
        """Puts several on disk in one step: [{"handler": …, "payload": …, and options}]."""
        request = self._request(jobs)
        return self._host._answer(lambda: self._enqueue(request))

    def _request(self, jobs: typing.Iterable[dict]):
        request = v1.EnqueueRequest()
        for job in jobs:
            words = {**job, "handler": self._host._plugin._qualified(job["handler"]),
                     "payload": write_json(job.get("payload"))}
            no_text("wait_for", words.get("wait_for"))
            if "unique_for" in words:
                words["unique_for_ms"] = round(words.pop("unique_for") * 1000)
            if "timeout" in words:
                words["timeout_ms"] = round(words.pop("timeout") * 1000)
            request.jobs.add(**words)
        return request

    def _enqueue(self, request) -> list:
        answer = self._host._ask("qntx.v1.HostService/Enqueue", request)
        return [Record(id=job.id, created=job.created) for job in answer.jobs]


class Locks:
    """Locks among this plugin's processes, on all hosts that have the same lock provider.
    Times are in seconds; a lock ends by itself."""

    def __init__(self, host: Host):
        self._host = host

    def try_lock(self, key: str, ttl: float, holder: str) -> typing.Any:
        """A record of token and fence (greater than all that were given for this key
        before), or, when somebody else has it, one of token None, holder and left. Never
        waits. The same holder is given its lock again; ask again after an error."""

        def ask():
            request = v1.TryLockRequest(key=key, ttl_ms=round(ttl * 1000), holder=holder)
            answer = self._host._ask("qntx.v1.LockService/TryLock", request)
            if answer.HasField("handle"):
                return Record(token=answer.handle.token, fence=answer.handle.fence)
            return Record(token=None, holder=answer.contention.holder, left=answer.contention.left_ms / 1000)

        return self._host._answer(ask)

    def renew(self, token: str, ttl: float) -> typing.Any:
        """Keeps it for `ttl` from now. False when it ran out, or somebody else has it."""
        request = v1.RenewLockRequest(token=token, ttl_ms=round(ttl * 1000))
        return self._host._answer(lambda: self._host._ask("qntx.v1.LockService/Renew", request).held)

    def release(self, token: str) -> typing.Any:
        """Gives it back. False when it was not held with this token any more."""
        request = v1.ReleaseLockRequest(token=token)
        return self._host._answer(lambda: self._host._ask("qntx.v1.LockService/Release", request).released)


class Secrets:
    """What the operator keeps for this plugin elsewhere than in its configuration; needs
    cap:secrets.get."""

    def __init__(self, host: Host):
        self._host = host

    def get(self, name: str) -> typing.Any:
        """What [secrets.<plugin>] in qntx.toml names so, as it is now: text. Raises HostError,
        code "not-found" for any other name. Ask when you use it, and keep it no longer."""
        request = v1.GetSecretRequest(name=name)
        return self._host._answer(lambda: self._host._ask("qntx.v1.HostService/GetSecret", request).value)


class Web:
    """The web, as far as the host lets a plugin reach it; needs cap:http.fetch."""

    def __init__(self, host: Host):
        self._host = host

    def fetch(self, url: str, **options) -> typing.Any:
        """GETs a public address: a record of status, body (text) and attestation_id. Options:
        subjects (where there are any, the answer is attested about them), predicate (beside
        "http:get"; what is attested with it already is given again), context (the address
        when absent), fresh (asks anew). Raises HostError with why not; 404 is an answer."""
        request = _request(protocol.FetchRequest, auth_token=self._host._token, url=url, **options)

        def ask():
            answer = self._host._ask("protocol.FetchService/Fetch", request)
            if not answer.success:
                raise HostError("UNKNOWN", answer.error or "Fetch was refused.")
            return Record(status=answer.status_code, body=answer.body, attestation_id=answer.attestation_id)

        return self._host._answer(ask)


class Storage:
    """Values that the plugin keeps by key, apart from everybody else's, over restarts and
    upgrades; needs cap:storage.kv. Answers are records of key, version (greater after every
    change, and never the same again), size (bytes of the value) and expires_at ("" is never)."""

    def __init__(self, host: Host):
        self._host = host

    def get(self, key: str) -> typing.Any:
        """A record that also has value (read as JSON; text when it is not JSON) and bytes; or None."""

        def ask():
            try:
                answer = self._host._ask("qntx.v1.StorageService/Get", _request(v1.GetStoredRequest, key=key))
            except HostError as error:
                if error.code == "not-found":
                    return None
                raise
            return Record(**vars(_record(answer.about)), value=read_json(answer.value), bytes=answer.value)

        return self._host._answer(ask)

    def set(self, key: str, value: object, version: int | None = None, ttl: float | None = None) -> typing.Any:
        """Puts JSON, or bytes as they are, on disk, at most 1 MiB. With `version` it is refused
        (code "conflict") unless the key has that one now; 0 means that it must not be there.
        After `ttl` seconds it is gone."""
        said = {"version": version, "ttl_ms": None if ttl is None else math.ceil(ttl * 1000)}
        said = {name: number for name, number in said.items() if number is not None}
        request = _request(v1.SetStoredRequest, key=key, value=write_json(value), **said)
        return self._host._answer(lambda: _record(self._host._ask("qntx.v1.StorageService/Set", request)))

    def delete(self, key: str) -> typing.Any:
        """False when there was none."""
        request = _request(v1.DeleteStoredRequest, key=key)
        return self._host._answer(lambda: self._host._ask("qntx.v1.StorageService/Delete", request).deleted)

    def list(self, prefix: str = "", limit: int = 0, cursor: str = "") -> typing.Any:
        """A page of keys that begin so, at most `limit` (50 when 0, 1,000 at most): a record of
        keys and cursor, which leads to the next page and is "" on the last."""
        request = _request(v1.ListStoredRequest, prefix=prefix, limit=limit, cursor=cursor)

        def ask():
            page = self._host._ask("qntx.v1.StorageService/List", request)
            return Record(keys=[_record(each) for each in page.keys], cursor=page.cursor)

        return self._host._answer(ask)


class Attestations:
    """Statements: subjects have predicates in contexts, say actors. Answers are records
    of id, subjects, predicates, contexts, actors, timestamp, source, attributes,
    created_at; times are milliseconds since 1970. Filters are subjects, predicates,
    contexts, actors (lists: OR inside one, AND between them), time_start, time_end,
    limit."""

    def __init__(self, host: Host):
        self._host = host

    def create(self, subjects: typing.Sequence[str], **fields) -> typing.Any:
        """Writes one. Fields: predicates, contexts, actors, timestamp, attributes (JSON by name)."""
        command = _command(subjects=subjects, **fields)

        def ask():
            request = protocol.GenerateAttestationRequest(auth_token=self._host._token, command=command)
            return _attestation(self._ask("GenerateAndCreateAttestation", request).attestation)

        return self._host._answer(ask)

    def create_many(self, attestations: typing.Iterable[dict]) -> typing.Any:
        """Writes several; the answer is how many were written."""
        commands = [_command(**each) for each in attestations]

        def ask():
            created = 0
            for at in range(0, len(commands), BATCH):
                request = protocol.BatchGenerateAttestationRequest(
                    auth_token=self._host._token, commands=commands[at:at + BATCH])
                created += self._ask("BatchGenerateAndCreateAttestations", request).created
            return created

        return self._host._answer(ask)

    def query(self, **filter) -> typing.Any:
        """A list, newest first."""
        wanted = _request(protocol.AttestationFilter, **filter)

        def ask():
            request = protocol.GetAttestationsRequest(auth_token=self._host._token, filter=wanted)
            return [_attestation(each) for each in self._ask("GetAttestations", request).attestations]

        return self._host._answer(ask)

    def exists(self, id: str) -> typing.Any:
        """True when there is one of this id."""
        request = protocol.AttestationExistsRequest(auth_token=self._host._token, id=id)
        return self._host._answer(
            lambda: self._host._ask("protocol.ATSStoreService/AttestationExists", request).exists)

    def watch(self, **filter) -> Watch:
        """Those that match, as they are made, from now on: `for` it, or `async for` it."""
        request = v1.WatchAttestationsRequest(filter=_request(protocol.AttestationFilter, **filter))
        stub = self._host._stub("unary_stream", "qntx.v1.HostService/WatchAttestations")
        return Watch(stub(request, metadata=self._host._metadata()), self._host._pool)

    def _ask(self, name: str, request) -> typing.Any:
        answer = self._host._ask(f"protocol.ATSStoreService/{name}", request)
        if not answer.success:
            raise HostError("UNKNOWN", answer.error or f"{name} was refused.")
        return answer


class Watch:
    """Attestations as they are made. Ends by close(), or by a HostError."""

    def __init__(self, call: typing.Any, pool: futures.Executor):
        self._call, self._pool = call, pool

    def close(self) -> None:
        """Ends it, also for a loop that waits in another thread."""
        self._call.cancel()

    def __iter__(self) -> typing.Iterator:
        try:
            for each in self._call:
                yield _attestation(each)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                raise host_error(error) from None
        finally:
            self.close()

    async def __aiter__(self) -> typing.AsyncIterator:
        loop, found = asyncio.get_running_loop(), iter(self)
        try:
            while (each := await loop.run_in_executor(self._pool, next, found, None)) is not None:
                yield each
        finally:
            self.close()


def host_error(error: grpc.RpcError) -> HostError:
    """Reads a gRPC status, with the details of wrong fields from its trailer."""
    details = v1.FieldFaults()
    for key, value in error.trailing_metadata() or ():
        if key == "qntx-fields-bin":
            details = v1.FieldFaults.FromString(value)
    reached, limit = details.limit, None
    if details.HasField("limit"):
        limit = {"name": reached.name, "allows": reached.allows, "used": reached.used}
    return HostError(error.code().name, error.details() or error.code().name,
                     {each.field: each.message for each in details.fields}, details.hint,
                     details.retry_after_ms / 1000, limit)


@functools.cache
def _lists(make) -> frozenset[str]:
    return frozenset(field.name for field in make.DESCRIPTOR.fields if is_list(field))


def _request(make: typing.Callable, **fields):
    """A message of what somebody gave. A value that cannot travel is a wrong field, as one that the host refuses."""
    lists = _lists(make)

    def made(**given):
        return make(**{name: no_text(name, value) if name in lists else value for name, value in given.items()})

    try:
        return made(**fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            try:
                made(**{name: value})
            except (TypeError, ValueError) as error:
                problem = {name: f"cannot be {value!r:.60}: {error}"}
                raise HostError("INVALID_ARGUMENT", f"{name}: {problem[name]}", problem) from None
        raise


def _taken_away(name: str) -> object:
    """What says on the wire that a field is there, and empty."""
    return 0 if name in ("max_attempts", "revision") else b"" if name == "payload" else ""


def _record(message) -> Record:
    return Record(**{field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields})


def _schedule(schedule) -> Record:
    return Record(**{**vars(_record(schedule)), "payload": read_json(schedule.payload),
                     "metadata": dict(schedule.metadata)})


def _command(attributes: dict | None = None, **fields):
    command = _request(protocol.AttestationCommand, **fields)
    if attributes:
        command.attributes.update(attributes)
    return command


def _attestation(attestation) -> Record:
    return Record(
        id=attestation.id, subjects=list(attestation.subjects), predicates=list(attestation.predicates),
        contexts=list(attestation.contexts), actors=list(attestation.actors), timestamp=attestation.timestamp,
        source=attestation.source, attributes=json_format.MessageToDict(attestation.attributes),
        created_at=attestation.created_at)
