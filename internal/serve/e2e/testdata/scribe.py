"""The same as witness.ts, in Python: it writes down what runs in it."""

import asyncio
import json
import os
import subprocess
import time

from qntx import Plugin

plugin = Plugin("scribe", version="1.0.0", concurrency=100)


def note(path, **line):
    """Writes one line. Appending is one write, so lines of two processes do not mix."""
    line.update(plugin="scribe", pid=os.getpid(), at=int(time.time() * 1000))
    with open(path, "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def about(job):
    return {"id": job.id, "attempt": job.attempt, "scheduleId": job.schedule_id or "",
            "occurrence": job.occurrence or ""}


@plugin.job("work")
async def work(job):
    record = job.qntx.config["record"]
    note(record, what="start", **about(job))
    await asyncio.sleep(((job.payload or {}).get("ms", 0)) / 1000)
    note(record, what="end", how="done", **about(job))


@plugin.job("hold")
async def hold(job):
    """Runs until a file of its name appears, or it is told to end."""
    record = job.qntx.config["record"]
    note(record, what="start", **about(job))
    how = "released"
    try:
        while not os.path.exists(f"{record}.{job.id}"):
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        how = job.cancel_reason
        raise
    finally:
        note(record, what="end", how=how, **about(job))


@plugin.on_start
def start(host):
    if host.config.get("child"):
        quiet = subprocess.DEVNULL
        subprocess.Popen(["setsid", "sleep", host.config["child"]], stdin=quiet, stdout=quiet, stderr=quiet)
    note(host.config["record"], what="born")


if __name__ == "__main__":
    plugin.run()
