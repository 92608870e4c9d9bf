/** Holds that runs that are made up for neither stampede nor wait for long. */
import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { MISSED_AFTER_MS } from "../../schedule/schedule.ts";
import { CatchUp } from "./catch-up.ts";
import { migrate } from "./migrate.ts";

const NOW = Date.UTC(2026, 0, 1);

/** What makes up for so many missed occurrences. */
function catchUpOf(missed: number): CatchUp {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  db.run(
    `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)
     INSERT INTO schedule_cursor (schedule_id, node, accounted_until, next_occurrence, due_at)
     SELECT 'SC_' || n, '', 0, 1, ? FROM n`,
    [missed, NOW - MISSED_AFTER_MS - 1],
  );
  return new CatchUp(db);
}

test.each([
  // missed, until the last one starts
  [1, 0],
  [1_000, 9_990],
  [6_000, 59_990],
  [60_000, 59_999],
])("%d that were missed start within %d ms", (missed, lastMs) => {
  const catchUp = catchUpOf(missed);
  const starts = Array.from({ length: missed }, () => catchUp.next("", NOW) - NOW);
  expect(starts[0]).toBe(0);
  expect(starts.at(-1)).toBe(lastMs);
  expect(starts).toEqual(starts.toSorted((a, b) => a - b));
});

test("those of later start at once when nothing is made up for any more", () => {
  const catchUp = catchUpOf(100);
  for (let n = 0; n < 100; n++) catchUp.next("", NOW);
  expect(catchUp.next("", NOW + 5_000)).toBe(NOW + 5_000);
});

test("a clock that goes back holds up nobody", () => {
  const catchUp = catchUpOf(100);
  for (let n = 0; n < 100; n++) catchUp.next("", NOW);
  expect(catchUp.next("", NOW - 3_600_000)).toBe(NOW - 3_600_000);
});
