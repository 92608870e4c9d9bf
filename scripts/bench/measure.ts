/** Measure: what a benchmark gives, and the few sums that make one number of many. */

/** One line of the result: a value of ours beside what the machine could do at best. */
export interface Row {
  what: string;
  value: number;
  unit: "jobs/s" | "schedules/s" | "starts/s" | "ms" | "µs" | "MiB" | "% of a core";
  floor: number;
  /** What the floor is, in a few words. */
  floorIs: string;
  /** What must hold; rates at least, anything else at most. */
  target?: number;
}

/** What stands in the place of a row: why there is none, or what else ran. */
export interface Note {
  what: string;
  note: string;
}

export type Line = Row | Note;

/** A group of rows that are taken in one go, on the same data. */
export interface Bench {
  /** The word that selects it on the command line. */
  name: string;
  title: string;
  /** How it is measured, for the reader of the page. */
  how: string;
  /** What must be read beside the figures, as Markdown. */
  legend?: string;
  /** What the values stand beside, where that is not a floor. */
  beside?: "peer";
  /** Only when it is asked for by its name: it downloads, and installs where it may. */
  asked?: true;
  run(): Promise<Line[]>;
}

/** A rate should be high and anything else low: both as "how much of the best". */
export function shareOfFloor({ unit, value, floor }: Row): number {
  return isRate(unit) ? value / floor : floor / value;
}

/** False when a row misses its target. */
export function holds(line: Line): boolean {
  if ("note" in line || line.target === undefined) return true;
  const { unit, value, target } = line;
  return isRate(unit) ? value >= target : value <= target;
}

/** True for what should be high. */
export function isRate(unit: Row["unit"]): boolean {
  return unit.endsWith("/s");
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that a share `q` of all values does not exceed. Throws for none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw new Error("There is no quantile of nothing.");
  return value;
}

/** Calls `once` that often, one after the other, and gives the median of the numbers. */
export async function medianOf(times: number, once: () => number | Promise<number>): Promise<number> {
  const values: number[] = [];
  for (let time = 0; time < times; time++) values.push(await once());
  return median(values);
}

/** How many calls of `work` a second `callers` callers get through, each waiting for its answer. */
export async function callsPerSecond(
  { callers, ms }: { callers: number; ms: number },
  work: () => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + ms;
  let calls = 0;
  const caller = async () => {
    for (; performance.now() < until; calls++) await work();
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return calls / ((performance.now() - startedAt) / 1_000);
}
