/** The audit trail in SQLite: who did what, and who was refused. Rows are added, and removed when they are old. */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { type AuditEntry, type AuditStore, REFUSALS_PER_MINUTE_MAX } from "../audit.ts";
import type { Page, PageRequest } from "../page.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import type { GroupCommit } from "./group.ts";
import { pageOf, readPage } from "./page.ts";
import { pruneOldest, pruneOldestSql } from "./prune-oldest.ts";

const MINUTE: Millis = 60_000;

type Values = Record<string, string | number>;
type AuditRow = Omit<AuditEntry, "allowed"> & { seq: number; allowed: number };

export class SqliteAudit implements AuditStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #refused: Statement<{ seq: number }, [Values]>;
  readonly #count: Statement<unknown, [Values]>;
  readonly #list: Statement<AuditRow, [Values]>;
  readonly #prune: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#insert = db.prepare(INSERT);
    this.#refused = db.prepare(REFUSED);
    this.#count = db.prepare(COUNT);
    this.#prune = db.prepare(pruneOldestSql("audit"));
    this.#list = db.prepare("SELECT * FROM audit WHERE seq < $before ORDER BY seq DESC LIMIT $limit + 0");
  }

  add(entry: Omit<AuditEntry, "at" | "count">): Promise<void> {
    return this.#group.write(() => {
      if (entry.allowed || !this.#counted(entry))
        this.#insert.run({ ...entry, allowed: entry.allowed ? 1 : 0, at: this.#env.now() });
    });
  }

  /** Counts one refusal more in the last row of its kind. False when it has a row of its own. */
  #counted({ principal, operation, subject, detail }: Omit<AuditEntry, "at" | "count">): boolean {
    const since = this.#env.now() - MINUTE;
    const rows = this.#refused.all({ principal, operation, since });
    const [last] = rows;
    if (!last || rows.length < REFUSALS_PER_MINUTE_MAX) return false;
    this.#count.run({ seq: last.seq, subject, detail });
    return true;
  }

  prune({ before }: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => pruneOldest(this.#prune, before));
  }

  async list(page: PageRequest): Promise<Page<AuditEntry>> {
    const { limit, before } = readPage(page);
    const rows = this.#list.all({ before, limit: limit + 1 });
    return pageOf(rows, limit, readEntry, (row) => String(row.seq));
  }
}

function readEntry({ id, at, principal, operation, subject, allowed, detail, count }: AuditRow): AuditEntry {
  return { id, at, principal, operation, subject, allowed: allowed === 1, detail, count };
}

const INSERT = `
  INSERT INTO audit (id, at, principal, operation, subject, allowed, detail)
  VALUES ($id, $at, $principal, $operation, $subject, $allowed, $detail)`;

// The last of the same kind first; what a clock that was set back left ahead is among them.
const REFUSED = `
  SELECT seq
    FROM audit INDEXED BY audit_refused
   WHERE principal = $principal
     AND operation = $operation
     AND at        > $since
     AND allowed   = 0
   ORDER BY at DESC
   LIMIT ${REFUSALS_PER_MINUTE_MAX}`;

const COUNT = `
  UPDATE audit
     SET count   = count + 1,
         subject = $subject,
         detail  = $detail
   WHERE seq = $seq`;
