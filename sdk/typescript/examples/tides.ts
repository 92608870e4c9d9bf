/** A plugin with a schedule of its own: declared here, it exists as long as this file says so. */
import { definePlugin } from "qntx";

const SIDEREAL_HALF_DAY_MS = 44_712_000; // High water comes every 12 h 25 min 12 s.

export default definePlugin({
  name: "tides",
  version: "0.1.0",
  description: "Says how far the tide is",
  jobs: {
    async gauge(job) {
      const at = Date.parse(job.occurrence ?? new Date().toISOString());
      const phase = (at % SIDEREAL_HALF_DAY_MS) / SIDEREAL_HALF_DAY_MS;
      const level = Math.round(100 * Math.cos(2 * Math.PI * phase)) / 100;
      job.log("gauge read", { level });
      return { level, rising: phase > 0.5 };
    },
  },
  schedules: [
    {
      id: "every-ten-seconds",
      handler: "tides.gauge",
      when: "10s",
      description: "Read the gauge",
    },
  ],
});
