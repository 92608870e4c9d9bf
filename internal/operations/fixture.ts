/** What every test of operations needs: an empty data folder, in memory, and somebody who asks for something there. */
import { Database } from "bun:sqlite";
import { usualCapabilities } from "../access/capability.ts";
import type { Principal } from "../access/principal.ts";
import { usualQuota } from "../access/quota.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { silentLog } from "../base/log.ts";
import type { LocksBy } from "../schedule/lock.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Context } from "./operation.ts";
import { callOperation } from "./run.ts";

export const OPERATOR: Principal = { kind: "operator", name: "operator" };

type PluginPrincipal = Principal & { kind: "plugin" };

/** A trusted plugin `p` of no tenant, but for what is said. */
export function pluginPrincipal(change: Partial<Omit<PluginPrincipal, "kind">> = {}): PluginPrincipal {
  const capabilities = new Set(usualCapabilities("trusted"));
  return { kind: "plugin", plugin: "p", tenant: "", capabilities, quota: usualQuota("trusted"), ...change };
}

/** A data folder whose host does not run. */
export class Folder implements AsyncDisposable {
  readonly env = new FakeEnv();
  readonly store: SqliteStore;

  constructor({ locksBy = "store" }: { locksBy?: LocksBy } = {}) {
    const db = new Database(":memory:", { strict: true });
    db.run("PRAGMA foreign_keys = ON");
    migrate(db);
    this.store = new SqliteStore(this.env, { db, logPath: ":memory:", tzdata: "test", locksBy });
  }

  /** What an operation gets to see when `principal` asks. */
  context(principal: Principal = OPERATOR, host: Context["host"] = null): Context {
    return { env: this.env, log: silentLog, store: this.store, principal, host, home: "/nowhere" };
  }

  /** Asks for an operation of the table by its name, as a program does. */
  call<T>(name: string, input: unknown, principal: Principal = OPERATOR): Promise<T> {
    return callOperation(this.context(principal), name, input) as Promise<T>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
  }
}

/** The fault that work ends in. Throws when it ends in none, or in something else. */
export async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    (value) => new Error(`It was not refused: ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw error;
}
