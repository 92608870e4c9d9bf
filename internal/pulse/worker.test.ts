/** The worker on a real store and a clock that the test moves; plugins stand in at the executor's seam. */
import { afterEach, beforeEach, expect, test, spyOn } from "bun:test";
import { Database } from "bun:sqlite";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { newId } from "../base/id.ts";
import type { Job, NewJob } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Attempt, Executor } from "./executor.ts";
import { POLICY_DEFAULT } from "../schedule/schedule.ts";
import { CANCEL_GRACE_MS } from "./attempt.ts";
import { Pulse } from "./pulse.ts";

const SECOND = 1_000;
const DONE: Outcome = { kind: "completed", result: null, cost: 0 };
const FAILED: Outcome = {
  kind: "failed",
  message: "no",
  errorKind: "Error",
  permanent: false,
  retryAfterMs: 0,
  cost: 0,
};

/** A plugin whose attempts end when the test says so. */
class Stand implements Executor {
  readonly plugin: string;
  readonly version = "1.2.3";
  concurrency = 10;
  replaced: string[] = [];
  readonly running = new Map<string, { attempt: Attempt; end: (outcome: Outcome) => void }>();
  /** Ends every attempt at once with this, instead of waiting for the test. */
  always: Outcome | null = null;

  constructor(plugin: string) {
    this.plugin = plugin;
  }

  execute(attempt: Attempt): Promise<Outcome> {
    if (this.always) return Promise.resolve(this.always);
    return new Promise((end) => this.running.set(attempt.job.id, { attempt, end }));
  }

  replace(reason: string): void {
    this.replaced.push(reason);
  }

  end(id: string, outcome: Outcome = DONE): void {
    this.running.get(id)?.end(outcome);
    this.running.delete(id);
  }

  ids(): string[] {
    return [...this.running.keys()];
  }
}

let env: FakeEnv;
let store: SqliteStore;
let pulse: Pulse;
let plugin: Stand;
let stop: AbortController;
let abort: AbortController;
let run: Promise<unknown>;
let ended: boolean;

beforeEach(async () => {
  env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  pulse = new Pulse({
    env,
    log: silentLog,
    store,
    nodeId: store.nodes.id,
    lastSeenAt: null,
    version: "0",
    napMs: SECOND,
    jobsMax: 100,
  });
  plugin = new Stand("p");
  stop = new AbortController();
  abort = new AbortController();
  const signals = { stop: stop.signal, abort: abort.signal };
  run = Promise.all([...pulse.early, pulse.worker].map((service) => service.run(signals)));
  ended = false;
  void run.then(() => (ended = true));
});

afterEach(async () => {
  stop.abort();
  abort.abort();
  plugin.always = DONE;
  for (const id of plugin.ids()) plugin.end(id);
  await env.advance(CANCEL_GRACE_MS + SECOND);
  await run;
  await store.close();
});

const options = (name: string, concurrency: number | null = null) => ({
  name,
  concurrency,
  timeoutMs: null,
  maxAttempts: null,
  description: "",
});
const register = (...names: string[]) => {
  pulse.registry.register([{ executor: plugin, handlers: names.map((name) => options(name)) }]);
  pulse.jobsAdded();
};
const enqueue = async (job: Partial<NewJob> = {}) => {
  const id = newId(env, "JB");
  const added = store.jobs.enqueue([{ id, handler: "p.work", payload: new Uint8Array(), ...job }]);
  await Promise.all([env.advance(0), added]);
  pulse.jobsAdded([job.handler ?? "p.work"]);
  await env.advance(1);
  return id;
};
const job = async (id: string): Promise<Job> => {
  const found = await store.jobs.get(id);
  if (!found) throw new Error(`no job ${id}`);
  return found;
};

test("a job waits for its handler, and runs as soon as somebody offers it", async () => {
  const id = await enqueue();
  await env.advance(10 * SECOND);
  expect(await job(id)).toMatchObject({ state: "queued", attempt: 0 });
  register("p.work");
  await env.advance(1);
  expect(plugin.ids()).toEqual([id]);
  plugin.end(id, { kind: "completed", result: new Uint8Array([1]), cost: 2 });
  await env.advance(1);
  expect(await job(id)).toMatchObject({
    state: "completed",
    attempt: 1,
    result: new Uint8Array([1]),
    costActual: 2,
    pluginVersion: "1.2.3",
  });
});

