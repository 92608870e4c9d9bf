"""ScheduledPlugin: a plugin that is nothing but its schedules.

    from qntx import Schedule, ScheduledPlugin

    class Sweeper(ScheduledPlugin):
        name = "sweeper"
        schedules = [Schedule("hourly", "@hourly")]

        def run(self, job):                    # async def works too
            job.log("sweeping", run=job.run_count)

    if __name__ == "__main__":
        Sweeper().serve()

It becomes a plugin with one handler, "<plugin>.run", which all schedules run.
"""

from __future__ import annotations

import typing

from .job import CONCURRENCY_DEFAULT
from .schedules import Schedule

if typing.TYPE_CHECKING:
    from . import Plugin
    from .job import Job


class ScheduledPlugin:
    """Says when, and has one function that is run each time.

    name, version  as of a Plugin; so are description, author, license, capabilities,
                   concurrency and priority
    schedules      a list of Schedules, or a method that gives one, plain or async
    timeout        seconds that a run may take where its schedule says nothing; 0 means the
                   host's plugin.run
    max_attempts   tries of a run; 0 means the host's default
    retry          how long a run waits between tries, as of a handler
    """

    name: str = ""
    version: str = "0.0.0"
    description: str = ""
    author: str = ""
    license: str = ""
    capabilities: typing.Sequence[str] = ()
    concurrency: int = CONCURRENCY_DEFAULT
    priority: int = 0
    timeout: float = 0
    max_attempts: int = 0
    retry: str = ""
    schedules: typing.Sequence[Schedule] | typing.Callable[[], object] = ()

    def run(self, job: Job) -> object:
        """One run, plain or async. `job.declared_id` says of which schedule; what it returns
        and raises is what any handler does."""
        raise NotImplementedError

    def cleanup(self) -> object:
        """Lets go of what it holds, plain or async; see Plugin.on_cleanup."""

    def plugin(self) -> Plugin:
        """The Plugin that it is, for who wants more: HTTP routes, on_start and so on. Raises
        TypeError when it lacks its run or its schedules."""
        from . import Plugin  # It knows us too.

        kind = type(self)
        if kind.run is ScheduledPlugin.run:
            raise TypeError(f"{kind.__name__} has no run(self, job).")
        if self.schedules is ScheduledPlugin.schedules:
            raise TypeError(f'{kind.__name__} has no schedules, like [Schedule("often", "5m")].')
        plugin = Plugin(self.name, self.version, description=self.description, author=self.author,
                        license=self.license, capabilities=self.capabilities, concurrency=self.concurrency,
                        priority=self.priority)
        plugin.job("run", timeout=self.timeout, max_attempts=self.max_attempts, retry=self.retry)(self.run)
        plugin.schedules(self.schedules if callable(self.schedules) else lambda: self.schedules)
        plugin.on_cleanup(self.cleanup)
        return plugin

    def serve(self, argv: typing.Sequence[str] | None = None) -> None:
        """Serves the plugin until the host ends it; see Plugin.run."""
        self.plugin().run(argv)
