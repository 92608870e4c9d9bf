"""qntx: what a plugin written in Python imports.

    from qntx import Plugin
    plugin = Plugin("hello", version="0.1.0")

    @plugin.job("greet")
    async def greet(job):                      # a plain def works too, in a thread
        who = (job.payload or {}).get("who", "world")
        job.log("greeting", who=who)
        job.progress(1, 1)
        return {"greeting": f"Hello, {who}!"}

    if __name__ == "__main__":
        plugin.run()

This folder, copied beside a plugin or installed, and python3-grpcio are all it needs.
Durations are seconds, as everywhere in Python; instants are ISO 8601 text, or
milliseconds since 1970 where attestations carry them.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
import typing

from .endings import HostError, PermanentError, RetryAfter, Snooze
from .host import Host
from .job import CONCURRENCY_DEFAULT, Job
from .scheduled import ScheduledPlugin
from .schedules import Schedule
from .sockets import Socket
from .wire import no_text, protocol, v1

__all__ = ["Plugin", "ScheduledPlugin", "Schedule", "Handler", "Job", "Host", "Request", "Response", "Socket",
           "HostError", "PermanentError", "RetryAfter", "Snooze"]

F = typing.TypeVar("F", bound=typing.Callable)


CONFIG_TYPES = ("string", "number", "integer", "boolean", "array")


class Request(typing.NamedTuple):
    """One HTTP request below /api/<plugin>: `path` without that prefix and without the
    query; `query` and `headers` (names in small letters) as text by name; `body` bytes."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> typing.Any:
        """The body read as JSON. Raises ValueError when it is not."""
        return json.loads(self.body)


class Response(typing.NamedTuple):
    """What an HTTP handler returns when JSON, text or bytes alone do not say it."""

    body: object = b""
    status: int = 200
    headers: dict[str, str] = {}


class Handler(typing.NamedTuple):
    """A handler and what it asks for; see Plugin.job."""

    run: typing.Callable[[Job], object]
    timeout: float = 0
    max_attempts: int = 0
    concurrency: int = 0
    description: str = ""
    retry: str = ""
    concurrency_per_key: int = 0
    rate: str = ""
    burst: int = 0