test("what an attempt saved while the disk was full is written when it is not", async () => {
  register("p.work");
  const id = await enqueue();
  const { attempt } = plugin.running.get(id) ?? {};
  const full = spyOn(store.jobs, "progress").mockRejectedValue(new Error("the disk is full"));
  attempt?.checkpoint(new Uint8Array([7]));
  attempt?.progress({ current: 1, total: 9, message: "" });
  await env.advance(SECOND);
  attempt?.progress({ current: 2, total: 9, message: "" });
  await env.advance(SECOND);
  full.mockRestore();
  await env.advance(2 * SECOND);
  expect(await job(id)).toMatchObject({ checkpoint: new Uint8Array([7]), progress: { current: 2 } });
  const again = spyOn(store.jobs, "progress").mockRejectedValue(new Error("the disk is full"));
  attempt?.progress({ current: 3, total: 9, message: "" });
  stop.abort();
  plugin.end(id);
  await env.advance(5 * SECOND);
  const tries = again.mock.calls.length;
  expect(tries).toBeLessThan(5);
  await env.advance(5 * SECOND); // The worker has ended.
  expect(again).toHaveBeenCalledTimes(tries);
});

test("a failed try is repeated after its delay, and the last one fails the job", async () => {
  register("p.work");
  plugin.always = FAILED;
  const id = await enqueue({
    maxAttempts: 3,
    retry: { kind: "fixed", baseMs: 5 * SECOND, maxMs: 5 * SECOND },
  });
  expect(await job(id)).toMatchObject({ state: "retrying", attempt: 1 });
  await env.advance(5 * SECOND + 10);
  expect(await job(id)).toMatchObject({ state: "retrying", attempt: 2 });
  await env.advance(5 * SECOND + 10);
  expect(await job(id)).toMatchObject({ state: "failed", attempt: 3, error: { message: "no" } });
});

test("a handler's own number of tries holds where the job says none", async () => {
  const once = { ...options("p.work"), maxAttempts: 1 };
  pulse.registry.register([{ executor: plugin, handlers: [once] }]);
  plugin.always = FAILED;
  expect(await job(await enqueue())).toMatchObject({ state: "failed", attempt: 1, maxAttempts: 1 });
  expect(await job(await enqueue({ maxAttempts: 2 }))).toMatchObject({ state: "retrying", maxAttempts: 2 });
});

test("a handler's own waits hold where the job says none, and what ran each try is remembered", async () => {
  pulse.registry.register([
    {
      executor: Object.assign(plugin, { digest: "abc" }),
      handlers: [{ ...options("p.work"), retry: { kind: "list", delaysMs: [7 * SECOND, SECOND] } }],
    },
  ]);
  plugin.always = FAILED;
  const [open, own] = [
    await enqueue(),
    await enqueue({ retry: { kind: "fixed", baseMs: 3 * SECOND, maxMs: 3 * SECOND } }),
  ];
  for (const [id, waitMs] of [[open, 7 * SECOND] as const, [own, 3 * SECOND] as const]) {
    const { history, runAt } = await job(id);
    expect(history).toMatchObject([
      { attempt: 1, fence: 1, kind: "Error", message: "no", pluginVersion: "1.2.3", pluginDigest: "abc" },
    ]);
    expect(runAt - (history[0]?.endedAt ?? 0)).toBe(waitMs);
  }
});

test("what an attempt saved last is written before its end, beside its progress", async () => {
  register("p.work");
  const id = await enqueue();
  const { attempt } = plugin.running.get(id) ?? {};
  attempt?.checkpoint(new Uint8Array([1]));
  attempt?.progress({ current: 1, total: 2, message: "" });
  attempt?.checkpoint(new Uint8Array([2]));
  plugin.end(id, { kind: "lost", alone: true, message: "exit 139" });
  await env.advance(1);
  const { attempt: next } = plugin.running.get(id) ?? {};
  expect(next?.job.checkpoint).toEqual(new Uint8Array([2]));
  expect((await job(id)).progress).toEqual({ current: 1, total: 2, message: "" });
});

