/**
 * A plugin that polls for each glyph on a schedule which the glyph's user makes:
 * the same as poller.py, with our SDK.
 */
import { definePlugin, type Host, type Json, type Schedule } from "qntx";

const PREDICATE = "polls-by";

async function scheduleOf(host: Host, glyph: string): Promise<string> {
  const filter = { subjects: [glyph], predicates: [PREDICATE], contexts: ["poller"], limit: 1 };
  const [found] = await host.ats.query(filter);
  return found?.attributes["schedule_id"];
}

function moving(move: (host: Host, id: string, note: string) => Promise<Schedule>) {
  return async (request: Request, host: Host) => {
    const { glyph, note = "" }: Json = await request.json();
    const { id, state } = await move(host, await scheduleOf(host, glyph), note);
    return Response.json({ schedule: id, state });
  };
}

export default definePlugin({
  name: "poller",
  version: "1.2.0",
  jobs: {
    poll(job) {
      job.log(`polled ${job.payload.url}`);
      return job.payload;
    },
  },
  http: {
    async "POST /activate"(request, host) {
      const { glyph, interval, payload }: Json = await request.json();
      const metadata = { glyph };
      const { id } = await host.scheduler.create({
        handler: "poller.poll",
        every: `${interval}s`,
        payload,
        metadata,
      });
      await host.ats.create({
        subjects: [glyph],
        predicates: [PREDICATE],
        contexts: ["poller"],
        attributes: { schedule_id: id },
      });
      return Response.json({ schedule: id });
    },
    "POST /pause": moving((host, id, note) => host.scheduler.pause(id, note)),
    "POST /resume": moving((host, id) => host.scheduler.resume(id)),
    "POST /delete": moving((host, id) => host.scheduler.delete(id)),
  },
});
