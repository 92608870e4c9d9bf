/** A plugin that is nothing but its schedules: three ways to say when, and what a run knows of itself. */
import { defineScheduledPlugin, type Job } from "qntx";

export default defineScheduledPlugin({
  name: "sweeper",
  version: "0.1.0",
  schedules: [
    { id: "often", when: "30s" },
    {
      id: "nightly",
      when: "30 2 * * *",
      timezone: "Europe/Amsterdam",
      payload: { deep: true },
      timeoutMs: 600_000,
    },
    { id: "hourly", when: "@hourly", jitterMs: 60_000, missed: "all", priority: -1 },
  ],
  run({ declaredId, runCount, occurrence, catchup, payload, log }: Job) {
    const which = occurrence ? `run ${runCount} for ${occurrence}` : "asked for by hand";
    log(`${declaredId}, ${which}${catchup ? ", made up for" : ""}`);
    return { schedule: declaredId, run: runCount, deep: payload?.deep === true };
  },
  cleanup: () => console.log("the broom is put away"),
});
