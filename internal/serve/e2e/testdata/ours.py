"""A plugin with our SDK whose handlers end in every way that a job can end."""

import asyncio
import os
import time

from qntx import PermanentError, Plugin

plugin = Plugin("ours", version="2.5.0")


@plugin.job("add", max_attempts=1)
def add(job):
    job.log("adding", numbers=len(job.payload))
    job.progress(len(job.payload), len(job.payload), "numbers")
    job.cost(0.25)
    return {"sum": sum(job.payload)}


@plugin.job("refuse")
def refuse(job):
    job.cost(0.5)
    raise PermanentError("Row 7 has no price.")


@plugin.job("raise", max_attempts=1)
def fail(job):
    return price_of({"name": "screw"})


def price_of(row):
    return row["price"]


@plugin.job("wait")
async def wait(job):
    """Says that it waits, and ends when a file of its name appears in the plugin's folder."""
    print(f"waiting in {os.getpid()}")
    job.log("waiting", step=1)
    job.progress(1, 2, "waiting")
    while not os.path.exists(job.payload):
        await asyncio.sleep(0.02)
    return {"pid": os.getpid()}


@plugin.job("hang", max_attempts=1)
async def hang(job):
    await asyncio.sleep(600)


@plugin.job("deaf", max_attempts=1)
def deaf(job):
    """Does not look at cancel_event, as code that knows nothing of jobs."""
    time.sleep(600)


plugin.run()
