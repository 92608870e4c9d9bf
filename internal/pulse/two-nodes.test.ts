/**
 * Two nodes with stores of their own and one lock provider, in a world that goes wrong:
 * answers are late, lost before or after the lock was given, nodes sleep and come back.
 * Real stores and real lockers, on a clock that the test moves; every seed is a world.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv, seededRandom } from "../base/fake-env.ts";
import type { Millis } from "../base/env.ts";
import { silentLog } from "../base/log.ts";
import { pick } from "../schedule/expressions.ts";
import {
  FIRED_OUTCOMES,
  MISSED_POLICIES,
  type Occurrence,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
} from "../schedule/schedule.ts";
import type { LockAnswer, LockProvider, LockWish } from "../store/locks.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { COMPLETED, end, newSchedule } from "../store/storetest/fixture.ts";
import { ClockGuard } from "./clock-guard.ts";
import { Locker } from "./locker.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const WORLDS = 8;
const STEPS = 150;
const CALM_STEPS = 40;
const EVERY_MS = [5 * SECOND, 20 * SECOND, 90 * SECOND];

/** A lock table that knows who ever had what, behind a line that loses things. */
class LockTable implements Pick<LockProvider, "tryLock"> {
  readonly #env: FakeEnv;
  readonly #random: () => number;
  readonly #held = new Map<string, { holder: string; until: Millis }>();
  #fence = 0;
  /** The share of questions that go wrong; 1 while it is away. */
  trouble = 0;
  /** Keys that a second holder was given while the first could still have run: must stay empty. */
  readonly doubles: string[] = [];

  constructor(env: FakeEnv, random: () => number) {
    this.#env = env;
    this.#random = random;
  }

  holderOf(key: string): string | undefined {
    return this.#held.get(key)?.holder;
  }

