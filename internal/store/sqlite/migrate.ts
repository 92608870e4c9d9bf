/**
 * Migrations: a list of SQL files, run in order, each in its own transaction.
 * `user_version` says which ones a database has; a database that is ahead of
 * this binary is refused, because an older program would not know what it sees.
 *
 * Before the first release a migration may still be edited in place. A database that
 * such an earlier text made has the right number and the wrong tables: it is refused
 * as well, with what is different, instead of failing at the first statement.
 */
import { Database } from "bun:sqlite";
import { Fault } from "../../base/fault.ts";
import start from "./migrations/0001_start.sql" with { type: "text" };

const MIGRATIONS: readonly { name: string; sql: string }[] = [{ name: "0001_start", sql: start }];

/** Brings a database to this binary's schema. Returns the names of the migrations that ran. */
export function migrate(db: Database): string[] {
  const version = db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
  if (version > MIGRATIONS.length) {
    throw new Fault(
      "conflict",
      `This data folder was written by a newer qntx (schema ${version}, this one knows ${MIGRATIONS.length}).`,
      {
        hint: "Run the newer qntx, or restore a backup from before the upgrade.",
      },
    );
  }
  if (version === MIGRATIONS.length) refuseOtherSchema(db);
  return MIGRATIONS.slice(version).map(({ name, sql }, index) => {
    db.transaction(() => {
      db.run(sql);
      db.run(`PRAGMA user_version = ${version + index + 1}`);
    })();
    return name;
  });
}

/** What is missing or different; what somebody has added, such as an index of their own, is theirs. */
function refuseOtherSchema(db: Database): void {
  const found = schemaOf(db);
  const other = [...schemaOf(migrated())].find(([name, sql]) => found.get(name) !== sql);
  if (!other) return;
  const [name] = other;
  throw new Fault(
    "conflict",
    `This data folder was made by an earlier build of qntx: in its database, ${name} is ${found.has(name) ? "different" : "missing"}.`,
    {
      hint: "Nothing was changed. Use the build that made it, or begin with another folder: --home DIR.",
    },
  );
}

/** A database with today's schema and nothing in it, in some two milliseconds. */
function migrated(): Database {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  return db;
}

/** Each table and index with how it was made, comments and spaces aside. */
function schemaOf(db: Database): Map<string, string> {
  const rows = db
    .query<{ name: string; sql: string }, []>("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    .all();
  return new Map(rows.map(({ name, sql }) => [name, sql.replace(/--.*$/gm, "").replace(/\s+/g, " ")]));
}
