/** Holds the statements that run once for every job: what one of them costs, fifty thousand cost in a second. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { JobSql } from "./job-sql.ts";
import { migrate } from "./migrate.ts";

const db = new Database(":memory:", { strict: true });
migrate(db);
const sql = new JobSql(db);

/** The instructions of SQLite's own machine that a statement is compiled to. */
function program(statement: { toString(): string }): string[] {
  const rows = db.query<{ opcode: string }, []>(`EXPLAIN ${statement.toString()}`).all();
  return rows.map(({ opcode }) => opcode);
}

test.each(["insert", "finish", "giveBack", "progress"] as const)("%s makes no table for itself", (name) => {
  // IN with more than two values does, in a CHECK or an index too, and so does RETURNING.
  expect(program(sql[name])).not.toContain("OpenEphemeral");
});

test("a claim makes tables, one for many jobs: the look at a program sees them", () => {
  expect(program(sql.claim)).toContain("OpenEphemeral");
});
