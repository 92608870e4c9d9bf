/** A plugin whose routes answer schedules in every way in which one can. */
import { definePlugin } from "qntx";

const tries = new Map<string, string[]>();

export default definePlugin({
  name: "caller",
  version: "1.0.0",
  http: {
    /** Not before the third try. Tells which keys and attempts it has seen. */
    "POST /flaky": async (request) => {
      const occurrence = request.headers.get("qntx-occurrence") ?? "";
      const seen = tries.get(occurrence) ?? [];
      tries.set(occurrence, [
        ...seen,
        `${request.headers.get("qntx-attempt")} ${request.headers.get("idempotency-key")}`,
      ]);
      if (seen.length < 2) return new Response(`not yet, ${seen.length + 1}`, { status: 503 });
      const { trigger, schedule } = {
        trigger: request.headers.get("qntx-trigger"),
        schedule: request.headers.get("qntx-schedule-id"),
      };
      return Response.json({
        trigger,
        schedule,
        occurrence,
        tries: tries.get(occurrence),
        body: await request.json(),
      });
    },
    "GET /long": () => new Response("x".repeat(262_145)),
    "GET /just": () => new Response("x".repeat(262_144)),
    "GET /slow": (request) =>
      new Promise((resolve) => {
        request.signal.addEventListener("abort", () => resolve(new Response("too late")));
      }),
    "GET /broken": () => {
      throw new Error("a bug");
    },
    "GET /passing": () => new Response(null, { status: 204 }), // Version 2 has it no more.
  },
});