  async tryLock({ key, ttlMs, holder }: LockWish): Promise<LockAnswer> {
    await this.#way();
    if (this.#fails()) throw new Error("the question was lost");
    const now = this.#env.now();
    const before = this.#held.get(key);
    if (before && before.holder !== holder && before.until > now) {
      return { contention: { holder: before.holder, leftMs: before.until - now } };
    }
    if (before && before.holder !== holder) this.doubles.push(key);
    this.#held.set(key, { holder, until: now + ttlMs });
    await this.#way();
    if (this.#fails()) throw new Error("the answer was lost");
    return { handle: { token: key, fence: ++this.#fence } };
  }

  #fails(): boolean {
    return this.#random() < this.trouble;
  }

  #way(): Promise<void> {
    const ms = this.#random() < 0.1 ? this.#random() * 4 * SECOND : this.#random() * 20;
    return new Promise((resolve) => void this.#env.after(ms, resolve));
  }
}

/** One host: it ticks, asks for locks and runs jobs, while it is awake. */
class Node {
  readonly store: SqliteStore;
  readonly #env: FakeEnv;
  readonly #table: LockTable;
  #stop: AbortController | null = null;
  #ended: Promise<void> = Promise.resolve();

  constructor(env: FakeEnv, table: LockTable) {
    this.#env = env;
    this.#table = table;
    const db = new Database(":memory:", { strict: true });
    migrate(db);
    this.store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test", locksBy: { plugin: "t" } });
  }

  get isAwake(): boolean {
    return this.#stop !== null;
  }

  wake(): void {
    const stop = new AbortController();
    const { schedules, events, nodes } = this.store;
    const locker = new Locker({
      env: this.#env,
      log: silentLog,
      schedules,
      events,
      nodeId: nodes.id,
      clock: new ClockGuard(this.#env, null),
      name: "t",
      provider: this.#table,
      ready: async () => {},
      onFired: () => {},
    });
    this.#stop = stop;
    this.#ended = locker.run({ stop: stop.signal, abort: stop.signal });
  }

  /** Its locker ends once the answers that are on their way are recorded. */
  async sleep(): Promise<void> {
    this.#stop?.abort();
    this.#stop = null;
    const locker = { runs: true };
    void this.#ended.then(() => (locker.runs = false));
    while (locker.runs) await this.#env.advance(SECOND);
  }

  async tick(random: () => number): Promise<void> {
    if (!this.isAwake) return;
    const { schedules, jobs, nodes } = this.store;
    await schedules.fire({ nodeId: nodes.id, limit: 100 });
    await jobs.promote(100);
    for (const job of await jobs.claim({ bootId: nodes.id, lanes: [{ lane: "test.work", limit: 100 }] })) {
      this.#env.after(random() * 30 * SECOND, () => void end(this.store, this.#env, job, COMPLETED));
    }
  }

  /** Rows of a schedule, by the instants that they cover. */
  async ledger(id: string, everyMs: Millis): Promise<Map<Millis, Occurrence[]>> {
    const rows: Occurrence[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await this.store.schedules.ledger(id, {}, { limit: 1_000, cursor });
      rows.push(...page.items);
      cursor = page.cursor;
    }
    const spread = rows.flatMap((row) =>
      Array.from({ length: row.count }, (_, index) => ({ at: row.occurrence + index * everyMs, row })),
    );
    return new Map(
      [...Map.groupBy(spread, ({ at }) => at)].map(([at, list]) => [at, list.map(({ row }) => row)]),
    );
  }
}

function randomPolicy(random: () => number): Policy {
  return {
    ...POLICY_DEFAULT,
    overlap: pick(random, OVERLAP_POLICIES),
    missed: pick(random, MISSED_POLICIES),
    missedMax: 1 + Math.floor(random() * 4),
    ...(random() < 0.3 && { latenessMaxMs: 2 * MINUTE, missedWindowMs: 2 * MINUTE }),
  };
}

/** Lives through one world, and gives what is wrong at its end. */
async function live(seed: number): Promise<{ wrong: string[]; runs: number; others: number }> {
  const random = seededRandom(seed);
  const env = new FakeEnv({ seed });
  const table = new LockTable(env, random);
  const nodes = [new Node(env, table), new Node(env, table)];
  const plans = EVERY_MS.map((everyMs, index) => ({
    name: `s${index}`,
    everyMs,
    policy: randomPolicy(random),
  }));
  const ids = new Map<string, string>();
  for (const node of nodes) {
    for (const { name, everyMs, policy } of plans) {
      const schedule = newSchedule(env, { name, policy, spec: { kind: "every", everyMs } });
      await node.store.schedules.create(schedule);
      ids.set(`${nodes.indexOf(node)} ${name}`, schedule.id);
    }
    node.wake();
  }

  for (let step = 0; step < STEPS + CALM_STEPS; step++) {
    const calm = step >= STEPS;
    if (random() < 0.05 || calm) table.trouble = calm ? 0 : pick(random, [0, 0, 0.3, 1]);
    for (const node of nodes) {
      if (node.isAwake && !calm && random() < 0.04) await node.sleep();
      else if (!node.isAwake && (calm || random() < 0.1)) node.wake();
      await node.tick(random);
    }
    await env.advance(random() < 0.02 && !calm ? random() * 3 * MINUTE : 1 + random() * 6 * SECOND);
  }
  for (const node of nodes) await node.tick(random);
  await env.advance(10 * SECOND);
  const report = await judge();
  for (const node of nodes) await node.sleep();
  for (const node of nodes) await node.store.close();
  return report;

  async function judge() {
    const wrong = table.doubles.map((key) => `${key} had two holders`);
    let [runs, others] = [0, 0];
    for (const { name, everyMs } of plans) {
      const ledgers = await Promise.all(
        nodes.map((node, index) => node.ledger(ids.get(`${index} ${name}`) ?? "", everyMs)),
      );
      const instants = new Set(ledgers.flatMap((ledger) => [...ledger.keys()]));
      for (const at of [...instants].toSorted((a, b) => a - b)) {
        const rows = ledgers.map((ledger) => ledger.get(at) ?? []);
        const said = rows
          .map((list) => list.map(({ outcome }) => outcome).join("+") || "nothing")
          .join(" and ");
        const outcomes = rows.flatMap((list) => list.map(({ outcome }) => outcome));
        const fired = outcomes.filter((outcome) => FIRED_OUTCOMES.includes(outcome));
        runs += fired.length;
        others += outcomes.filter((outcome) => outcome === "other-node").length;
        const what = `${name}@${new Date(at).toISOString()}: ${said}`;
        if (fired.length > 1) wrong.push(`twice: ${what}`);
        if (rows.some((list) => list.length > 1)) wrong.push(`two rows: ${what}`);
        if (outcomes.every((outcome) => outcome === "other-node")) wrong.push(`nobody's: ${what}`);
        const isOver = at < env.now() - 30 * SECOND;
        if (isOver && rows.some((list) => list.length === 0)) wrong.push(`gap: ${what}`);
        if (isOver && rows.flat().some(({ lockKey }) => lockKey !== null)) wrong.push(`still asks: ${what}`);
      }
      for (const [index, ledger] of ledgers.entries()) {
        const nodeId = nodes[index]?.store.nodes.id ?? "";
        for (const [at, list] of ledger) {
          const key = `schedule//person:operator/${name}/${new Date(at).toISOString()}`;
          const ran = list.some(({ outcome }) => FIRED_OUTCOMES.includes(outcome));
          if (ran && table.holderOf(key) !== nodeId) wrong.push(`without its lock: ${key}`);
        }
      }
    }
    return { wrong, runs, others };
  }
}

test(`in ${WORLDS} worlds that go wrong no occurrence runs twice, runs without its lock, is nobody's, or is forgotten`, async () => {
  let [runs, others] = [0, 0];
  for (let seed = 1; seed <= WORLDS; seed++) {
    const report = await live(seed);
    expect(report.wrong, `seed ${seed}`).toEqual([]);
    runs += report.runs;
    others += report.others;
  }
  // It was tried in earnest.
  expect(runs).toBeGreaterThan(WORLDS * 50);
  expect(others).toBeGreaterThan(WORLDS * 50);
}, 120_000);
