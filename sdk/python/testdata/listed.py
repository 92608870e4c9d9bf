"""A ScheduledPlugin whose list is found out when it is asked for; the first word says how that goes."""

import sys

from qntx import Schedule, ScheduledPlugin

LISTS = {
    "good": [Schedule("a", "1h", jitter=1.5, missed="all", priority=0, timeout=2.5)],
    "text": "daily",
    "dict": [{"id": "a"}],
    "number": [Schedule("a", 5)],
    "jitter": [Schedule("a", "1h", jitter="5s")],
    "priority": [Schedule("a", "1h", priority=0.5)],
    "payload": [Schedule("a", "1h", payload=object())],
    "name": [Schedule("a", "1h", handler=7)],
}


class Listed(ScheduledPlugin):
    name = "listed"
    priority = 5
    timeout = 1.5
    max_attempts = 2
    cleanups = 0

    async def schedules(self):
        if sys.argv[1] == "raises":
            raise LookupError("no list today")
        return LISTS[sys.argv[1]]

    async def run(self, job):
        return [job.schedule_id, job.declared_id, job.occurrence, job.run_count, job.catchup, job.tenant]

    def cleanup(self):
        self.cleanups += 1
        print("cleaned up", self.cleanups)
        if sys.argv[1] == "raises":
            raise RuntimeError("the table is locked")


class Mute(ScheduledPlugin):
    name = "mute"
    schedules = [Schedule("a", "1h")]


class Timeless(ScheduledPlugin):
    name = "timeless"
    schedule = [Schedule("a", "1h")]

    def run(self, job):
        pass


if __name__ == "__main__":
    {"mute": Mute, "timeless": Timeless}.get(sys.argv[1], Listed)().serve()
