/**
 * RedisLocks: one key of Redis for each lock, `prefix:lock:KEY`, which ends by Redis's
 * own clock. Each move is one script, so that nothing comes in between.
 *
 * The fence is Redis's time in microseconds, or one more than the last that was
 * given: it grows also when a server has lost its data, as long as its clock does.
 * What a lost answer did is unknown; the same holder asks again and is given its lock.
 */
import { RedisClient } from "bun";
import type { JobLog, LockContention, LockHandle, Locks } from "../../../sdk/typescript/qntx.ts";
import { RELEASE, RENEW, TAKE } from "./scripts.ts";

export interface RedisLocksOptions {
  url: string;
  prefix: string;
  log: JobLog;
}

const CONNECT_MS = 2_000;
const ANSWER_MS = 4_000; // A server that takes longer is stuck; the host waits a second more.
const TOKEN_BYTES = 16;

export class RedisLocks implements Locks {
  readonly #options: RedisLocksOptions;
  /** Host and port, without what the url may hold of secrets. */
  readonly #where: string;
  #client: RedisClient | null = null;
  /** While a connection is opened, everybody waits for that one. */
  #connecting: Promise<RedisClient> | null = null;

  /** Opens nothing yet. Throws when the url is none. */
  constructor(options: RedisLocksOptions) {
    this.#options = options;
    this.#where = whereOf(options.url);
  }

  async tryLock({
    key,
    ttlMs,
    holder,
  }: {
    key: string;
    ttlMs: number;
    holder: string;
  }): Promise<LockHandle | LockContention> {
    const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_BYTES))).toString("base64url");
    const answer = await this.#run(TAKE, [this.#lock(key), this.#fence], [secret, holder, ttlMs]);
    const [taken, first, second] = Array.isArray(answer) ? answer : [];
    if (taken === 1) return { token: `${secret}.${key}`, fence: Number(first) };
    return { holder: String(first), leftMs: Number(second) };
  }

  async renew(token: string, ttlMs: number): Promise<boolean> {
    const { key, secret } = partsOf(token);
    return (await this.#run(RENEW, [this.#lock(key)], [secret, ttlMs])) === 1;
  }

  async release(token: string): Promise<boolean> {
    const { key, secret } = partsOf(token);
    return (await this.#run(RELEASE, [this.#lock(key)], [secret])) === 1;
  }

  /** Lets go of the connection; the next question opens another. */
  close(): void {
    this.#client?.close();
    this.#client = null;
  }

  #lock(key: string): string {
    return `${this.#options.prefix}:lock:${key}`;
  }

  get #fence(): string {
    return `${this.#options.prefix}:fence`;
  }

  async #run(script: string, keys: string[], values: (string | number)[]): Promise<unknown> {
    const client = this.#client?.connected ? this.#client : await this.#connection();
    const words = [script, String(keys.length), ...keys, ...values.map(String)];
    try {
      return await answeredWithin(ANSWER_MS, client.send("EVAL", words));
    } catch (error) {
      // Redis itself said no: the connection is well.
      if (codeOf(error) !== "ERR_REDIS_SERVER_ERROR" && this.#client === client) this.close();
      throw this.#trouble(error);
    }
  }

  #connection(): Promise<RedisClient> {
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = null));
    return this.#connecting;
  }

  async #connect(): Promise<RedisClient> {
    this.close();
    const client = new RedisClient(this.#options.url, {
      connectionTimeout: CONNECT_MS,
      autoReconnect: false, // It gives up for ever after some tries; each question tries anew.
      enableOfflineQueue: false, // A question that waits for a connection is answered too late.
    });
    try {
      await client.connect();
      await this.#checkServer(client);
    } catch (error) {
      client.close();
      throw this.#trouble(error);
    }
    this.#client = client;
    return client;
  }

  /** Refuses a server that would throw locks away while they are held, and tells of one that forgets them when it ends. */
  async #checkServer(client: RedisClient): Promise<void> {
    const [memory, persistence] = await answeredWithin(
      ANSWER_MS,
      Promise.all([client.send("INFO", ["memory"]), client.send("INFO", ["persistence"])]),
    );
    const policy = /^maxmemory_policy:(\S+)/m.exec(String(memory))?.[1] ?? "noeviction";
    if (!/^maxmemory:0\s/m.test(String(memory)) && policy !== "noeviction")
      throw new Error(`it evicts keys (maxmemory-policy ${policy}), and so locks; set it to noeviction`);
    if (/^aof_enabled:0/m.test(String(persistence))) {
      this.#options.log.warn(
        `Redis at ${this.#where} keeps no append-only file: when it ends, it forgets locks, and what they protect may run twice`,
      );
    }
  }

  #trouble(error: unknown): Error {
    const text = error instanceof Error ? error.message : String(error);
    return new Error(`Redis at ${this.#where}: ${text}`, { cause: error });
  }
}

/** Host and port of the url, or its path. Throws a sentence that does not repeat what may be a password. */
function whereOf(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    if (!PROTOCOLS.includes(protocol)) throw new Error();
    return protocol.endsWith("unix:") ? pathname : host;
  } catch {
    throw new Error(
      `[redis-lock] url is not the address of a Redis server; write it like ${EXAMPLE}, with one of ${PROTOCOLS.join(" ")}`,
    );
  }
}

const EXAMPLE = "redis://user:password@redis.internal:6379/0";
const PROTOCOLS = [
  "redis:",
  "rediss:",
  "valkey:",
  "valkeys:",
  "redis+tls:",
  "redis+unix:",
  "redis+tls+unix:",
];

/** A token is the secret and its key: Redis finds the lock by it, and compares the secret. */
function partsOf(token: string): { secret: string; key: string } {
  const dot = token.indexOf(".");
  return { secret: token.slice(0, Math.max(0, dot)), key: token.slice(dot + 1) };
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function answeredWithin<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
