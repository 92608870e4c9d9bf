"""A plugin that does everything that the tests want to see."""

import asyncio
import logging
import sys
import threading
import time

from qntx import Handler, HostError, PermanentError, Plugin, Response, RetryAfter, Snooze

plugin = Plugin("probe", version="1.2.3", description="Tries things.", capabilities=["cap:scheduler.manage"],
                concurrency=8)
plugin.config("depth", "integer", default=3, min=0, max=9.5)
plugin.glyph("☀", "Sun", content="/ping", width=300)
plugin.watch("arrivals", "echo", predicates=["arrived"], max_per_second=3)
plugin.schedule("nightly", "echo", "0 3 * * *", timezone="Europe/Berlin", payload={"deep": True}, jitter=1.5,
                missed="skip")


@plugin.on_start
async def start(host):
    if host.config.get("fail"):
        raise ValueError(f"config: {host.config['fail']!r} is wrong")
    host.log.warn("starting", mode=host.config.get("mode"))


@plugin.on_stop
def stop(host):
    host.log("stopping")


@plugin.job("echo", timeout=2.5, max_attempts=4, concurrency=2, retry="fixed:2s")
async def echo(job):
    """Gives back what it was given.

    And this is not for the list."""
    return job.payload


@plugin.job("frame")
def frame(job):
    return {"id": job.id, "handler": job.handler, "attempt": job.attempt, "max": job.max_attempts,
            "timeout": job.timeout, "trigger": job.trigger, "schedule": job.schedule_id,
            "occurrence": job.occurrence, "catchup": job.catchup, "declared": job.declared_id,
            "run_count": job.run_count, "tenant": job.tenant, "size": len(job.bytes)}


@plugin.job("other.name")
def other(job):
    return b"\x00bytes"


@plugin.job("talk")
async def talk(job):
    print("from print")
    print("to stderr", file=sys.stderr)
    logging.getLogger("lib").error("from %s", "logging")
    await asyncio.to_thread(print, "from a thread")
    job.log.debug("from log", n=1, when=None)
    sys.stdout.write("no line end")


@plugin.job("talk_plain")
def talk_plain(job):
    print(f"plain {job.payload}")
    time.sleep(0.02)
    print(f"plain {job.payload} again")


@plugin.job("save")
def save(job):
    before = job.state
    job.checkpoint({"page": before["page"] + 1})
    try:
        job.checkpoint("x" * 70_000)
    except ValueError as error:
        return [before, job.state, type(error).__name__]


@plugin.job("work")
def work(job):
    for n in range(3):
        job.progress(n + 1, 3, f"step {n + 1}")
    job.cost(0.25)
    job.cost(0.5)


@plugin.job("wait")
async def wait(job):
    job.log("waiting")
    try:
        await asyncio.Event().wait()
    finally:
        job.log(f"told to end: {job.cancel_reason}")


@plugin.job("wait_plain")
def wait_plain(job):
    job.log("waiting")
    job.cancel_event.wait(30)
    return {"cancelled": job.cancelled, "reason": job.cancel_reason}


@plugin.job("slow")
def slow(job):
    """Does not ask whether it shall end."""
    job.log("waiting")
    time.sleep(0.1)
    return "all of it"


@plugin.job("deaf")
def deaf(job):
    job.log("waiting")
    threading.Event().wait(30)


@plugin.job("fail")
async def fail(job):
    def inner():
        if job.payload == "permanent":
            raise PermanentError("no use trying")
        if job.payload == "later":
            raise RetryAfter(1.5, "busy")
        if job.payload == "snooze":
            raise Snooze(60)
        if job.payload == "exit":
            sys.exit(3)
        return {}["missing"]

    return inner()


@plugin.job("not_json")
def not_json(job):
    return {"bad": object()}


@plugin.job("rename")
def rename(job):
    job.qntx.set_jobs({"later": Handler(echo, timeout=1), "rename": rename})


@plugin.job("host_plain")
def host_plain(job):
    host = job.qntx
    made = host.scheduler.create("echo", {"n": 1}, every="5m", name="mine")
    jobs = host.queue.enqueue_many([{"handler": "echo", "payload": 1, "timeout": 1.5}, {"handler": "far.off"}])
    wrote = host.ats.create(["a"], predicates=["is"], attributes={"n": 1, "deep": {"list": [True, None, "x"]}})
    seen = []
    for each in host.ats.watch(contexts=["python"]):
        seen.append(each.subjects[0])
        if len(seen) == 2:
            break
    return {"schedule": [made.id, made.payload, made.metadata], "missing": host.scheduler.get("nobody"),
            "listed": [each.id for each in host.scheduler.list()], "jobs": [[each.id, each.created] for each in jobs],
            "attributes": wrote.attributes, "many": host.ats.create_many([{"subjects": ["b"]}, {"subjects": ["c"]}]),
            "found": [each.id for each in host.ats.query(predicates=["is"], limit=2)],
            "exists": host.ats.exists("AS_1"), "seen": seen}


@plugin.job("host_async")
async def host_async(job):
    host = job.qntx
    made, listed = await asyncio.gather(host.scheduler.upsert("mine", "echo", cron="@hourly"), host.scheduler.list())
    refused = {}
    try:
        await host.scheduler.update(made.id, every="1s", revision=7)
    except HostError as error:
        refused = {"code": error.code, "says": str(error), "fields": error.field_errors, "hint": error.hint,
                   "after": error.retry_after, "limit": error.limit}
    seen = []
    async for each in host.ats.watch(contexts=["python"]):
        seen.append(each.subjects[0])
        if len(seen) == 2:
            break
    return {"made": made.name, "listed": len(listed), "refused": refused, "seen": seen}


@plugin.http("GET", "/ping")
async def ping(request, host):
    return {"query": request.query, "agent": request.headers["user-agent"]}


@plugin.http("GET", "/files/*")
def files(request, host):
    return request.path


@plugin.http("POST", "/text")
def text(request, host):
    return Response(f"got {request.json()['n']}", 201, {"X-Mode": host.config["mode"]})


@plugin.websocket
def speak(socket, host):
    socket.send_json({"query": socket.query, "agent": socket.headers["user-agent"]})
    for message in socket:
        if message == b"much":
            for n in range(1_000):  # Waits whenever the host does not read.
                socket.send(str(n))
        elif message == b"bye":
            return socket.close("see you")
        else:
            socket.send(message)
    host.log("the browser went")


if __name__ == "__main__":
    plugin.run()
