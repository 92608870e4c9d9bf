/** A plugin that declares schedules of its own, and tries to change whatever it is asked to. */
import { definePlugin, type Host, type Json } from "qntx";

const VERBS: Record<string, (host: Host, id: string) => Promise<unknown>> = {
  async get(host, id) {
    if (!(await host.scheduler.get(id))) throw Object.assign(new Error("none"), { code: "not-found" });
  },
  update: (host, id) => host.scheduler.update(id, { description: "meddled with" }),
  pause: (host, id) => host.scheduler.pause(id, "meddled with"),
  resume: (host, id) => host.scheduler.resume(id),
  delete: (host, id) => host.scheduler.delete(id),
  upsert: (host, name) => host.scheduler.upsert({ name, handler: "meddler.work", every: "7m" }),
};

export default definePlugin({
  name: "meddler",
  version: "1.0.0",
  jobs: { work: () => ({}) },
  schedules: [
    { id: "grid", description: "an interval", handler: "meddler.work", when: "37m", payload: { deep: [1] } },
    { id: "nightly", handler: "meddler.work", when: "30 2 * * *", timezone: "Europe/Paris", missed: "all" },
    { id: "still", handler: "meddler.work", when: "@hourly", paused: true },
    { id: "gone", handler: "meddler.work", when: "41m" },
    { id: "beat", handler: "meddler.work", when: "1s", jitterMs: 100 },
  ],
  http: {
    async "POST /try"(request, host) {
      const { verb, id }: Json = await request.json();
      try {
        await VERBS[verb]?.(host, id);
        return Response.json({ code: "done", message: "" });
      } catch (error) {
        if (!(error instanceof Error && "code" in error)) throw error;
        return Response.json({ code: error.code, message: error.message });
      }
    },
    async "POST /make"(request, host) {
      const wanted: Json = await request.json();
      const { id } = await host.scheduler.create(wanted);
      return Response.json({ id });
    },
  },
});
