/** The audit trail in SQLite: who did what, and who was refused. Rows are added, and removed when they are old. */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import type { AuditEntry, AuditStore } from "../audit.ts";
import type { Page, PageRequest } from "../page.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import type { GroupCommit } from "./group.ts";
import { pageOf, readPage } from "./page.ts";
import { pruneOldest, pruneOldestSql } from "./prune-oldest.ts";

type Values = Record<string, string | number>;
type AuditRow = Omit<AuditEntry, "allowed"> & { seq: number; allowed: number };

export class SqliteAudit implements AuditStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #list: Statement<AuditRow, [Values]>;
  readonly #prune: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#insert = db.prepare(INSERT);
    this.#prune = db.prepare(pruneOldestSql("audit"));
    this.#list = db.prepare("SELECT * FROM audit WHERE seq < $before ORDER BY seq DESC LIMIT $limit + 0");
  }

  add(entry: Omit<AuditEntry, "at">): Promise<void> {
    return this.#group.write(
      () => void this.#insert.run({ ...entry, allowed: entry.allowed ? 1 : 0, at: this.#env.now() }),
    );
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

function readEntry({ id, at, principal, operation, subject, allowed, detail }: AuditRow): AuditEntry {
  return { id, at, principal, operation, subject, allowed: allowed === 1, detail };
}

const INSERT = `
  INSERT INTO audit (id, at, principal, operation, subject, allowed, detail)
  VALUES ($id, $at, $principal, $operation, $subject, $allowed, $detail)`;
