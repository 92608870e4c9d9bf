/** Holds what lists and counts do when there are more jobs than one stretch has. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Env, realEnv } from "../../base/env.ts";
import type { JobFilter } from "../jobs.ts";
import { JobLists } from "./job-lists.ts";
import { migrate } from "./migrate.ts";

const JOBS = 60_000;
const LOOK_MS = 30; // What each look takes, by the clock of the test.

let db: Database;
let turns = 0;

beforeAll(() => {
  db = new Database(":memory:", { strict: true });
  migrate(db);
  db.query(FILL).run({ jobs: JOBS });
});

afterAll(() => db.close());

/** Lists by a clock that moves with each look at it. */
function slow(): JobLists {
  let ms = 0;
  const soon: Env["soon"] = (work) => {
    turns++;
    realEnv.soon(work);
  };
  return new JobLists({ ...realEnv, soon, mono: () => (ms += LOOK_MS) }, db);
}

test.each<[string, JobFilter, number]>([
  // what is rare among the many   where              is found in so many jobs
  ["the completed ones", { state: "completed" }, 3],
  ["the failed ones of a handler", { state: "failed", handler: "c" }, 1],
  ["those of a tenant", { tenant: "t" }, 2],
])("%s are found in pages that end early", async (_, filter, count) => {
  const [ids, lengths]: [string[], number[]] = [[], []];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await slow().page(filter, { limit: 2, cursor });
    ids.push(...page.items.map(({ id }) => id));
    lengths.push(page.items.length);
    cursor = page.cursor;
  }
  expect(new Set(ids).size).toBe(count);
  expect(ids).toHaveLength(count);
  expect(lengths).toContain(0);
});

test("a page that is full says whether there are more", async () => {
  const page = (limit: number) => slow().page({ state: "completed" }, { limit, cursor: "4" });
  expect(await page(3)).toMatchObject({ items: { length: 3 }, cursor: null });
  expect(await page(2)).toMatchObject({ items: { length: 2 }, cursor: "2" });
});

test("all are counted, by state and by lane, and others have their turn meanwhile", async () => {
  const rows = db.query<{ state: string; count: number }, []>(
    "SELECT state, COUNT(*) AS count FROM job GROUP BY state",
  );
  const wanted = Object.fromEntries(rows.all().map(({ state, count }) => [state, count]));
  turns = 0;
  expect(await slow().counts()).toMatchObject(wanted);
  expect(turns).toBeGreaterThan(1);
  const lanes = db.query(
    "SELECT lane, COUNT(*) AS count, SUM(crowded) AS crowded FROM job WHERE state = 'queued' GROUP BY lane",
  );
  expect(await slow().queuedLanes()).toEqual(lanes.all() as never);
});

// The first three have completed, the fourth has failed, some wait for a handler, some later, most in two lanes.
const FILL = `
  WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < $jobs)
  INSERT INTO job (id, tenant, handler, plugin, lane, trigger, source, owner, priority, state, run_at, crowded,
                   created_at, finished_at, payload)
  SELECT 'JB_' || x, IIF(x IN (7, 8), 't', ''), CASE WHEN x = 4 THEN 'c' WHEN x % 3 = 0 THEN 'b' ELSE 'a' END, '',
         CASE WHEN x % 3 = 0 THEN 'p/b' ELSE 'a' END, 'enqueue', '', 'operator', x % 5 = 0,
         CASE WHEN x < 4 THEN 'completed' WHEN x % 2 = 0 AND x < 55000 THEN 'failed' ELSE 'queued' END, 0, x % 7 = 0, 0,
         IIF(x < 4 OR (x % 2 = 0 AND x < 55000), 0, NULL), x''
    FROM n`;
