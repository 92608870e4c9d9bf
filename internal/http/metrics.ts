/**
 * Metrics: what is counted while the host runs, as Prometheus reads it. Calls of the
 * scheduler host API are counted by operation and tenant, refused ones too; calls of
 * anything whose token is none, by the door at which they came.
 */
import type { Millis } from "../base/env.ts";
import type { MeteredCall } from "../operations/operation.ts";

/** Operations that plugins call for their schedules, as the API calls them. */
const SCHEDULER_API: Readonly<Record<string, string>> = {
  "schedule.list": "list",
  "schedule.show": "get",
  "schedule.create": "create",
  "schedule.update": "update",
  "schedule.pause": "pause",
  "schedule.resume": "resume",
  "schedule.delete": "delete",
  "plugin.endpoints": "getEndpoints",
};
/** Seconds: from a read in memory to a disk that stalls. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is known of the calls of one operation by one tenant. */
interface Series {
  labels: string;
  calls: number;
  errors: number;
  seconds: number;
  /** Calls that took no longer than the bound of the same place. */
  within: number[];
}

export class Metrics {
  readonly #series = new Map<string, Series>();
  readonly #wrongTokens: () => Readonly<Record<string, number>>;

  /** `wrongTokens` tells how many calls came with one, by door. */
  constructor(wrongTokens: () => Readonly<Record<string, number>>) {
    this.#wrongTokens = wrongTokens;
  }

  /** Takes note of a call. Those that people make are not of the API. */
  count = ({ operation, principal, tenant, ok, tookMs }: MeteredCall): void => {
    const name = SCHEDULER_API[operation];
    if (principal !== "plugin" || name === undefined) return;
    const labels = `operation="${name}",tenant="${tenant}"`; // Neither has a character that means anything here.
    const series = this.#series.get(labels) ?? newSeries(labels);
    this.#series.set(labels, series);
    series.calls += 1;
    series.errors += ok ? 0 : 1;
    noteTime(series, tookMs);
  };

  /** The text that Prometheus is answered. */
  text(): string {
    const all = [...this.#series.values()];
    const lines = [
      ...head("calls_total", "counter", "Calls of the scheduler host API by plugins."),
      ...all.map(({ labels, calls }) => line("calls_total", labels, calls)),
      ...head("errors_total", "counter", "Calls of the scheduler host API that were refused or failed."),
      ...all.map(({ labels, errors }) => line("errors_total", labels, errors)),
      ...head("duration_seconds", "histogram", "How long the host took for them."),
      ...all.flatMap(histogram),
      "# HELP qntx_wrong_tokens_total Calls that were refused because their token is missing or wrong.",
      "# TYPE qntx_wrong_tokens_total counter",
      ...Object.entries(this.#wrongTokens()).map(
        ([door, count]) => `qntx_wrong_tokens_total{door="${door}"} ${count}`,
      ),
    ];
    return `${lines.join("\n")}\n`;
  }
}

function newSeries(labels: string): Series {
  return { labels, calls: 0, errors: 0, seconds: 0, within: BOUNDS.map(() => 0) };
}

function noteTime(series: Series, tookMs: Millis): void {
  const seconds = tookMs / 1_000;
  series.seconds += seconds;
  BOUNDS.forEach((bound, i) => (series.within[i] = (series.within[i] ?? 0) + (seconds <= bound ? 1 : 0)));
}

function histogram({ labels, calls, seconds, within }: Series): string[] {
  const buckets = BOUNDS.map((bound, i) =>
    line("duration_seconds_bucket", `${labels},le="${bound}"`, within[i] ?? 0),
  );
  return [
    ...buckets,
    line("duration_seconds_bucket", `${labels},le="+Inf"`, calls),
    line("duration_seconds_sum", labels, seconds),
    line("duration_seconds_count", labels, calls),
  ];
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP qntx_scheduler_api_${name} ${help}`, `# TYPE qntx_scheduler_api_${name} ${type}`];
}

function line(name: string, labels: string, value: number): string {
  return `qntx_scheduler_api_${name}{${labels}} ${value}`;
}