class Plugin:
    """A plugin. `capabilities` are those that it needs beyond the default ones, like
    "cap:scheduler.manage"; `concurrency` is how many jobs it runs at once; `priority` is
    that of its schedules' runs which say none themselves: of those due at the same moment,
    lower numbers start first."""

    def __init__(self, name: str, version: str = "0.0.0", *, description: str = "", author: str = "",
                 license: str = "", capabilities: typing.Sequence[str] = (), concurrency: int = CONCURRENCY_DEFAULT,
                 priority: int = 0):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
            raise ValueError(f"name: {name!r} is not a plugin's name. Use small letters, digits and dashes.")
        self.name, self.version, self.concurrency, self.priority = name, version, concurrency, priority
        self.host = Host(self)
        self._about = protocol.MetadataResponse(name=name, version=version, description=description,
                                                author=author, license=license)
        self._capabilities = list(no_text("capabilities", capabilities))
        self._jobs: dict[str, Handler] = {}
        self._schedules: list[typing.Callable] = []
        self._config: dict[str, protocol.ConfigFieldSchema] = {}
        self._glyphs: list[protocol.GlyphDef] = []
        self._watchers: dict[str, protocol.WatcherRegistration] = {}
        self._routes: dict[tuple[str, str], typing.Callable] = {}
        self._websocket: typing.Callable | None = None
        self._endpoints: dict[tuple[str, str], typing.Any] = {}
        self._starts: list[typing.Callable] = []
        self._stops: list[typing.Callable] = []
        self._cleanups: list[typing.Callable] = []
        self._on_change: typing.Callable[[], None] = lambda: None

    def job(self, name: str, *, timeout: float = 0, max_attempts: int = 0, concurrency: int = 0,
            concurrency_per_key: int = 0, rate: str = "", burst: int = 0, description: str = "",
            retry: str = "") -> typing.Callable[[F], F]:
        """Decorates a handler: a function of one Job, plain or async. What it returns is
        the job's result: JSON, or bytes as they are. What it raises fails the try.

        A name without a dot is announced as "<plugin>.<name>", one with a dot as it
        stands. `timeout` is in seconds, `concurrency` counts jobs of this handler at
        once, `concurrency_per_key` those of one concurrency key; 0 leaves each to the
        host. `rate` is how many of them start in how long ("50/s", "100/m"), `burst` how
        many at once after a pause. `retry` is how long its jobs wait between tries:
        "exponential:2s..10m", "linear:10s..5m", "fixed:30s" or "list:1s,10s,5m".
        `description` is the docstring's first line unless it is given."""

        def keep(run: F) -> F:
            if self._key(name) in self._jobs:
                raise ValueError(f"job: {self._key(name)!r} is there already.")
            said = description or inspect.cleandoc(run.__doc__ or "").partition("\n")[0]
            self._jobs[self._key(name)] = Handler(run, timeout, max_attempts, concurrency, said, retry,
                                                  concurrency_per_key, rate, burst)
            return run

        return keep

    def schedule(self, id: str, handler: str, when: str, *, payload: object = None, jitter: float = 0,
                 **options) -> None:
        """Declares a schedule that exists as long as the declaration does. `when` is an
        interval ("5m"), a cron expression or a shortcut ("@hourly"); `jitter` is in
        seconds. Options are the other fields of a Schedule: timezone, description, missed,
        locking, paused, priority, timeout. A wrong one keeps the plugin from starting."""
        declared = Schedule(id, when, payload=payload, jitter=jitter, handler=handler, **options)
        self.schedules(lambda: [declared])

    def schedules(self, run: F) -> F:
        """Decorates a function, plain or async, that gives a list of Schedules. It is called
        at each start, before on_start, and may take the host's budget plugin.describe."""
        self._schedules.append(run)
        return run

    def watch(self, id: str, handler: str, *, subjects: typing.Sequence[str] = (),
              predicates: typing.Sequence[str] = (), contexts: typing.Sequence[str] = (),
              actors: typing.Sequence[str] = (), max_per_second: int = 0) -> None:
        """Runs a handler for every attestation that matches, whoever makes it: any value of a
        field, all fields together, exactly. The attestation is the job's payload. Of these
        jobs, `max_per_second` begin in a second, at most 1,000 (0 means 10); what matches
        beyond that comes later. `id` is unique within the plugin."""
        if id in self._watchers:
            raise ValueError(f"watch: {id!r} is there already.")
        wanted = {"subjects": subjects, "predicates": predicates, "contexts": contexts, "actors": actors}
        for field, values in wanted.items():
            no_text(f"watch {id!r}: {field}", values)
        if not any(wanted.values()):
            raise ValueError(f"watch: {id!r} would run for every attestation. Name subjects, predicates, "
                             "contexts or actors.")
        self._watchers[id] = protocol.WatcherRegistration(
            id=id, handler_name=self._key(handler), max_fires_per_second=max_per_second, **wanted)

    def config(self, name: str, type: str = "string", *, description: str = "", default: object = None,
               required: bool = False, min: float | None = None, max: float | None = None, pattern: str = "",
               elements: str = "") -> None:
        """Says what a key of the plugin's section of qntx.toml must be: a "string", "number",
        "integer", "boolean" or "array" (of `elements`). Values that are something else are
        said, and refused by `qntx config reload`. host.config has all of them as text."""
        if type not in CONFIG_TYPES or elements and elements not in CONFIG_TYPES:
            raise ValueError(f"config: {name!r} is a {type!r} of {elements!r}. There are {', '.join(CONFIG_TYPES)}.")
        self._config[name] = protocol.ConfigFieldSchema(
            type=type, description=description, default_value=_text(default), required=required,
            min_value=_text(min), max_value=_text(max), pattern=pattern, element_type=elements)

    def glyph(self, symbol: str, title: str, *, label: str = "", content: str = "", css: str = "", module: str = "",
              width: int = 0, height: int = 0) -> None:
        """Shows something on a canvas: `content`, `css` and `module` are paths of @plugin.http."""
        if not content and not module:
            raise ValueError(f"glyph: {title!r} has neither content nor a module. Name the path that answers with it.")
        self._glyphs.append(protocol.GlyphDef(
            symbol=symbol, title=title, label=label or title, content_path=content, css_path=css, module_path=module,
            default_width=width, default_height=height))

    def http(self, method: str, path: str, *, schedulable: bool | None = None,
             description: str = "") -> typing.Callable[[F], F]:
        """Decorates what answers METHOD /api/<plugin><path>: a function of (request, host),
        plain or async, that returns JSON, text, bytes or a Response. The path is matched
        exactly; one that ends in "/*" takes everything below it. `schedulable` says whether
        a schedule may call it: unless it is given, GET and POST of a path without parameters
        may be. `description` is the docstring's first line unless it is given."""
        verb = method.upper()
        callable_ = verb in ("GET", "POST") and not re.search(r"[:{}*<>]", path)
        if schedulable and not callable_:
            raise ValueError(f"http: {verb} {path} cannot be schedulable: only GET or POST of a path without "
                             "parameters is.")

        def keep(run: F) -> F:
            self._routes[verb, path] = run
            said = description or inspect.cleandoc(run.__doc__ or "").partition("\n")[0]
            self._endpoints[verb, path] = v1.Endpoint(
                method=verb, path=path, description=said, handler=getattr(run, "__name__", ""),
                schedulable=callable_ if schedulable is None else schedulable)
            return run

        return keep

    def websocket(self, run: F) -> F:
        """Decorates what speaks over each WebSocket at /ws/<plugin>: a function of (socket, host),
        plain or async. It is closed when the function returns."""
        self._websocket = run
        return run

    def on_start(self, run: F) -> F:
        """Decorates a function of (host) that runs once before the handlers are announced;
        it may call host.set_jobs. What it raises keeps the plugin from starting."""
        self._starts.append(run)
        return run

    def on_stop(self, run: F) -> F:
        """Decorates a function of (host) that runs whenever the process is told to end, also
        by the host's death."""
        self._stops.append(run)
        return run

    def on_cleanup(self, run: F) -> F:
        """Decorates a function, plain or async, that lets go of what the plugin holds. The
        host calls it once the last run has ended, before it tells the process to end; it
        may take the host's budget plugin.cleanup."""
        self._cleanups.append(run)
        return run

    def run(self, argv: typing.Sequence[str] | None = None) -> None:
        """Serves the plugin until the host ends it: by Shutdown, by closing stdin, or by
        SIGTERM. `--port N` says where; 0, or nothing, is any free port."""
        words = argparse.ArgumentParser(description=f"The qntx plugin {self.name} {self.version}.")
        words.add_argument("--port", type=int, help="port on 127.0.0.1; 0 is any; one in use means the next free one")
        port = words.parse_known_args(argv)[0].port
        if port is None and sys.stdin.isatty():
            print(f"This is a qntx plugin: {self.name} {self.version}. A qntx host starts it and talks to it.\n"
                  f"In its qntx.toml:  [plugin] enabled = [\"{self.name}\"]\n"
                  f"Its jobs:          {', '.join(self._jobs) or 'none'}")
            return
        from .serve import Server  # Only a plugin that is served pays for starting gRPC's server.

        Server(self).run(port or 0)

    def _route(self, method: str, path: str) -> typing.Callable | None:
        """The exact route, or else the nearest folder of it that has a route "/…/*"."""
        found = self._routes.get((method, path))
        while not found and path:
            path = path.rpartition("/")[0]
            found = self._routes.get((method, f"{path}/*"))
        return found

    def _key(self, name: str) -> str:
        """What a handler of ours is announced as."""
        return name if "." in name else f"{self.name}.{name}"

    def _qualified(self, name: str) -> str:
        """Any handler's name; ours may be called by their keys."""
        return self._key(name) if self._key(name) in self._jobs else name

    def _handler(self, name: str) -> Handler | None:
        """By its announced name, also with the plugin in front: "hello/hello.greet"."""
        plugin, slash, rest = name.partition("/")
        return self._jobs.get(rest if slash and plugin == self.name else name)

    def _set_jobs(self, jobs: dict) -> None:
        self._jobs = {self._key(name): run if isinstance(run, Handler) else Handler(run) for name, run in jobs.items()}
        self._on_change()

    def _announced(self) -> list:
        """The handlers as HandlerOptions."""
        return [v1.HandlerOptions(name=name, timeout_ms=round(job.timeout * 1000), max_attempts=job.max_attempts,
                                  concurrency=job.concurrency, description=job.description, retry=job.retry,
                                  concurrency_per_key=job.concurrency_per_key, rate=job.rate, burst=job.burst)
                for name, job in self._jobs.items()]


def _text(value: object) -> str:
    """A value as the host writes it in a configuration: True is "true", None nothing."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
