/**
 * SimHost: one incarnation of a host, from its start to its end. It puts the real
 * store and the real Pulse together as `serve` does, on a clock, a database and
 * plugins that the world gives it.
 *
 * Killed, it is gone between two instructions: an open transaction is rolled back,
 * its timers never fire, and whatever it still calls on its way out throws.
 */
import { drainMicrotasks } from "bun:jsc";
import type { Database, Statement } from "bun:sqlite";
import type { Millis } from "../../internal/base/env.ts";
import { messageOf } from "../../internal/base/fault.ts";
import { aborted, runTogether, type Service } from "../../internal/base/lifecycle.ts";
import type { Log, LogFields } from "../../internal/base/log.ts";
import { Pulse } from "../../internal/pulse/pulse.ts";
import type { JobRetention, RetentionTimes } from "../../internal/pulse/retention.ts";
import type { HandlerLimits } from "../../internal/store/limits.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";
import { databaseFor, type Door, type StatementKind } from "./database.ts";
import { LOCK_PLUGIN, type LockServer } from "./locks.ts";
import type { Mutant } from "./mutant.ts";
import { SimPlugins } from "./plugins.ts";
import type { Scene } from "./scene.ts";
import { SimEnv } from "./sim-env.ts";
import { Killed, type Owner } from "./world.ts";
import { Dice } from "./dice.ts";

const NAP_MS = 1_000; // As the default configuration has it.
/** Short, so that it is met within a world; hours pass where hosts are away. */
export const RETENTION: RetentionTimes & { jobs: JobRetention } = {
  jobs: { completedMs: 90_000, completedMax: 60, failedMs: 120_000, failedMax: 1_000 },
  ledgerMs: 60_000,
  auditMs: 60_000,
  eventsMs: 60_000,
};

const GRACE_MS = 10_000; // Jobs may take this long to end by themselves.
const END_WITHIN_MS = GRACE_MS + 20_000; // Grace, cancellation, its grace, draining, and some.

/** What a host says that ends on a disk that stays full. */
const GAVE_UP = "how jobs ended could not be written";

/** Errors that are the world's doing. */
const INJECTED = /injected|disk is full|\bclock\b/; // Of clocks, only what is set by days is an error.

export interface HostOptions {
  scene: Scene;
  db: Database;
  jobsMax: number;
  mutant: Mutant | null;
  number: number;
  seed: number;
  /** Told that it has ended by itself, orderly or not. */
  onEnd(host: SimHost): void;
}

export class SimHost implements Owner, Door {
  readonly number: number;
  readonly store: SqliteStore;
  readonly pulse: Pulse;
  readonly plugins: SimPlugins;
  readonly startedAt: Millis;
  readonly env: SimEnv;
  readonly #options: HostOptions;
  readonly #quit = new AbortController();
  readonly #hurry = new AbortController();
  readonly #statements: Statement[] = [];
  #alive = true;
  #frozenUntil: Millis = 0;
  #gaveUp = false;

