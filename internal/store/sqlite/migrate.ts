/**
 * Migrations: a list of SQL files, run in order, each in its own transaction.
 * `user_version` says which ones a database has; a database that is ahead of
 * this binary is refused, because an older program would not know what it sees.
 */
import type { Database } from "bun:sqlite";
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
  return MIGRATIONS.slice(version).map(({ name, sql }, index) => {
    db.transaction(() => {
      db.run(sql);
      db.run(`PRAGMA user_version = ${version + index + 1}`);
    })();
    return name;
  });
}
