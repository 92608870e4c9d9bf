"""Schedules: what a plugin declares, in the form that travels."""

from __future__ import annotations

import typing

from .wire import v1, write_json

if typing.TYPE_CHECKING:
    from . import Plugin


class Schedule(typing.NamedTuple):
    """When to run: a schedule that exists as long as its declaration does.

    id           unique within the plugin, and for ever: letters, digits and . _ : - (at most 128)
    when         an interval of at least a second ("30s", "5m", "1h30m"), a cron expression
                 ("30 2 * * *") or a shortcut ("@hourly")
    payload      handed to every run; JSON, or bytes as they are
    timezone     IANA name, for cron and shortcuts; UTC when empty
    description  for people
    jitter       seconds: each run starts up to so much late, always by the same for the same
                 occurrence; less than the time between two runs
    missed       what becomes of runs that nobody was there to start: "latest" (as when
                 empty), "skip", "earliest", or "all" (at most ten)
    locking      whether one node of several runs it ("require-global", as when empty), or
                 each ("node-local"), or one where that can be told ("prefer-global")
    priority     of the runs due at the same moment, lower numbers start first; the plugin's
                 when None
    timeout      seconds that a run may take; 0 means the handler's, or the host's plugin.run
    must_start_within, must_succeed_within
                 seconds after its time by which a run must have started, and succeeded:
                 otherwise the host says so; 0 means that nobody asks
    paused       True: it is there, and waits for somebody to resume it
    handler      whose job it is; of a ScheduledPlugin, its run
    """

    id: str
    when: str
    payload: object = None
    timezone: str = ""
    description: str = ""
    jitter: float = 0
    missed: str = ""
    locking: str = ""
    priority: int | None = None
    timeout: float = 0
    must_start_within: float = 0
    must_succeed_within: float = 0
    paused: bool = False
    handler: str = "run"


def to_wire(plugin: Plugin, schedules: object) -> list:
    """A list as DeclaredSchedules. Raises TypeError for what cannot travel, naming the
    schedule and the field; whether it means anything is for the host to say."""
    if not isinstance(schedules, (list, tuple)):
        raise TypeError(f"The schedules of plugin {plugin.name} are no list.")
    return [_declared(plugin, schedule) for schedule in schedules]


def _declared(plugin: Plugin, schedule: object):
    if not isinstance(schedule, Schedule):
        raise TypeError(f"{schedule!r} among the schedules of plugin {plugin.name} is no Schedule.")
    if not isinstance(schedule.when, str):
        raise TypeError(f"Schedule {schedule.id!r} of plugin {plugin.name}: when is {schedule.when!r}; "
                        'write a text, like "5m" or "0 9 * * *".')
    try:
        made = v1.DeclaredSchedule(
            id=schedule.id, handler=plugin._key(schedule.handler), when=schedule.when,
            payload=write_json(schedule.payload), timezone=schedule.timezone, description=schedule.description,
            jitter_ms=round(schedule.jitter * 1000), missed=schedule.missed, locking=schedule.locking,
            timeout_ms=round(schedule.timeout * 1000), paused=schedule.paused,
            must_start_within_ms=round(schedule.must_start_within * 1000),
            must_succeed_within_ms=round(schedule.must_succeed_within * 1000))
        if schedule.priority is not None:
            made.priority = schedule.priority
    except (TypeError, ValueError) as error:
        raise TypeError(f"Schedule {schedule.id!r} of plugin {plugin.name}: {error}") from error
    return made