test("no more jobs run at once than plugin and handler allow, and other handlers are not held up", async () => {
  plugin.concurrency = 3;
  pulse.registry.register([{ executor: plugin, handlers: [options("p.work"), options("p.narrow", 1)] }]);
  const narrow = [await enqueue({ handler: "p.narrow" }), await enqueue({ handler: "p.narrow" })];
  for (let i = 0; i < 4; i++) await enqueue();
  expect(plugin.running.size).toBe(3);
  expect(plugin.ids().filter((id) => narrow.includes(id))).toHaveLength(1);
  plugin.end(narrow[0] ?? "");
  await env.advance(1);
  expect(plugin.running.size).toBe(3);
});

test("a timeout cancels; a plugin that ignores it is replaced after the grace, and its slot is free", async () => {
  register("p.work");
  const id = await enqueue({ timeoutMs: 2 * SECOND, maxAttempts: 1 });
  const { attempt } = plugin.running.get(id) ?? {};
  await env.advance(2 * SECOND);
  expect(attempt?.signal.reason).toBe("timeout");
  expect(await job(id)).toMatchObject({ state: "running" });
  await env.advance(CANCEL_GRACE_MS);
  expect(plugin.replaced).toHaveLength(1);
  expect(await job(id)).toMatchObject({ state: "failed", error: { kind: "timeout" } });
  plugin.end(id); // Too late: the job is not ours any more.
  await env.advance(1);
  expect((await job(id)).state).toBe("failed");
});

test("a running job is cancelled by its signal", async () => {
  register("p.work");
  const id = await enqueue();
  const cancelled = store.jobs.cancel(id, "me");
  await env.advance(1);
  await cancelled;
  expect(pulse.cancel(id)).toBe(true);
  expect(plugin.running.get(id)?.attempt.signal.reason).toBe("cancelled");
  plugin.end(id, { kind: "cancelled", message: "stopped" });
  await env.advance(1);
  expect(await job(id)).toMatchObject({ state: "cancelled" });
  expect(pulse.cancel(id)).toBe(false);
});

test("jobs that fell together run alone the next time, so that the poison is found", async () => {
  register("p.work");
  const ids = [await enqueue(), await enqueue(), await enqueue()];
  for (const id of ids) plugin.end(id, { kind: "lost", alone: false, message: "exit 139" });
  for (const _ of ids) {
    await env.advance(1);
    expect(plugin.running.size).toBe(1);
    const [id = ""] = plugin.ids();
    expect(await job(id)).toMatchObject({ lost: 0, attempt: 1 });
    plugin.end(id);
  }
  await env.advance(1);
  for (const id of ids) expect(await job(id)).toMatchObject({ state: "completed" });
});

test("nothing starts beside a suspect, not even what was claimed with it", async () => {
  register("p.work");
  const suspect = await enqueue();
  const added = store.jobs.enqueue([{ id: "JB_other", handler: "p.work", payload: new Uint8Array() }]);
  await Promise.all([env.advance(0), added]);
  plugin.end(suspect, { kind: "lost", alone: false, message: "exit 139" });
  await env.advance(1);
  expect(plugin.ids()).toEqual(["JB_other"]);
  plugin.end("JB_other");
  await env.advance(1);
  expect(plugin.ids()).toEqual([suspect]);
});

test("when their plugin is gone all suspects that wait for it go back, not only the first", async () => {
  register("p.work");
  const ids = [await enqueue(), await enqueue(), await enqueue()];
  for (const id of ids) plugin.end(id, { kind: "lost", alone: false, message: "exit 139" });
  await env.advance(1);
  const [alone = ""] = plugin.ids();
  pulse.registry.unregister("p");
  plugin.end(alone, { kind: "lost", alone: true, message: "exit 139" });
  await env.advance(1);
  for (const id of ids) expect(await job(id)).toMatchObject({ state: "queued", bootId: null });
});

