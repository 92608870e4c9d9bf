"""A ScheduledPlugin for tests, the same as steward.ts: it declares what plan.json in its folder says, else three."""

import json
import os

from qntx import Schedule, ScheduledPlugin

THREE = [
    Schedule("often", "1s", {"n": 1}, description="As often as possible"),
    Schedule("minutely", "* * * * *", timezone="Europe/Berlin", missed="all", priority=-1),
    Schedule("hourly", "@hourly"),
]


class Steward(ScheduledPlugin):
    name = "steward"
    version = "1.0.0"
    priority = 5

    async def schedules(self):
        if not os.path.exists("plan.json"):
            return THREE
        with open("plan.json") as plan:
            return [Schedule(**each) for each in json.load(plan)]

    def run(self, job):
        if isinstance(job.payload, dict) and job.payload.get("make"):
            job.qntx.scheduler.create("steward.run", name=job.payload["make"], every="1h")
        return {"scheduleId": job.schedule_id, "declaredId": job.declared_id, "occurrence": job.occurrence,
                "runCount": job.run_count, "catchup": job.catchup, "tenant": job.tenant, "payload": job.payload}

    def cleanup(self):
        with open("cleanups.txt", "a") as said:
            said.write("cleaned up\n")


if __name__ == "__main__":
    Steward().serve()
