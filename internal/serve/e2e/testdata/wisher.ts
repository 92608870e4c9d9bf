/** A plugin that wants what nobody usually has, and tries whatever it is asked to. */
import { definePlugin, type Host, HostError, type Json } from "qntx";

const ACTIONS: Record<string, (host: Host) => Promise<unknown>> = {
  schedule: (host) => host.scheduler.upsert({ name: "mine", handler: "wisher.work", every: "7h" }),
  "schedule of another": (host) => host.scheduler.create({ handler: "script.report", every: "7h" }),
  enqueue: (host) => host.queue.enqueue("wisher.work"),
  "enqueue for another": (host) => host.queue.enqueue("script.report"),
  attest: (host) => host.ats.create({ subjects: ["s"], predicates: ["p"], contexts: ["c"] }),
  fetch: (host) => host.http.fetch(host.config["url"] ?? ""),
  lock: (host) => host.locks.tryLock({ key: "door", ttlMs: 1_000, holder: "me" }),
};

export default definePlugin({
  name: "wisher",
  version: "1.0.0",
  capabilities: ["cap:scheduler.manage", "cap:locks.use"],
  jobs: { work: () => ({}) },
  http: {
    async "POST /try"(request, host) {
      const { action }: Json = await request.json();
      try {
        await ACTIONS[action]?.(host);
        return Response.json({ said: "done" });
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        return Response.json({ said: error.message, code: error.code, hint: error.hint });
      }
    },
  },
});