test("the limit of a handler counts its jobs under both of its names", async () => {
  pulse.registry.register([{ executor: plugin, handlers: [options("p.work", 2)] }]);
  for (let i = 0; i < 3; i++) {
    await enqueue();
    await enqueue({ plugin: "p" });
    pulse.jobsAdded();
    await env.advance(1);
  }
  expect(plugin.running.size).toBe(2);
});

test("a job begins with the commit that made it; nobody has to say that it is there", async () => {
  register("p.work");
  await env.advance(1);
  const begun: string[][] = [];
  const added = store.jobs.enqueue([{ id: "JB_new", handler: "p.work", payload: new Uint8Array() }]);
  void added.then(() => begun.push(plugin.ids()));
  await env.advance(0);
  expect(begun).toEqual([["JB_new"]]);
});

test("a cancel in the group of its job comes before it, and one behind that reaches it", async () => {
  register("p.work");
  await env.advance(1);
  const jobs = ["JB_a", "JB_b"].map((id) => ({ id, handler: "p.work", payload: new Uint8Array() }));
  const added = store.jobs.enqueue(jobs);
  const early = store.jobs.cancel("JB_a", "me");
  await Promise.all([env.advance(0), added]);
  expect(await early).toMatchObject({ before: "queued" });
  expect(plugin.ids()).toEqual(["JB_b"]);
  const late = store.jobs.cancel("JB_b", "me");
  await env.advance(0);
  expect(await late).toMatchObject({ before: "running" });
  expect(pulse.cancel("JB_b")).toBe(true);
  expect(plugin.running.get("JB_b")?.attempt.cancelled).toBe("cancelled");
});

test("a job that a pause, a key or a resume lets go begins with what let it go", async () => {
  register("p.work");
  await env.advance(1);
  const now = async <T>(written: Promise<T>): Promise<T> => {
    await env.advance(0);
    return written;
  };
  const make = (id: string, job: Partial<NewJob>) =>
    now(store.jobs.enqueue([{ id, handler: "p.work", payload: new Uint8Array(), ...job }]));
  await make("JB_held", { held: true });
  expect(plugin.ids()).toEqual([]);
  await now(store.jobs.resume("JB_held"));
  expect(plugin.ids()).toEqual(["JB_held"]);
  await make("JB_first", { concurrencyKey: "k" });
  await make("JB_next", { concurrencyKey: "k", plugin: "p" });
  expect(plugin.ids()).toEqual(["JB_held", "JB_first"]);
  plugin.end("JB_first");
  await env.advance(1);
  expect(plugin.ids()).toEqual(["JB_held", "JB_next"]);
});

test("a suspect that waits for its plugin is cancelled without running", async () => {
  register("p.work");
  const ids = [await enqueue(), await enqueue()];
  for (const id of ids) plugin.end(id, { kind: "lost", alone: false, message: "exit 139" });
  await env.advance(1);
  const waiting = ids.find((id) => !plugin.ids().includes(id)) ?? "";
  const cancelled = store.jobs.cancel(waiting, "me");
  await env.advance(1);
  expect(await cancelled).toMatchObject({ before: "running" });
  pulse.cancel(waiting);
  await env.advance(1);
  expect(await job(waiting)).toMatchObject({ state: "cancelled" });
});

test("what was claimed runs although the settlement beside it failed, and that is tried again", async () => {
  register("p.work");
  const first = await enqueue();
  const settle = store.jobs.settle.bind(store.jobs);
  store.jobs.settle = () => {
    store.jobs.settle = settle;
    return Promise.reject(new Error("the disk is full"));
  };
  const added = store.jobs.enqueue([{ id: "JB_second", handler: "p.work", payload: new Uint8Array() }]);
  await Promise.all([env.advance(0), added]);
  plugin.end(first);
  await env.advance(1);
  expect(plugin.ids()).toEqual(["JB_second"]);
  await env.advance(SECOND);
  expect(await job(first)).toMatchObject({ state: "completed" });
});

