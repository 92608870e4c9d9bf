/**
 * Waiting: some minutes of jobs in line on a real store and worker, with all that keeps
 * jobs in line: budgets, rates, keys, pauses, few slots, and a plugin that is not there.
 * Again and again everybody stands still, and each job in line is asked why it waits:
 * that reason must be true at that moment, by a count of our own, and there must be
 * one. No job may start on a budget that is used up.
 */
import { Database } from "bun:sqlite";
import { BUDGET_LIMITS } from "../../internal/base/budget.ts";
import { FakeEnv, seededRandom } from "../../internal/base/fake-env.ts";
import { sleep } from "../../internal/base/env.ts";
import { silentLog } from "../../internal/base/log.ts";
import { pick } from "../../internal/schedule/expressions.ts";
import type { Context, Host } from "../../internal/operations/operation.ts";
import { callOperation } from "../../internal/operations/run.ts";
import { Pulse } from "../../internal/pulse/pulse.ts";
import { migrate } from "../../internal/store/sqlite/migrate.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";

const SECOND = 1_000;
const STEPS = 60; // Of a line's life: five minutes or so, in which a budget of a minute opens some times.
const TURNS = 12; // In which everybody has done what is to be done at this moment.
const RATE_GAP_MS = 5_000; // Between two starts of the handler that has a rate.

/** How many jobs each plugin runs at once. */
const SLOTS = { p: 3, q: 2 } as const;
const HANDLERS = ["p.a", "p.b", "q.c", "ghost.x"] as const;
const HANDLERS_ASKED = [...HANDLERS, "p.a", "p.a"] as const; // Most wait with others.
const TENANTS = ["", "acme"] as const;
const SCOPES = ["tenant:acme", "plugin:p", "handler:acme@p.a", "handler:q.c"] as const;

/** What a mutant does to the world before it begins. */
export interface Sabotage {
  database?: (db: Database) => void;
  store?: (store: SqliteStore) => void;
}

interface Start {
  handler: string;
  plugin: string;
  tenant: string;
  at: number;
  estimate: number;
  /** Null while it runs. */
  ended: { at: number; cost: number } | null;
}

interface Amounts {
  callsPerMinute?: number;
  costPerDay?: number;
}

interface Shown {
  id: string;
  handler: string;
  waiting: string | null;
  concurrencyKey: string | null;
}

class Line {
  readonly env: FakeEnv;
  readonly random: () => number;
  readonly store: SqliteStore;
  readonly wrong: string[] = [];
  readonly #pulse: Pulse;
  readonly #starts: Start[] = [];
  readonly #budgets = new Map<string, Amounts & { since: number }>();
  readonly #paused = new Set<string>();
  /** When the next job starts, as the last one in line was told. */
  #announced = 0;

