/** Holds the locker against a provider that answers, refuses, fails, hangs and comes back, on a clock that the test moves. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import type { NewEvent } from "../event/event.ts";
import type { LockAnswer, LockVerdict, LockWait, LockWish } from "../store/locks.ts";
import type { Fired } from "../store/schedules.ts";
import { ClockGuard } from "./clock-guard.ts";
import { Locker } from "./locker.ts";

const NOTHING: Fired = {
  settled: 0,
  jobs: [],
  delayed: false,
  stopped: [],
  broken: [],
  asked: 0,
  nextDueAt: null,
};
const HELD: LockAnswer = { handle: { token: "t", fence: 1 } };

/** A locker with a store that remembers, and a provider that the test answers for. */
class World implements AsyncDisposable {
  readonly env = new FakeEnv();
  readonly waits = new Map<string, LockWait>();
  readonly asked: LockWish[] = [];
  readonly verdicts: LockVerdict[] = [];
  readonly notes: string[] = [];
  readonly events: NewEvent[] = [];
  readonly locker: Locker;
  answer: (wish: LockWish) => Promise<LockAnswer> = async () => HELD;
  recording: () => Promise<void> = async () => {};
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor({ ready = async () => {} }: { ready?: () => Promise<void> } = {}) {
    const locker = new Locker({
      env: this.env,
      log: silentLog,
      schedules: {
        lockWaits: async (limit) => [...this.waits.values()].slice(0, limit),
        noteLockWaits: async (note) => void this.notes.push(note),
        lockAnswers: async (verdicts) => {
          await this.recording();
          for (const verdict of verdicts) this.waits.delete(String(verdict.occurrence));
          this.verdicts.push(...verdicts);
          return NOTHING;
        },
      },
      events: { add: async (event) => this.#keep(event) },
      nodeId: "ND_a",
      clock: new ClockGuard(this.env, null),
      name: "locks",
      provider: {
        tryLock: (wish) => {
          this.asked.push(wish);
          return this.answer(wish);
        },
      },
      ready,
      onFired: () => {},
    });
    this.locker = locker;
    const { signal } = this.#stop;
    this.#ended = locker.run({ stop: signal, abort: signal });
  }

  /** Lets occurrences wait, and tells the locker. */
  wait(...occurrences: number[]): void {
    for (const occurrence of occurrences) {
      this.waits.set(String(occurrence), {
        scheduleId: "SC_x",
        node: "",
        occurrence,
        key: `key ${occurrence}`,
        ttlMs: 1_000,
      });
    }
    this.locker.nudge();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  #keep(event: NewEvent) {
    this.events.push(event);
    return { ...event, id: "", seq: 0, at: 0 };
  }
}

test("it asks for what waits, in the name of the node, and records what is answered", async () => {
  await using world = new World();
  world.answer = async ({ key }) => (key === "key 2" ? { contention: { holder: "ND_b", leftMs: 5 } } : HELD);
  world.wait(1, 2);
  await world.env.advance(1);
  expect(world.asked).toEqual([
    { key: "key 1", ttlMs: 1_000, holder: "ND_a" },
    { key: "key 2", ttlMs: 1_000, holder: "ND_a" },
  ]);
  expect(world.verdicts.map(({ otherNode }) => otherNode)).toEqual([null, "node ND_b has its lock (locks)"]);
});

test("a lock that the provider says is held by this very node is its own: it was given, and the answer was lost", async () => {
  await using world = new World();
  world.answer = async () => ({ contention: { holder: "ND_a", leftMs: 5 } });
  world.wait(1);
  await world.env.advance(1);
  expect(world.verdicts.map(({ otherNode }) => otherNode)).toEqual([null]);
});

test("it asks nobody before the provider is ready", async () => {
  const ready = Promise.withResolvers<void>();
  await using world = new World({ ready: () => ready.promise });
  world.wait(1);
  await world.env.advance(5_000);
  expect(world.asked).toEqual([]);
  ready.resolve();
  await world.env.advance(1);
  expect(world.verdicts).toHaveLength(1);
});

test("one that is asked for is not asked for again while the answer is out, and does not hold up others", async () => {
  await using world = new World();
  const late = Promise.withResolvers<LockAnswer>();
  world.answer = ({ key }) => (key === "key 1" ? late.promise : Promise.resolve(HELD));
  world.wait(1);
  await world.env.advance(3_000);
  world.wait(2);
  await world.env.advance(1);
  expect(world.asked.map(({ key }) => key)).toEqual(["key 1", "key 2"]);
  expect(world.verdicts.map(({ occurrence }) => occurrence)).toEqual([2]);
  late.resolve(HELD);
  await world.env.advance(1);
  expect(world.verdicts.map(({ occurrence }) => occurrence)).toEqual([2, 1]);
});

test("a provider that fails is asked again, ever more seldom, and it is said once when it begins and when it is over", async () => {
  await using world = new World();
  world.answer = () => Promise.reject(new Error("Connection refused"));
  world.wait(1, 2, 3);
  await world.env.advance(60_000);
  const tries = world.asked.length;
  expect(tries).toBeGreaterThan(30);
  expect(tries).toBeLessThan(90); // Three at once, every five seconds in the end.
  expect(world.locker.trouble).toBe("Connection refused");
  expect(world.events.map(({ kind, subject }) => [kind, subject])).toEqual([["locks.failed", "locks"]]);
  expect(new Set(world.notes)).toEqual(new Set(["locks says: Connection refused"]));
  expect(world.verdicts).toEqual([]);

  world.answer = async () => HELD;
  await world.env.advance(10_000);
  expect(world.verdicts).toHaveLength(3);
  expect(world.locker.trouble).toBeNull();
  expect(world.events.map(({ kind }) => kind)).toEqual(["locks.failed", "locks.recovered"]);
});

test("while a provider fails, what comes new does not make it be asked sooner", async () => {
  await using world = new World();
  world.answer = () => Promise.reject(new Error("down"));
  world.wait(1);
  await world.env.advance(30_000);
  const before = world.asked.length;
  for (let i = 2; i < 100; i++) world.wait(i);
  await world.env.advance(1);
  expect(world.asked).toHaveLength(before);
});

test("a question that is lost now and then does not hold up the others, nor is it asked without a pause", async () => {
  await using world = new World();
  world.answer = ({ key }) => (key === "key 0" ? Promise.reject(new Error("late")) : Promise.resolve(HELD));
  for (let i = 0; i < 100; i++) {
    world.wait(i);
    await world.env.advance(100);
  }
  expect(world.verdicts).toHaveLength(99);
  const tries = world.asked.filter(({ key }) => key === "key 0").length;
  expect(tries).toBeGreaterThan(5);
  expect(tries).toBeLessThan(25);
});

test("one that fails now and then is one trouble, not many", async () => {
  await using world = new World();
  let tries = 0;
  world.answer = () => (tries++ % 3 === 0 ? Promise.reject(new Error("late")) : Promise.resolve(HELD));
  for (let i = 0; i < 60; i++) {
    world.wait(i);
    await world.env.advance(100);
  }
  expect(world.events.map(({ kind }) => kind)).toEqual(["locks.failed"]);
  expect(world.verdicts.length).toBeGreaterThan(10);
});

test("an answer that cannot be recorded is asked for again", async () => {
  await using world = new World();
  world.recording = () => Promise.reject(new Error("The disk is full"));
  world.wait(1);
  await world.env.advance(1);
  expect(world.verdicts).toEqual([]);
  world.recording = async () => {};
  await world.env.advance(2_000);
  expect(world.verdicts).toHaveLength(1);
});

test("an answer that comes while the clock is not believed is not recorded, and is asked for again afterwards", async () => {
  await using world = new World();
  const late = Promise.withResolvers<LockAnswer>();
  world.answer = () => late.promise;
  world.wait(1);
  await world.env.advance(1);
  world.env.jump(3 * 86_400_000);
  late.resolve(HELD);
  await world.env.advance(2_000);
  expect(world.verdicts).toEqual([]);
  world.env.jump(-3 * 86_400_000);
  await world.env.advance(2_000);
  expect(world.verdicts.map(({ occurrence }) => occurrence)).toEqual([1]);
});

test("told to stop, it waits for the answers that are on their way", async () => {
  const late = Promise.withResolvers<LockAnswer>();
  const world = new World();
  world.answer = () => late.promise;
  world.wait(1);
  await world.env.advance(1);
  const ended = world[Symbol.asyncDispose]();
  late.resolve(HELD);
  await ended;
  expect(world.verdicts).toHaveLength(1);
});
