/** Holds the statements that run once for every job or occurrence: what one costs, fifty thousand cost in a second. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { realEnv } from "../../base/env.ts";
import { JobCompletions } from "./job-completions.ts";
import { JobInserts } from "./job-inserts.ts";
import { join } from "node:path";
import { JobSql } from "./job-sql.ts";
import { migrate } from "./migrate.ts";
import { ScheduleSql } from "./schedule-sql.ts";

const db = new Database(":memory:", { strict: true });
migrate(db);
const jobs = new JobSql(db);
const completions = new JobCompletions(db);
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
  ["the next jobs are found", jobs.next],
  ...jobs.claims.slice(-1).map(({ statement }) => ["a job is claimed", statement] as const),
  ["jobs that stand close together are claimed", jobs.claimStretch],
  ["jobs that stand side by side complete", completions.stretch],
  ["a job ends", jobs.finish],
  ["a job goes back", jobs.giveBack],
  ["a job says how far it is", jobs.progress],
  ["an occurrence is written", schedules.insertOccurrence],
  ["a schedule moves on", schedules.advance],
])("%s without a table made for it", (_, statement) => {
  // IN with more than two values makes one, in a CHECK or an index too, and so does RETURNING.
  expect(program(statement)).not.toContain("OpenEphemeral");
});

test("a recovery makes tables, once for many jobs: the look at a program sees them", () => {
  expect(program(jobs.recover)).toContain("OpenEphemeral");
});

// To estimate how much will be read, SQLite looks into a bound value; then it compiles the statement again each time it
// is bound, which costs ten times as much as to find the next job. Into an expression it does not look.
test("no LIMIT is a bare parameter", async () => {
  const files = [...new Bun.Glob("*.ts").scanSync(import.meta.dir)].filter(
    (name) => !name.endsWith(".test.ts"),
  );
  const texts = await Promise.all(files.map((name) => Bun.file(join(import.meta.dir, name)).text()));
  const bare = texts.flatMap((text) => text.match(/LIMIT (?:\$\w+\b|\?)(?! \+ 0).*/g) ?? []);
  expect(bare).toEqual([]);
  expect(texts.join("\n")).toContain("LIMIT $limit + 0");
});
