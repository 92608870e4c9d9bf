/** Holds the statements that run once for every job or occurrence: what one costs, fifty thousand cost in a second. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { realEnv } from "../../base/env.ts";
import { JobInserts } from "./job-inserts.ts";
import { JobSql } from "./job-sql.ts";
import { migrate } from "./migrate.ts";
import { ScheduleSql } from "./schedule-sql.ts";

const db = new Database(":memory:", { strict: true });
migrate(db);
const jobs = new JobSql(db);
const inserts = new JobInserts({
  env: realEnv,
  db,
  onKeyed: () => {},
  onRelated: () => {},
  onQueued: () => {},
});
const schedules = new ScheduleSql(db);

/** The instructions of SQLite's own machine that a statement is compiled to. */
function program(statement: { toString(): string }): string[] {
  const rows = db.query<{ opcode: string }, []>(`EXPLAIN ${statement.toString()}`).all();
  return rows.map(({ opcode }) => opcode);
}

test.each([
  ...inserts.statements.map(({ rows, statement }) => [`${rows} jobs are written`, statement] as const),
  ["a job ends", jobs.finish],
  ["a job goes back", jobs.giveBack],
  ["a job says how far it is", jobs.progress],
  ["an occurrence is written", schedules.insertOccurrence],
  ["a schedule moves on", schedules.advance],
])("%s without a table made for it", (_, statement) => {
  // IN with more than two values makes one, in a CHECK or an index too, and so does RETURNING.
  expect(program(statement)).not.toContain("OpenEphemeral");
});

test("a claim makes tables, once for many jobs: the look at a program sees them", () => {
  expect(program(jobs.claim)).toContain("OpenEphemeral");
});
