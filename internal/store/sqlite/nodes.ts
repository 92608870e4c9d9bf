/** Nodes in SQLite: the stable id of this one, and the leases of its incarnations. */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { newId } from "../../base/id.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import type { BootLease, NodeStore } from "../nodes.ts";
import type { GroupCommit } from "./group.ts";

type Values = Record<string, string | number>;

export class SqliteNodes implements NodeStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #isOurs: () => boolean;
  readonly #nodeId: string;
  readonly #renew: Statement<unknown, [Values]>;
  readonly #release: Statement<unknown, [Values]>;
  readonly #see: Statement<unknown, [Values]>;
  readonly #lastSeen: Statement<{ value: string }, []>;
  readonly #prune: Statement<unknown, [Values]>;

  constructor(env: Env, { db, group, isOurs }: { db: Database; group: GroupCommit; isOurs: () => boolean }) {
    this.#env = env;
    this.#group = group;
    this.#isOurs = isOurs;
    this.#nodeId = readNodeId(env, db);
    this.#renew = db.prepare(RENEW);
    this.#see = db.prepare(SEE);
    this.#lastSeen = db.prepare("SELECT value FROM meta WHERE key = 'last_seen_at'");
    this.#release = db.prepare("DELETE FROM boot WHERE id = $bootId");
    this.#prune = db.prepare(PRUNE);
  }

  /** The stable id, known as soon as the store is open. */
  get id(): string {
    return this.#nodeId;
  }

  async nodeId(): Promise<string> {
    return this.#nodeId;
  }

  /** Differs from Postgres: the host's lock is the lease, and what is written here only says who has it. */
  renew({ bootId, nodeId, version, leaseMs, seen }: BootLease): Promise<boolean> {
    return this.#group.write(() => {
      if (!this.#isOurs()) return false;
      const now = this.#env.now();
      this.#renew.run({ bootId, nodeId, version, now, leaseUntil: now + leaseMs });
      if (seen) this.#see.run({ now });
      return true;
    });
  }

  async lastSeenAt(): Promise<Millis | null> {
    const row = this.#lastSeen.get();
    return row ? Number(row.value) : null;
  }

  prune({ before }: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => ({ removed: this.#prune.run({ before }).changes, cursor: null }));
  }

  release(bootId: string): Promise<void> {
    return this.#group.write(() => void this.#release.run({ bootId }));
  }
}

/** Reads the id of this data folder; makes it the first time. */
function readNodeId(env: Env, db: Database): string {
  db.run("INSERT INTO meta (key, value) VALUES ('node_id', ?) ON CONFLICT DO NOTHING", [newId(env, "ND")]);
  const row = db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'node_id'").get();
  if (!row) throw new Error("The node id was just written and is not there.");
  return row.value;
}

const PRUNE = `
  DELETE FROM boot
   WHERE lease_until < $before
     AND NOT EXISTS (SELECT 1 FROM job WHERE boot_id = boot.id)`;

const RENEW = `
  INSERT INTO boot (id, node_id, version, started_at, lease_until)
  VALUES ($bootId, $nodeId, $version, $now, $leaseUntil)
  ON CONFLICT (id) DO UPDATE
     SET lease_until = excluded.lease_until`;

// The last one counts, not the greatest: a clock that was believed and wrong must be able to be corrected.
const SEE = `
  INSERT INTO meta (key, value)
  VALUES ('last_seen_at', CAST($now AS TEXT))
  ON CONFLICT (key) DO UPDATE
     SET value = excluded.value`;
