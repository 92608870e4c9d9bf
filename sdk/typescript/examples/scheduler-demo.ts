/**
 * scheduler-demo: a plugin that keeps schedules of its own, for two of its own routes.
 * POST /api/setup makes them, and making them again changes nothing.
 *
 *   GET    /api/status               schedulable: how it goes
 *   POST   /api/heartbeat            schedulable: one beat for each occurrence, however often it is tried
 *   GET    /api/endpoints            its own routes, and which of them schedules may call
 *   GET    /api/schedules            its schedules; POST makes one
 *   GET    /api/schedules/<name>     one of them, by id or name; PATCH changes it, DELETE ends it
 */
import { definePlugin, type Host, HostError, type HttpRoute, type Json } from "qntx";

const beats = new Map<string, Json>();

export default definePlugin({
  name: "scheduler-demo",
  version: "1.0.0",
  capabilities: ["cap:scheduler.manage"],
  http: {
    "GET /api/status": status,
    "POST /api/heartbeat": heartbeat,
    "POST /api/setup": forPeople(setup),
    "GET /api/endpoints": forPeople((_, { scheduler }) => scheduler.getEndpoints()),
    "GET /api/schedules": forPeople((_, { scheduler }) => scheduler.list()),
    "POST /api/schedules": forPeople(async (request, { scheduler }) =>
      scheduler.create(await bodyOf(request)),
    ),
    "GET /api/schedules/*": forPeople((request, { scheduler }) => scheduler.get(idIn(request))),
    "PATCH /api/schedules/*": forPeople(async (request, { scheduler }) =>
      scheduler.update(idIn(request), await bodyOf(request)),
    ),
    "DELETE /api/schedules/*": forPeople((request, { scheduler }) => scheduler.delete(idIn(request))),
  },
});

async function setup(_: Request, { scheduler }: Host): Promise<Json> {
  const routes = await scheduler.getEndpoints();
  await scheduler.upsert({ name: "status", endpoint: "/api/status", cron: "*/10 * * * *" });
  const payload = { from: "setup" };
  await scheduler.upsert({ name: "heartbeat", endpoint: "POST /api/heartbeat", every: "5m", payload });
  return { schedulable: routes.filter(({ schedulable }) => schedulable), schedules: await scheduler.list() };
}

function status(): Response {
  return Response.json({ beats: beats.size, last: [...beats.values()].at(-1) ?? null });
}

/** A try that comes again, because its answer was lost, has the same key: it is one beat. */
async function heartbeat(request: Request): Promise<Response> {
  const said = (name: string) => request.headers.get(name) ?? "";
  const key = said("idempotency-key");
  beats.set(key, {
    trigger: said("qntx-trigger"),
    schedule: said("qntx-schedule-id"),
    occurrence: said("qntx-occurrence"),
    attempt: said("qntx-attempt"),
    payload: await request.json().catch(() => null),
  });
  return Response.json({ key, beats: beats.size });
}

/** A route that no schedule may call. It answers with what the host says, or refuses, with the fields. */
function forPeople(ask: (request: Request, host: Host) => Promise<Json>): HttpRoute {
  const run = async (request: Request, host: Host) => {
    try {
      return Response.json((await ask(request, host)) ?? null);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      const { code, message, fieldErrors } = error;
      return Response.json({ code, message, fieldErrors }, { status: STATUS[code] ?? 500 });
    }
  };
  return { run, schedulable: false };
}

const STATUS: Partial<Record<HostError["code"], number>> = {
  validation: 400,
  denied: 403,
  "not-found": 404,
  conflict: 409,
  quota: 429,
};

function idIn(request: Request): string {
  return decodeURIComponent(new URL(request.url).pathname.split("/").at(-1) ?? "");
}

async function bodyOf(request: Request): Promise<Json> {
  return request.json();
}
