/** The seam of what keeps the fire ledger true: what was planned, what is broken, what is too old to keep. */
import type { Millis } from "../base/env.ts";
import type { Term } from "../schedule/terms.ts";

/** What one cursor of a schedule followed since it was made. */
export interface CursorHistory {
  node: string;
  /** Up to here everything is accounted for; null when the cursor is gone. */
  accountedUntil: Millis | null;
  /** When somebody must look again; null when nobody has to. */
  dueAt: Millis | null;
  /** In order. */
  terms: Term[];
}

export interface LedgerStore {
  /** The time zone data by which this program decides. */
  readonly tzdata: string;
  /** What each cursor of a schedule followed; a cursor for each node. */
  history(scheduleId: string): Promise<CursorHistory[]>;
  /** From after here on the ledger is whole: what is older may have been removed. Null: nothing ever was. */
  horizon(): Promise<Millis | null>;
}