test("a job whose plugin disowns its handler waits for another announcement, and does not spin", async () => {
  register("p.work");
  plugin.always = { kind: "disowned" };
  const id = await enqueue();
  await env.advance(10 * SECOND);
  expect(await job(id)).toMatchObject({ state: "queued", attempt: 0, fence: 1 });
  plugin.always = DONE;
  register("p.work");
  await env.advance(1);
  expect(await job(id)).toMatchObject({ state: "completed", attempt: 1 });
});

test("a job that nobody was told of is found within the poll, also while the worker is never idle", async () => {
  register("p.work", "p.busy");
  const paused = store.limits.pause({ handler: "p.work", by: "me", note: "" });
  const id = await enqueue();
  const resumed = store.limits.resume("p.work", "me");
  await env.advance(1);
  await Promise.all([paused, resumed]);
  expect(plugin.ids()).toEqual([]);
  for (let i = 0; i < 25; i++) {
    pulse.jobsAdded(["p.busy"]);
    await env.advance(100);
  }
  expect(plugin.ids()).toEqual([id]);
});

test("a lane that did not need its share leaves it to the others at once, and not at the next poll", async () => {
  plugin.concurrency = 4;
  register("p.a", "p.b");
  await env.advance(100); // Nobody else has anything to write any more.
  const jobOf = (handler: string) => ({ id: newId(env, "JB"), handler, payload: new Uint8Array() });
  void store.jobs.enqueue(["p.a", "p.b", "p.b", "p.b"].map(jobOf));
  await env.advance(1);
  expect(plugin.running.size).toBe(4);
});

test("a disk that stays full does not keep the worker from ending, and it says why jobs run again", async () => {
  using said = spyOn(silentLog, "error");
  register("p.work");
  const id = await enqueue();
  store.jobs.settle = () => Promise.reject(new Error("the disk is full"));
  plugin.end(id);
  stop.abort();
  await env.advance(30 * SECOND);
  expect(ended).toBe(false);
  abort.abort();
  await env.advance(30 * SECOND);
  expect([ended, (await job(id))?.state]).toEqual([true, "running"]);
  expect(said.mock.calls.at(-1)?.[1]).toEqual({ jobs: 1, error: "the disk is full" });
});

test("stop lets running jobs end; abort gives back what does not, and spends nothing", async () => {
  register("p.work");
  const [first, second] = [await enqueue(), await enqueue()];
  stop.abort();
  await enqueue();
  expect(plugin.ids()).toEqual([first, second]);
  plugin.end(first);
  await env.advance(1);
  expect(await job(first)).toMatchObject({ state: "completed" });
  abort.abort();
  await env.advance(1);
  expect(plugin.running.get(second)?.attempt.signal.reason).toBe("shutdown");
  plugin.end(second, { kind: "returned" });
  await env.advance(1);
  expect(await job(second)).toMatchObject({ state: "queued", attempt: 0 });
});

test("progress that was said last is on the job when it ends, and logs are kept with their attempt", async () => {
  register("p.work");
  const id = await enqueue();
  const { attempt } = plugin.running.get(id) ?? {};
  attempt?.progress({ current: 3, total: 4, message: "nearly" });
  attempt?.log([{ at: 1, level: "info", message: "hello", stage: "", fields: "" }]);
  plugin.end(id);
  await env.advance(1);
  expect(await job(id)).toMatchObject({
    state: "completed",
    progress: { current: 3, total: 4, message: "nearly" },
  });
  expect(await store.logs.read(id, {})).toMatchObject([{ seq: 1, message: "hello", attempt: 1 }]);
});

test("a result that is too large fails the job for good", async () => {
  register("p.work");
  plugin.always = { kind: "completed", result: new Uint8Array(2_000_000), cost: 0 };
  expect(await job(await enqueue())).toMatchObject({ state: "failed", error: { kind: "result-too-large" } });
});

