/** The seam of what keeps the fire ledger true: what was planned, what is broken, what is too old to keep. */
import type { Millis } from "../base/env.ts";
import type { Damage, Repair } from "../schedule/damage.ts";
import type { Term } from "../schedule/terms.ts";
import type { Pruned, PruneRequest } from "./prune.ts";

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

/** Something that was wrong, and is not any more. */
export interface Repaired {
  damage: Damage;
  repair: Repair;
  /** What was wrong and what was done. */
  sentence: string;
}

export interface LedgerStore {
  /** The time zone data by which this program decides. */
  readonly tzdata: string;
  /** What each cursor of a schedule followed; a cursor for each node. */
  history(scheduleId: string): Promise<CursorHistory[]>;
  /** From after here on the ledger is whole: what is older may have been removed. Null: nothing ever was. */
  horizon(): Promise<Millis | null>;
  /** Removes rows from before then, but for those that are open, and those whose job is younger. */
  prune(request: PruneRequest): Promise<Pruned>;
  /** Removes definitions that were in force before then and no longer, where the ledger is not whole, and of each schedule those beyond its newest ones. */
  pruneDefinitions(request: PruneRequest): Promise<Pruned>;
  /** Up to `limit` things that nobody would look after again. */
  damage(limit: number): Promise<Damage[]>;
  /** Sets up to `limit` of each kind right, each with its event. Throws for what cannot be when nothing else is left to do. */
  repair(limit: number): Promise<Repaired[]>;
}
