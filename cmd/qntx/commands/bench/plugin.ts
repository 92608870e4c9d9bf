/** What is to be known of the plugin that `qntx bench` runs. */

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