  constructor(seed: number, sabotage?: Sabotage) {
    this.random = seededRandom(seed);
    this.env = new FakeEnv({ seed });
    const db = new Database(":memory:", { strict: true });
    migrate(db);
    sabotage?.database?.(db);
    this.store = new SqliteStore(this.env, { db, logPath: ":memory:", tzdata: "proof" });
    sabotage?.store?.(this.store);
    const { env, store } = this;
    this.#pulse = new Pulse({
      env,
      log: silentLog,
      store,
      nodeId: store.nodes.id,
      version: "0",
      napMs: SECOND,
      jobsMax: 1_000,
    });
    this.#register();
  }

  #register(): void {
    const none = { timeoutMs: 600 * SECOND, maxAttempts: null, concurrency: null, description: "" };
    const limits = { "p.b": { rate: { count: 2, perMs: 2 * RATE_GAP_MS }, burst: 1 } };
    for (const [word, concurrency] of Object.entries(SLOTS)) {
      const names = HANDLERS.filter((name) => name.startsWith(`${word}.`));
      for (const tenant of TENANTS) {
        const plugin = `${word}${tenant}`; // Each tenant has an install of its own.
        const executor = {
          plugin,
          tenant,
          version: "1",
          concurrency,
          execute: (attempt: { job: { handler: string; tenant: string; costEstimate: number } }) =>
            this.#run(plugin, attempt.job),
          replace() {},
        };
        const handlers = names.map((name) => ({ ...none, name, ...(name === "p.b" ? limits["p.b"] : {}) }));
        this.#pulse.registry.register([{ executor, handlers }]);
      }
    }
  }

  async #run(
    plugin: string,
    { handler, tenant, costEstimate: estimate }: Pick<Start, "handler" | "tenant"> & { costEstimate: number },
  ) {
    const start: Start = { handler, plugin, tenant, at: this.env.now(), estimate, ended: null };
    for (const scope of this.#budgets.keys())
      if (concerns(scope, start) && this.#isClosed(scope, start.at, "surely"))
        this.wrong.push(`a job of ${handler} started at ${start.at}, and ${scope} was used up`);
    this.#starts.push(start);
    await sleep(this.env, Math.floor(this.random() * 20 * SECOND));
    const cost = pick(this.random, [0, 0, 1, 3]);
    start.ended = { at: this.env.now(), cost };
    return { kind: "completed" as const, result: null, cost };
  }

  /** Lives for its steps. */
  async live(): Promise<void> {
    const stop = new AbortController();
    const signals = { stop: stop.signal, abort: stop.signal };
    const running = Promise.all(
      [...this.#pulse.early, this.#pulse.worker].map((service) => service.run(signals)),
    );
    for (let step = 0; step < STEPS && this.wrong.length === 0; step++) {
      await this.#happen();
      await this.env.advance(this.#stepMs());
      for (let turn = 0; turn < TURNS; turn++) await this.env.advance(0);
      await this.#judge();
    }
    stop.abort();
    await this.env.advance(60 * SECOND);
    await running;
    await this.store.close();
  }

  /** Some seconds, or until the very moment that was announced last. */
  #stepMs(): number {
    const announced = this.#announced - this.env.now();
    if (announced > 0 && announced < 90 * SECOND && this.random() < 0.4) return announced;
    return Math.floor(this.random() ** 3 * 20 * SECOND);
  }

  /** What people and plugins do now and then. */
  async #happen(): Promise<void> {
    const dice = this.random();
    if (dice < 0.5) return this.#enqueue();
    if (dice < 0.6) return this.#setBudget();
    if (dice < 0.65) {
      const [scope] = this.#budgets.keys();
      if (scope === undefined) return;
      this.#budgets.delete(scope);
      return this.#ask("budget.unset", { scope });
    }
    if (dice < 0.8) {
      const handler = pick(this.random, ["p.a", "p.b", "q.c"]);
      const isPaused = this.#paused.delete(handler);
      if (!isPaused) this.#paused.add(handler);
      return this.#ask(isPaused ? "handler.resume" : "handler.pause", { name: handler });
    }
  }

  #enqueue(): Promise<void> {
    const jobs = Array.from({ length: 1 + Math.floor(this.random() * 4) }, () => {
      const tenant = pick(this.random, TENANTS);
      const handler = pick(this.random, HANDLERS_ASKED);
      return {
        handler: tenant === "" ? handler : `${tenant}@${handler}`,
        ...(this.random() < 0.3 && { concurrencyKey: pick(this.random, ["k", "l"]) }),
        ...(this.random() < 0.3 && { costEstimate: pick(this.random, [1, 4]) }),
      };
    });
    return this.#ask("job.enqueueMany", { jobs });
  }

  #setBudget(): Promise<void> {
    const scope = pick(this.random, SCOPES);
    if (this.#budgets.has(scope)) return Promise.resolve();
    const amounts = pick<Amounts>(this.random, [
      { callsPerMinute: 1 + Math.floor(this.random() * 4) },
      { costPerDay: 1 + Math.floor(this.random() * 8) },
      { callsPerMinute: 3, costPerDay: 6 },
    ]);
    this.#budgets.set(scope, { ...amounts, since: this.env.now() });
    return this.#ask("budget.set", { scope, ...amounts });
  }

  /** Everybody in line has a reason, and it is true. */
  async #judge(): Promise<void> {
    const { jobs } = await this.#call<{ jobs: Shown[] }>("job.list", { state: "queued", limit: 1_000 });
    for (const job of jobs) {
      this.#announced = Date.parse(/starts at ([^\s,]+)/.exec(job.waiting ?? "")?.[1] ?? "") || 0;
      const complaint = this.#complaint(job, jobs);
      if (complaint)
        this.wrong.push(`at ${this.env.now()}: ${job.id} of ${job.handler}: "${job.waiting}": ${complaint}`);
    }
  }

  #complaint(job: Shown, line: readonly Shown[]): string | null {
    const { waiting } = job;
    const handler = job.handler.replace(/^.*@/, "");
    const tenant = job.handler.includes("@") ? "acme" : "";
    const word = handler.split(".")[0] ?? "";
    const plugin = `${word}${tenant}`;
    if (waiting === null) return "there is no reason";
    if (waiting.startsWith("the handler is paused"))
      return this.#paused.has(handler) ? null : "it is not paused";
    if (waiting.startsWith("no plugin offers")) return word === "ghost" ? null : "a plugin does";
    if (waiting.startsWith("budget: ")) return this.#budgetComplaint(waiting, { handler, tenant, plugin });
    if (waiting.startsWith("rate: ")) return this.#rateComplaint(waiting, { handler, tenant });
    if (waiting.startsWith("concurrency: ")) {
      const others = line.filter(
        ({ id, handler: of, concurrencyKey }) =>
          id !== job.id && of === job.handler && concurrencyKey === job.concurrencyKey,
      );
      const running = this.#starts.some(
        (start) => !start.ended && start.handler === handler && start.tenant === tenant,
      );
      return others.length > 0 || running ? null : "nobody else has its key";
    }
    if (waiting !== "waits for a free slot") return "that is no reason that we know";
    const taken = this.#starts.filter((start) => !start.ended && start.plugin === plugin).length;
    const slots = Object.entries(SLOTS).find(([name]) => name === word)?.[1] ?? 0;
    return taken >= slots ? null : `${taken} of ${slots} slots of ${plugin} are taken`;
  }

  #budgetComplaint(waiting: string, of: Pick<Start, "handler" | "tenant" | "plugin">): string | null {
    const [, scope = ""] = /^budget: (\S+) has /.exec(waiting) ?? [];
    const now = this.env.now();
    if (!this.#budgets.has(scope)) return "there is no such budget";
    if (!concerns(scope, of)) return "that budget is somebody else's";
    if (!this.#isClosed(scope, now, "perhaps")) return "something is left of it";
    const [, at] = /the next one starts at ([^\s,]+)/.exec(waiting) ?? [];
    if (at === undefined)
      return this.#starts.some((start) => !start.ended && concerns(scope, start))
        ? null
        : "nobody runs whose end could help";
    const opensAt = Date.parse(at);
    if (opensAt <= now) return "that moment is over";
    if (this.#isClosed(scope, opensAt, "surely")) return "at that moment it is used up still";
    const maySooner = waiting.endsWith("or when one of those that run has cost less than is reserved");
    if (maySooner)
      return this.#starts.some((start) => !start.ended && start.estimate > 0 && concerns(scope, start))
        ? null
        : "nothing is reserved";
    return this.#isClosed(scope, opensAt - 1, "perhaps") ? null : "something is left of it before that";
  }

  #rateComplaint(waiting: string, { handler, tenant }: Pick<Start, "handler" | "tenant">): string | null {
    const ofIt = this.#starts.filter((start) => start.handler === handler && start.tenant === tenant);
    const last = Math.max(0, ...ofIt.map(({ at }) => at));
    const opensAt = last + RATE_GAP_MS;
    const [, at = ""] = /the next one starts at (\S+)$/.exec(waiting) ?? [];
    if (handler !== "p.b") return "it has no rate";
    if (opensAt <= this.env.now()) return "the rate lets one start";
    return Math.abs(Date.parse(at) - opensAt) <= 2 ? null : `that is ${new Date(opensAt).toISOString()}`;
  }

  /** Whether nothing is left of a budget at a moment from now on: surely, or perhaps, for a step may still count that has left its window. */
  #isClosed(scope: string, at: number, how: "surely" | "perhaps"): boolean {
    const budget = this.#budgets.get(scope);
    if (!budget) return false;
    // What started in the moment in which it was set, or before and under an older one, may count or not.
    const counts = ({ at: started, ended }: Start) =>
      how === "surely" ? started > budget.since : started >= budget.since || (ended?.at ?? 0) >= budget.since;
    const ofIt = this.#starts.filter((start) => counts(start) && concerns(scope, start));
    for (const limit of ["callsPerMinute", "costPerDay"] as const) {
      const amount = budget[limit];
      if (amount === undefined) continue;
      const { counts: unit, windowMs, stepMs } = BUDGET_LIMITS[limit];
      const from = at - windowMs - (how === "perhaps" ? stepMs : 0);
      const now = this.env.now();
      const used = ofIt.map((start) => {
        if (unit === "calls") return start.at > from ? 1 : 0;
        if (!start.ended) return at > now ? 0 : start.estimate;
        // What ended at this very moment may have been looked at before or after it.
        if (start.ended.at === now && how === "surely") return Math.min(start.estimate, start.ended.cost);
        return start.ended.at > from ? start.ended.cost : 0;
      });
      if (used.reduce((sum, one) => sum + one, 0) >= amount) return true;
    }
    return false;
  }

  async #ask(operation: string, input: object): Promise<void> {
    await this.#call(operation, input);
  }

  /** Calls an operation, and lets time stand still until it has answered. */
  async #call<T>(operation: string, input: object): Promise<T> {
    const answered = new AbortController();
    const answer = callOperation(this.#context(), operation, input).finally(() => answered.abort());
    answer.catch(() => {}); // It is waited for below, and time must go on until then.
    while (!answered.signal.aborted) await this.env.advance(0);
    return (await answer) as T;
  }

  #context(): Context {
    const { env, store } = this;
    const pulse = this.#pulse;
    const host = {
      ready: true,
      clock: { suspicion: null },
      jobsAdded: (lanes: Iterable<string>) => pulse.jobsAdded(lanes),
      jobsDelayed: () => pulse.jobsDelayed(),
      plugins: {
        offers(lane: string) {
          const [, tenant = "", word = ""] = /^(?:(.+)@)?([^.]+)/.exec(lane) ?? [];
          return word in SLOTS ? { plugin: `${word}${tenant}`, live: true } : null;
        },
        statuses: () => [],
      },
    } as unknown as Host;
    return {
      env,
      log: silentLog,
      store,
      principal: { kind: "operator", name: "operator" },
      host,
      home: "/nowhere",
    };
  }
}

function concerns(
  scope: string,
  { handler, tenant, plugin }: Pick<Start, "handler" | "tenant" | "plugin">,
): boolean {
  const named = tenant === "" ? handler : `${tenant}@${handler}`; // Each tenant's is a handler of its own.
  return [`tenant:${tenant}`, `plugin:${plugin}`, `handler:${named}`].includes(scope);
}

/** Lives once. Says what was wrong; null when nothing was. */
export async function standInLine(seed: number, sabotage?: Sabotage): Promise<string | null> {
  const line = new Line(seed, sabotage);
  await line.live();
  const [first] = line.wrong;
  return first === undefined ? null : `seed ${seed}: ${first}`;
}