  constructor(options: HostOptions) {
    const { scene, db, mutant, number, seed, jobsMax } = options;
    this.number = number;
    this.#options = options;
    this.startedAt = scene.world.time;
    const env = (this.env = new SimEnv(scene.world, this, new Dice(seed, `host ${number}`)));
    const sabotage = mutant?.sabotage?.(env) ?? null;
    this.store = new SqliteStore(env, {
      db: databaseFor(db, this, sabotage),
      logPath: ":memory:",
      tzdata: scene.swarm.newZoneData ? `sim ${number}` : "sim",
      locksBy: scene.locks ? { plugin: LOCK_PLUGIN } : "store",
    });
    sabotage?.checkApplied?.();
    mutant?.store?.(this.store);
    this.pulse = new Pulse({
      env,
      lastSeenAt: this.#lastSeenAt(),
      log: this.#log(),
      store: this.store,
      nodeId: this.store.nodes.id,
      version: "1",
      napMs: NAP_MS,
      retention: RETENTION,
      limits: { configured: [], known: this.#knownLimits() },
      jobsMax,
      ...(scene.locks && { locks: this.#locks(scene.locks) }),
    });
    mutant?.pulse?.(this.pulse);
    const onChange = () => this.pulse.jobsAdded();
    const { registry } = this.pulse;
    this.plugins = new SimPlugins({ scene, host: this, env, log: this.#log(), registry, onChange });
    void this.#run(env);
  }

  get alive(): boolean {
    return this.#alive;
  }

  get frozenUntil(): Millis {
    return this.#frozenUntil;
  }

  /** True once it has said that it ends without what it could not write; those jobs are still its own then. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  get isStopping(): boolean {
    return this.#quit.signal.aborted;
  }

  /** Stops its event loop for a while: a debugger, a swap storm, SIGSTOP and SIGCONT. */
  freeze(forMs: Millis): void {
    const { world } = this.#options.scene;
    world.note(`host ${this.number} is frozen for ${forMs} ms`);
    this.#frozenUntil = world.time + forMs;
    world.trouble(forMs);
  }

  /** Asks it to end in order. */
  stop(hurryAfterMs: Millis | null): void {
    const { world } = this.#options.scene;
    const askedAt = world.time;
    world.note(`host ${this.number} is asked to stop`);
    this.#quit.abort();
    if (hurryAfterMs !== null) world.later(hurryAfterMs, "hurry", () => this.#hurry.abort(), this);
    world.later(END_WITHIN_MS, "must have ended", () => this.#mustHaveEnded(askedAt), this);
  }

  /** kill -9. */
  kill(why: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    const { scene, db } = this.#options;
    scene.world.note(`host ${this.number} is killed ${why}`);
    if (db.inTransaction) db.run("ROLLBACK");
    scene.hostDied();
    this.#options.onEnd(this);
  }

  /** Lets go of it after the world has ended: a signal that somebody waits for is never collected, and all that waits with it. */
  dispose(): void {
    this.#alive = false;
    this.#quit.abort();
    this.#hurry.abort();
    for (const statement of this.#statements) statement.finalize();
  }

  prepared(statement: Statement): void {
    this.#statements.push(statement);
  }

  before(kind: StatementKind): void {
    if (!this.#alive) throw new Killed("the host is dead");
    const { dice, swarm, calm, world } = this.#options.scene;
    if (calm || kind === "read" || kind === "rollback") return;
    if (dice.faults.chance(swarm.killInside)) this.crash(`before a ${kind}`);
    if (kind === "savepoint" || !dice.faults.chance(swarm.throwInside)) return;
    world.note(`a ${kind} of host ${this.number} fails`);
    world.trouble();
    const undone = kind !== "begin" && dice.faults.chance(0.5);
    if (undone && this.#options.db.inTransaction) this.#options.db.run("ROLLBACK");
    throw injected(undone);
  }

  after(kind: StatementKind): void {
    const { dice, swarm, calm } = this.#options.scene;
    if (!calm && kind === "commit" && dice.faults.chance(swarm.killAfterCommit)) this.crash("after a commit");
  }

  crash(why: string): never {
    this.kill(why);
    throw new Killed(why);
  }

  #locks(server: LockServer) {
    return { name: LOCK_PLUGIN, provider: server.providerFor(this), ready: () => this.plugins.settled };
  }

  #knownLimits(): HandlerLimits[] {
    const known: HandlerLimits[] = [];
    void this.store.limits.all().then((limits) => known.push(...limits));
    drainMicrotasks();
    return known;
  }

  #lastSeenAt(): Millis | null {
    let seen: Millis | null = null;
    void this.store.nodes.lastSeenAt().then((at) => (seen = at));
    drainMicrotasks(); // It reads at once; a start is an event of its own.
    return seen;
  }

  async #run(env: SimEnv): Promise<void> {
    const { early, worker } = this.pulse;
    const services = [...early, this.plugins, this.#whenSettled(worker)];
    const signals = { quit: this.#quit.signal, hurry: this.#hurry.signal };
    let failure: string | null = null;
    try {
      await runTogether(env, services, signals, GRACE_MS);
    } catch (error) {
      failure = messageOf(error);
    }
    if (this.#alive) await this.#close(failure);
  }

  async #close(failure: string | null): Promise<void> {
    const { scene } = this.#options;
    if (failure !== null && !INJECTED.test(failure))
      scene.world.violate("I8", `host ${this.number} ended: ${failure}`);
    if (failure === null && !this.isStopping) scene.world.violate("I8", `host ${this.number} ended unasked`);
    try {
      await this.store.close();
    } catch (error) {
      if (error instanceof Killed) return;
      throw error;
    }
    this.#alive = false;
    scene.world.note(`host ${this.number} has ended${failure === null ? "" : `: ${failure}`}`);
    scene.hostStopped(this, failure);
    scene.hostDied();
    this.#options.onEnd(this);
  }

  /** As in serve: the worker claims nothing before the first registration step. */
  #whenSettled(worker: Service): Service {
    return {
      name: worker.name,
      run: async (signals) => {
        await Promise.race([this.plugins.settled, aborted(signals.stop)]);
        if (!signals.stop.aborted) this.pulse.jobsAdded();
        await worker.run(signals);
      },
    };
  }

  #mustHaveEnded(askedAt: Millis): void {
    const { world } = this.#options.scene;
    const leftMs = Math.max(askedAt, this.#frozenUntil) + END_WITHIN_MS - world.time;
    if (leftMs > 0) world.later(leftMs, "must have ended", () => this.#mustHaveEnded(askedAt), this);
    else world.violate("I8", `host ${this.number} was asked to stop and has not ended`);
  }

  /** What the host says is noted; an error that the world did not cause is a bug. */
  #log(): Log {
    const { world } = this.#options.scene;
    const say =
      (level: string) =>
      (message: string, fields: LogFields = {}) => {
        if (!this.#alive) return;
        world.note(`${level}: ${message} ${JSON.stringify(fields)}`);
        if (message.startsWith(GAVE_UP)) this.#gaveUp = true;
        if (level === "error" && !INJECTED.test(message + JSON.stringify(fields)))
          world.violate("I8", `${message} ${JSON.stringify(fields)}`);
      };
    return { debug() {}, info: say("info"), warn: say("warn"), error: say("error") };
  }
}

/** What SQLite throws: a statement that failed, or a disk that is full and has undone everything. Bun knows its errors by their name. */
function injected(undone: boolean): Error {
  const error = new Error(undone ? "injected: the disk is full" : "injected: the disk fails");
  return Object.assign(error, {
    name: "SQLiteError",
    code: undone ? "SQLITE_FULL" : "SQLITE_IOERR_WRITE",
  });
}
