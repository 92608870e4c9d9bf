/** The plugin that `qntx bench` runs: it does nothing, and looks at the clock. It is written into the folder of a benchmark. */

/** Its name and those of its handlers. */
export const BENCH_PLUGIN = "bench";
export const NOOP = "bench.noop";
export const DUE = "bench.due";
export const PACE = "bench.pace";
export const ENTERED = "bench.entered";
export const REPORT = "bench.report";
/** A handler that nobody offers: what is added for it only waits. */
export const NOBODY = "bench.nobody";

/** What `bench.report` gives, and forgets. */
export interface BenchReport {
  /** Entered no-op jobs, and milliseconds between the first and the last one. */
  runs: number;
  ms: number;
  /** Milliseconds from the call that adds a job until its handler is entered. */
  latencies: number[];
  /** Milliseconds from when a schedule was due until its handler is entered. */
  lateness: number[];
}

export const BENCH_PLUGIN_SOURCE = `
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
`;