test("a due schedule makes its job run without a poll", async () => {
  register("p.work");
  const created = store.schedules.create({
    id: newId(env, "SC"),
    name: "",
    tenant: "",
    owner: { kind: "person", name: "operator" },
    declaredId: "",
    target: { kind: "handler", handler: "p.work" },
    payload: new Uint8Array(),
    spec: { kind: "at", instants: [env.now() + 300] },
    timezone: "UTC",
    policy: POLICY_DEFAULT,
    locking: "require-global",
    paused: null,
    description: "",
    metadata: {},
  });
  await env.advance(0);
  await created;
  pulse.schedulesChanged();
  await env.advance(299);
  expect(plugin.running.size).toBe(0);
  await env.advance(2);
  expect(plugin.running.size).toBe(1);
});

test("a job that a change of its schedule brings about runs without a poll", async () => {
  register("p.work");
  const id = newId(env, "SC");
  const made = store.schedules.create(
    newSchedule(env, { id, target: { kind: "handler", handler: "p.work" } }),
  );
  await env.advance(500);
  await made;
  env.jump(60 * SECOND); // It is due, and the ticker does not know yet.
  const paused = store.schedules.pause(id, { note: "", by: "me", until: null });
  await env.advance(0);
  await paused;
  pulse.schedulesChanged();
  await env.advance(1);
  expect(plugin.running.size).toBe(1);
});

test("the next run of a backfill begins without a poll, also when the end of the one before was written later", async () => {
  register("p.work");
  const making = store.schedules.create(
    newSchedule(env, { target: { kind: "handler", handler: "p.work" }, anchor: env.now() + 3_600 * SECOND }),
  );
  await env.advance(0);
  const made = await making;
  if ("refused" in made) throw new Error(made.refused);
  const span = { id: newId(env, "BF"), scheduleId: made.id, from: 0, to: 10, concurrency: 1, askedBy: "me" };
  const runs = [1, 2, 3].map((occurrence) => ({
    id: newId(env, "JB"),
    handler: "p.work",
    payload: new Uint8Array(),
    occurrence,
  }));
  const backfill = store.backfills.make(span, runs);
  await env.advance(0);
  await backfill;
  pulse.jobsAdded(["p.work"]);
  await env.advance(1);
  for (const { id } of runs) {
    expect(plugin.ids()).toEqual([id]);
    plugin.end(id);
    pulse.jobsAdded(["p.work"]); // Somebody makes work at the same moment: to claim it comes before settling.
    await env.advance(100);
  }
});

test("a clock that jumps ten years and back silences no schedule, and starts nothing early", async () => {
  register("p.work");
  const id = newId(env, "SC");
  const made = store.schedules.create(
    newSchedule(env, { id, target: { kind: "handler", handler: "p.work" } }),
  );
  const later = store.jobs.enqueue([
    { id: "JB_later", handler: "p.work", payload: new Uint8Array(), runAt: env.now() + 3_600 * SECOND },
  ]);
  await env.advance(0);
  await Promise.all([made, later]);
  env.jump(3_652 * 86_400 * SECOND);
  await env.advance(20 * SECOND);
  env.jump(-3_652 * 86_400 * SECOND);
  await env.advance(30 * SECOND);
  expect(plugin.running.size).toBe(0);
  await env.advance(20 * SECOND);
  expect(plugin.running.size).toBe(1);
  expect(await store.schedules.get(id)).toMatchObject({ runCount: 1 });
  expect((await job("JB_later")).state).toBe("scheduled");
});

test("while the clock is not believed no occurrence is accounted for, and afterwards by the policy", async () => {
  register("p.work");
  const created = store.schedules.create({
    ...newSchedule(env),
    target: { kind: "handler", handler: "p.work" },
  });
  await env.advance(0);
  const schedule = await created;
  const rows = async () =>
    "refused" in schedule ? 0 : (await store.schedules.ledger(schedule.id, {}, {})).items.length;
  env.jump(400 * 86_400_000);
  await env.advance(5 * 60_000);
  expect([await rows(), plugin.running.size]).toEqual([0, 0]);
  expect(pulse.clock.suspicion?.reason).toContain("forward by 400d");
  pulse.clock.confirm();
  await env.advance(SECOND);
  expect(await rows()).toBeGreaterThan(0);
  expect(plugin.running.size).toBe(1);
});
