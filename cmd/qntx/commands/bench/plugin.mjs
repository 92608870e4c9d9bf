/** The plugin that `qntx bench` runs, in a process of its own: it does nothing, and looks at the clock. */
import { definePlugin } from "qntx";

const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let report = { runs: 0, first: 0, last: 0, latencies: [], lateness: [] };

export default definePlugin({
  name: "bench",
  version: "1.0.0",
  jobs: {
    noop() {
      report.last = now();
      report.first ||= report.last;
      report.runs++;
    },
    hit(job) {
      report.latencies.push(now() - job.payload.at);
    },
    due(job) {
      report.lateness.push(now() - Date.parse(job.occurrence));
    },
    async pace({ payload: { count, everyMs }, qntx }) {
      for (let n = 0, at = now(); n < count; n++, at += everyMs) {
        await sleep(Math.max(0, at - now()));
        void qntx.queue.enqueue("bench.hit", { at: now() });
      }
      while (report.latencies.length < count) await sleep(everyMs);
    },
    report() {
      const { runs, first, last, latencies, lateness } = report;
      report = { runs: 0, first: 0, last: 0, latencies: [], lateness: [] };
      return { runs, ms: last - first, latencies, lateness };
    },
    entered: () => report.runs,
  },
});
