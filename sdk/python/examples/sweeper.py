"""A plugin that is nothing but its schedules: three ways to say when, and what a run knows of itself."""

from qntx import Schedule, ScheduledPlugin


class Sweeper(ScheduledPlugin):
    name = "sweeper"
    version = "0.1.0"
    schedules = [
        Schedule("often", "30s"),
        Schedule("nightly", "30 2 * * *", {"deep": True}, timezone="Europe/Amsterdam", timeout=600),
        Schedule("hourly", "@hourly", jitter=60, missed="all", priority=-1),
    ]

    def run(self, job):
        which = f"run {job.run_count} for {job.occurrence}" if job.occurrence else "asked for by hand"
        job.log(f"{job.declared_id}, {which}{', made up for' if job.catchup else ''}")
        return {"schedule": job.declared_id, "run": job.run_count, "deep": bool(job.payload)}

    def cleanup(self):
        print("the broom is put away")


if __name__ == "__main__":
    Sweeper().serve()
