/** Holds what is said of gaps against a walk through the occurrences. */
import { describe, expect, test } from "bun:test";
import { gapBelow } from "./gap.ts";
import { recurrence, type RecurrenceOptions } from "./recurrence.ts";

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 20);
const DST = { dstGap: "run-after", dstFold: "first" } as const;

function cron(...expressions: string[]) {
  return { spec: { kind: "cron" as const, cron: expressions }, timezone: "UTC", ...DST };
}

describe("occurrences are compared, not texts", () => {
  test.each([
    // is                                     closer than five minutes
    [["*/5 * * * *"], null],
    [["* * * * *"], MINUTE],
    [["0-59 * * * *"], MINUTE],
    [["0,1,2,3 * * * *"], MINUTE],
    [["*/1 9-17 * * *"], MINUTE],
    [["* 9 * * *"], MINUTE],
    [["* * * 1-12 *"], MINUTE],
    [["*/2 */1 * * *"], 2 * MINUTE],
    [["*/01 * * * 0-6"], MINUTE],
    [["*/7 * * * *"], 4 * MINUTE], // From :56 to the next hour.
    [["* * * * * *"], 1_000],
    [["0,30 0 0 1 1 *"], 30_000],
    [["59 23 31 12 *", "0 0 1 1 *"], MINUTE],
    [["58 23 28 2 *", "0 0 1 3 *"], 2 * MINUTE],
    [["58 23 L * *", "0 0 1 * *"], 2 * MINUTE],
    [["*/5 * * * *", "7 3 1 1 *"], 2 * MINUTE], // Once a year.
    [["0 0 29 2 MON", "0 12 29 2 *"], null],
    [["0 0 29 2 *", "1 0 29 2 *"], MINUTE], // Every four years.
    [["0 0 13 * ?", "4 0 ? * FRI"], 4 * MINUTE],
    [["0 0 * * MON", "1 0 * * TUE"], null],
    [["0 9 1 1 *", "0 9 1 1 *"], null], // One occurrence.
    [["@hourly", "@daily"], null],
  ] as const)("%p", (expressions, gap) => {
    expect(gapBelow(cron(...expressions), 5 * MINUTE, NOW)).toBe(gap);
  });

  test("as many expressions as there may be, each of every second second, are held against each other: the one odd second is found", () => {
    const even = Array.from({ length: 15 }, (_, hour) => `*/2 * ${hour}-23 * * *`);
    expect(gapBelow(cron(...even, "*/2 * * * * *"), 2_000, NOW)).toBeNull();
    expect(gapBelow(cron(...even, "59 59 23 29 2 *"), 2_000, NOW)).toBe(1_000);
  });

  test("intervals and instants have gaps, too", () => {
    const every = (everyMs: number) => ({ ...cron(), spec: { kind: "every" as const, everyMs } });
    expect(gapBelow(every(299_999), 5 * MINUTE, NOW)).toBe(299_999);
    expect(gapBelow(every(300_000), 5 * MINUTE, NOW)).toBeNull();
    const at = (...instants: number[]) => ({ ...cron(), spec: { kind: "at" as const, instants } });
    expect(gapBelow(at(NOW), 5 * MINUTE, NOW)).toBeNull();
    expect(gapBelow(at(NOW + 10 * MINUTE, NOW, NOW + 12 * MINUTE), 5 * MINUTE, NOW)).toBe(2 * MINUTE);
  });

  test.each([
    // On the last Sunday of March 02:30 is 03:00 in Berlin; the wall says that 33 minutes lie between them.
    ["what is moved out of a gap", ["30 2 * * *", "3 3 * * *"], "Europe/Berlin", DST, 3 * MINUTE],
    ["what is skipped there", ["30 2 * * *", "3 3 * * *"], "Europe/Berlin", { ...DST, dstGap: "skip" }, null],
    ["what follows a gap", ["58 1 * * *", "0 3 * * *"], "Europe/Berlin", DST, 2 * MINUTE],
    ["another zone", ["58 1 * * *", "0 3 * * *"], "UTC", DST, null],
    // 02:59 in the first pass, 02:00 in the second one.
    ["what comes twice", ["59 2 * * *", "0 2 * * *"], "Europe/Berlin", { ...DST, dstFold: "both" }, MINUTE],
    ["what comes in the first pass", ["59 2 * * *", "0 2 * * *"], "Europe/Berlin", DST, null],
  ] as const)("where clocks change: %s", (_, expressions, timezone, dst, gap) => {
    expect(gapBelow({ ...cron(...expressions), timezone, ...dst }, 5 * MINUTE, NOW)).toBe(gap);
  });
});

describe("no walk finds what it does not", () => {
  const random = seeded(20_261_120);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const minutes = ["0", "*/20", "*/30", "7", "12", "3,33", "58", "59", "5-45/20"];
  const hours = ["*", "0", "2", "3", "23", "9-17", "*/6", "1,2,3"];
  const days = ["*", "1", "L", "31", "29", "*/10", "15W"];
  const months = ["*", "2", "3", "10", "*/6"];
  const weekdays = ["*", "SUN", "MON-FRI", "SUN#L", "6"];
  const zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"];
  const expression = () => [pick(minutes), pick(hours), pick(days), pick(months), pick(weekdays)].join(" ");

  test.each(Array.from({ length: 60 }, (_, i) => i))("%#", () => {
    const options = {
      spec: { kind: "cron" as const, cron: Array.from({ length: 1 + Math.floor(random() * 3) }, expression) },
      timezone: pick(zones),
      dstGap: pick(["run-after", "skip"] as const),
      dstFold: pick(["first", "second", "both"] as const),
    };
    const minMs = pick([5, 30, 60]) * MINUTE;
    const walked = closestOnAWalk(options, minMs);
    const found = gapBelow(options, minMs, NOW);
    if (walked !== null) expect({ options, minMs, found }).toMatchObject({ found: expect.any(Number) });
    if (found === null) expect(walked).toBeNull();
  });

  function closestOnAWalk(options: Omit<RecurrenceOptions, "anchor">, minMs: number): number | null {
    const plan = recurrence({ ...options, anchor: NOW });
    let at = plan.next(NOW);
    for (let seen = 0; at !== null && seen < 5_000; seen++) {
      const next: number | null = plan.next(at);
      if (next !== null && next - at < minMs) return next - at;
      at = next;
    }
    return null;
  }
});

/** Numbers that look random and are the same every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
