/** Locks in SQLite. The number of the row is the fence: AUTOINCREMENT never gives one twice, also when rows are gone. */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import type { LockAnswer, LockProvider, LockWish } from "../locks.ts";
import type { GroupCommit } from "./group.ts";

type Values = Record<string, string | number>;

const TOKEN_BYTES = 16; // 128 bits cannot be guessed.

export class SqliteLocks implements LockProvider {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #forget: Statement<unknown, [Values]>;
  readonly #free: Statement<unknown, [Values]>;
  readonly #take: Statement<{ fence: number }, [Values]>;
  readonly #holder: Statement<{ holder: string; until: number }, [Values]>;
  readonly #renew: Statement<unknown, [Values]>;
  readonly #release: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#group = group;
    this.#forget = db.prepare(FORGET);
    this.#free = db.prepare(FREE);
    this.#take = db.prepare(TAKE);
    this.#holder = db.prepare("SELECT holder, until FROM lock WHERE key = $key");
    this.#renew = db.prepare("UPDATE lock SET until = $until WHERE token = $token AND until > $now");
    this.#release = db.prepare("DELETE FROM lock WHERE token = $token AND until > $now");
  }

  tryLock({ key, ttlMs, holder }: LockWish): Promise<LockAnswer> {
    const token = Buffer.from(this.#env.bytes(TOKEN_BYTES)).toString("base64url");
    return this.#group.write((): LockAnswer => {
      const now = this.#env.now();
      this.#forget.run({ now });
      this.#free.run({ key, holder, now });
      const taken = this.#take.get({ key, token, holder, until: now + ttlMs });
      if (taken) return { handle: { token, fence: taken.fence } };
      const other = this.#holder.get({ key });
      return {
        contention: { holder: other?.holder ?? null, leftMs: other ? other.until - now : null },
      };
    });
  }

  renew(token: string, ttlMs: Millis): Promise<boolean> {
    return this.#group.write(() => {
      const now = this.#env.now();
      return this.#renew.run({ token, now, until: now + ttlMs }).changes === 1;
    });
  }

  release(token: string): Promise<boolean> {
    return this.#group.write(() => this.#release.run({ token, now: this.#env.now() }).changes === 1);
  }
}

// Some of those that ran out, whoever had them: the table is as long as what is held.
const FORGET = `
  DELETE FROM lock
   WHERE fence IN (
           SELECT fence
             FROM lock
            WHERE until <= $now
            ORDER BY until
            LIMIT 100)`;

const FREE = `
  DELETE FROM lock
   WHERE key = $key
     AND (until <= $now OR holder = $holder)`;

const TAKE = `
  INSERT INTO lock (key, token, holder, until)
  VALUES ($key, $token, $holder, $until)
  ON CONFLICT (key) DO NOTHING
  RETURNING fence`;
