/**
 * Opens what forecasts read, beside a host that runs: a connection of another process
 * that may only read. Apart from open.ts, so that nothing here can write or migrate.
 */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { Fault, messageOf } from "../base/fault.ts";
import type { OpenedForecastSource } from "./forecasts.ts";
import { SqliteForecasts } from "./sqlite/forecasts.ts";

const BUSY_TIMEOUT_MS = 5_000; // A reader in WAL mode waits for nobody, but for the moment of a recovery.

/** Opens the forecasts of a data folder. Throws a Fault when its database cannot be read. */
export function openForecasts(home: string): OpenedForecastSource {
  const path = join(home, "qntx.db");
  try {
    const db = new Database(path, { readonly: true, strict: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return new SqliteForecasts(db, { tzdata: "" }); // It begins no term, so that it needs no rules of zones to note.
  } catch (error) {
    throw new Fault("failed", `The database ${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}
