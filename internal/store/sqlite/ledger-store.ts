/** What keeps the ledger true, in SQLite. The steps that write it are in ledger.ts. */
import type { Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import type { Damage } from "../../schedule/damage.ts";
import type { CursorHistory, LedgerStore, Repaired } from "../ledger.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import { DefinitionPruning } from "./definition-pruning.ts";
import type { GroupCommit } from "./group.ts";
import { LedgerPruning } from "./ledger-pruning.ts";
import { Mending, type MendingParts } from "./mending.ts";
import type { Terms } from "./terms.ts";

interface LedgerStoreParts extends MendingParts {
  group: GroupCommit;
  terms: Terms;
  tzdata: string;
}

export class SqliteLedgerStore implements LedgerStore {
  readonly tzdata: string;
  readonly #group: GroupCommit;
  readonly #mending: Mending;
  readonly #pruning: LedgerPruning;
  readonly #definitions: DefinitionPruning;
  readonly #terms: Terms;
  readonly #horizon: Statement<{ value: string }, []>;

  constructor(env: Env, { db, group, terms, tzdata, ...parts }: LedgerStoreParts) {
    this.tzdata = tzdata;
    this.#group = group;
    this.#mending = new Mending(env, { db, ...parts });
    this.#pruning = new LedgerPruning(env, db);
    this.#definitions = new DefinitionPruning(env, db);
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

  prune(request: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => this.#pruning.step(request));
  }

  pruneDefinitions({ before, cursor }: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => {
      const horizon = Number(this.#horizon.get()?.value ?? Number.MIN_SAFE_INTEGER);
      return this.#definitions.step({ before: Math.min(before, horizon), cursor });
    });
  }

  async damage(limit: number): Promise<Damage[]> {
    return this.#mending.find(limit);
  }

  async repair(limit: number): Promise<Repaired[]> {
    if (this.#mending.find(1).length === 0) return []; // No transaction for nothing.
    return this.#group.write((careful) => this.#mending.repair(limit, careful));
  }
}
