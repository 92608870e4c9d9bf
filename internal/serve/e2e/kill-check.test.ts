/** The checker itself: an account that is right passes, and each way of being wrong is seen. */
import { expect, test } from "bun:test";
import {
  type Books,
  brokenPromises,
  compareOccurrences,
  type JobRow,
  type LedgerRow,
  lostJobs,
  overlappingRuns,
  reopenedJobs,
  type Rhythm,
  tornBatches,
} from "./kill-check.ts";
import type { Line } from "./witnesses.ts";

const RHYTHM: Rhythm = { id: "S", anchor: 0, everyMs: 1_000, overlaps: false };
const UNTIL = 3_500;

function job(more: Partial<JobRow>): JobRow {
  const counts = { attempt: 1, fence: 1, lost: 0, suspect: 0, interrupted: 0 };
  const none = { error: null, schedule_id: null, occurrence: null };
  return { id: "a", state: "completed", handler: "h", ...counts, ...none, finished_at: 100, ...more };
}

function row(occurrence: number, more: Partial<LedgerRow> = {}): LedgerRow {
  const job_id = `j${occurrence}`;
  return {
    schedule_id: "S",
    occurrence,
    last_occurrence: occurrence,
    count: 1,
    outcome: "fired",
    job_id,
    ...more,
  };
}

function books(jobs: readonly JobRow[], ledger: readonly LedgerRow[] = []): Books {
  const byId = new Map(jobs.map((each) => [each.id, each]));
  return { integrity: "ok", jobs: byId, ledger: [...ledger], schedules: new Map(), ids: new Map() };
}

function line(what: Line["what"], id: string, more: Partial<Line> = {}): Line {
  return {
    what,
    plugin: "w",
    pid: 1,
    at: 50,
    id,
    attempt: 1,
    scheduleId: "",
    occurrence: "",
    how: "done",
    ...more,
  };
}

/** The lines of one occurrence that ran. */
function ran(occurrence: number, id = `j${occurrence}`): Line[] {
  const about = { scheduleId: "S", occurrence: new Date(occurrence).toISOString() };
  return [
    line("start", id, { ...about, at: occurrence }),
    line("end", id, { ...about, at: occurrence + 100 }),
  ];
}

const fired = (occurrence: number, id = `j${occurrence}`) =>
  job({ id, schedule_id: "S", occurrence, finished_at: occurrence + 100 });

test("an acknowledged job is lost unless it ran to its end, or failed with a reason", () => {
  const done = [line("end", "a")];
  const rows: [string, Books, Line[], number][] = [
    ["it ran", books([job({})]), done, 0],
    ["it failed and says why", books([job({ state: "failed", error: "{}" })]), [], 0],
    ["it is not there", books([]), done, 1],
    ["it waits", books([job({ state: "queued", finished_at: null })]), [], 1],
    ["it is said to have completed, and no plugin saw it", books([job({})]), [], 1],
    [
      "it was cut short and is said to have completed",
      books([job({})]),
      [line("end", "a", { how: "shutdown" })],
      1,
    ],
    ["it failed and says nothing", books([job({ state: "failed" })]), [], 1],
  ];
  for (const [what, now, lines, lost] of rows)
    expect([what, lostJobs(now, ["a"], lines).length]).toEqual([what, lost]);
});

test("a job that has ended stays as it was, and nobody pays for the death of a host", () => {
  const before = books([job({})]);
  const rows: [string, Books, number][] = [
    ["as it was", books([job({})]), 0],
    ["another fence", books([job({ fence: 2 })]), 1],
    ["open again", books([job({ state: "queued", finished_at: null, attempt: 0 })]), 1],
    ["gone, although acknowledged", books([]), 2],
    ["a try spent", books([job({}), job({ id: "b", attempt: 2 })]), 1],
    ["a loss charged", books([job({}), job({ id: "b", lost: 1 })]), 1],
    ["suspected", books([job({}), job({ id: "b", suspect: 1 })]), 1],
    ["damaged", { ...books([job({})]), integrity: "page 3 is never used" }, 1],
  ];
  for (const [what, now, count] of rows)
    expect([what, brokenPromises(before, now, ["a"]).length]).toEqual([what, count]);
});

test("an attempt that starts after the end, a batch of which a part is there, and runs that meet are seen", () => {
  expect(reopenedJobs(books([job({})]), [line("start", "a", { at: 99 })])).toEqual([]);
  expect(reopenedJobs(books([job({})]), [line("start", "a", { at: 101 })])).toHaveLength(1);
  expect(tornBatches(books([job({})]), [["a"], ["b", "c"]])).toEqual([]);
  expect(tornBatches(books([job({})]), [["a", "b"]])).toHaveLength(1);
  const late = ran(1_000).map((each) => ({ ...each, at: each.at + 950 }));
  expect(overlappingRuns([RHYTHM], [...ran(1_000), ...ran(2_000)])).toEqual([]);
  expect(overlappingRuns([RHYTHM], [...late, ...ran(2_000)])).toHaveLength(1);
  expect(overlappingRuns([{ ...RHYTHM, overlaps: true }], [...late, ...ran(2_000)])).toEqual([]);
});

test("occurrences are held against arithmetic: once each, none missing, none beside the grid", () => {
  const all = [1_000, 2_000, 3_000];
  const jobs = all.map((at) => fired(at));
  const rows = all.map((at) => row(at));
  const lines = all.flatMap((at) => ran(at));
  const skipped = { outcome: "skipped-overlap", job_id: null };
  const cases: [string, Books, Line[], object][] = [
    ["all is well", books(jobs, rows), lines, {}],
    [
      "a range counts as its occurrences",
      books([], [row(1_000, { ...skipped, count: 3, last_occurrence: 3_000 })]),
      [],
      {},
    ],
    ["one is not recorded", books(jobs, rows.slice(1)), lines, { missing: 1 }],
    ["one fired and never ran", books(jobs, rows), lines.slice(2), { missing: 1 }],
    [
      "one was skipped and has a job",
      books(jobs, [row(1_000, skipped), ...rows.slice(1)]),
      lines,
      { missing: 1 },
    ],
    ["one is recorded twice", books(jobs, [...rows, row(2_000)]), lines, { twice: 1 }],
    ["one has two jobs", books([...jobs, fired(2_000, "other")], rows), lines, { twice: 1 }],
    ["one ran under two ids", books(jobs, rows), [...lines, ...ran(3_000, "other")], { twice: 1 }],
    ["one is beside the grid", books(jobs, [...rows, row(2_500)]), lines, { stray: 1 }],
    ["what comes later is not looked at", books(jobs, [...rows, row(4_000)]), lines, {}],
  ];
  for (const [what, now, seen, wrong] of cases) {
    const { expected, twice, missing, stray } = compareOccurrences(now, [RHYTHM], {
      until: UNTIL,
      lines: seen,
    });
    const counts = { missing: missing.length, twice: twice.length, stray: stray.length };
    expect([what, expected, counts]).toEqual([what, 3, { missing: 0, twice: 0, stray: 0, ...wrong }]);
  }
});
