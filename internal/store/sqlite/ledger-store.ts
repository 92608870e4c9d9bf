/** What keeps the ledger true, in SQLite. The steps that write it are in ledger.ts. */
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../base/env.ts";
import type { CursorHistory, LedgerStore } from "../ledger.ts";
import type { Terms } from "./terms.ts";

export class SqliteLedgerStore implements LedgerStore {
  readonly tzdata: string;
  readonly #terms: Terms;
  readonly #horizon: Statement<{ value: string }, []>;

  constructor(db: Database, { terms, tzdata }: { terms: Terms; tzdata: string }) {
    this.tzdata = tzdata;
    this.#terms = terms;
    this.#horizon = db.prepare("SELECT value FROM meta WHERE key = 'ledger_horizon'");
  }

  async history(scheduleId: string): Promise<CursorHistory[]> {
    return this.#terms.history(scheduleId);
  }

  async horizon(): Promise<Millis | null> {
    const row = this.#horizon.get();
    return row ? Number(row.value) : null;
  }
}
