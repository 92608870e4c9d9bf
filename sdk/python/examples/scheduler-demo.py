"""scheduler-demo: a plugin that keeps schedules of its own, for two of its own routes.
POST /api/setup makes them, and making them again changes nothing.

GET    /api/status               schedulable: how it goes
POST   /api/heartbeat            schedulable: one beat for each occurrence, however often it is tried
GET    /api/endpoints            its own routes, and which of them schedules may call
GET    /api/schedules            its schedules; POST makes one
GET    /api/schedules/<name>     one of them, by id or name; PATCH changes it, DELETE ends it
"""

import functools
import urllib.parse

from qntx import HostError, Plugin, Response

plugin = Plugin("scheduler-demo", version="1.0.0", capabilities=["cap:scheduler.manage"])
beats = {}
STATUS = {"validation": 400, "denied": 403, "not-found": 404, "conflict": 409, "quota": 429}


def for_people(method, path):
    """A route that no schedule may call. It answers with what the host says, or refuses, with the fields."""

    def keep(ask):
        @plugin.http(method, path, schedulable=False)
        @functools.wraps(ask)
        def answer(request, host):
            try:
                found = ask(request, host)
            except HostError as error:
                said = {"code": error.code, "message": str(error), "fieldErrors": error.field_errors}
                return Response(said, STATUS.get(error.code, 500))
            return [vars(each) for each in found] if isinstance(found, list) else shown(found)

        return answer

    return keep


def shown(found):
    return found if isinstance(found, dict) or found is None else vars(found)


@for_people("POST", "/api/setup")
def setup(request, host):
    """Makes the schedules."""
    routes = host.scheduler.get_endpoints()
    host.scheduler.upsert("status", endpoint="/api/status", cron="*/10 * * * *")
    host.scheduler.upsert("heartbeat", endpoint="POST /api/heartbeat", every="5m", payload={"from": "setup"})
    return {"schedulable": [vars(route) for route in routes if route.schedulable],
            "schedules": [vars(each) for each in host.scheduler.list()]}


@plugin.http("GET", "/api/status")
def status(request, host):
    return {"beats": len(beats), "last": list(beats.values())[-1] if beats else None}


@plugin.http("POST", "/api/heartbeat")
def heartbeat(request, host):
    """A try that comes again, because its answer was lost, has the same key: it is one beat."""
    said = request.headers.get
    beats[said("idempotency-key", "")] = {
        "trigger": said("qntx-trigger", ""), "schedule": said("qntx-schedule-id", ""),
        "occurrence": said("qntx-occurrence", ""), "attempt": said("qntx-attempt", ""),
        "payload": request.json() if request.body else None}
    return {"key": said("idempotency-key", ""), "beats": len(beats)}


@for_people("GET", "/api/endpoints")
def endpoints(request, host):
    return host.scheduler.get_endpoints()


@for_people("GET", "/api/schedules")
def schedules(request, host):
    return host.scheduler.list()


@for_people("POST", "/api/schedules")
def create(request, host):
    return host.scheduler.create(**request.json())


@for_people("GET", "/api/schedules/*")
def show(request, host):
    return host.scheduler.get(id_in(request))


@for_people("PATCH", "/api/schedules/*")
def update(request, host):
    return host.scheduler.update(id_in(request), **request.json())


@for_people("DELETE", "/api/schedules/*")
def delete(request, host):
    return host.scheduler.delete(id_in(request))


def id_in(request):
    return urllib.parse.unquote(request.path.rpartition("/")[2])


if __name__ == "__main__":
    plugin.run()
