/** Budgets through the worker, on a clock that the test moves: when jobs start again by themselves, and who is not held up. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { BudgetAmounts } from "../base/budget.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { newId } from "../base/id.ts";
import { silentLog } from "../base/log.ts";
import type { HeldJob, NewJob } from "../job/job.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Executor } from "./executor.ts";
import { Pulse } from "./pulse.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 1_440 * MINUTE;

/** A host with a plugin of two handlers, for each of three tenants, whose jobs cost what their payload says, and what it started when. */
async function host(scope: string, amounts: BudgetAmounts) {
  const env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const starts: { job: HeldJob; at: number }[] = [];
  const pulse = new Pulse({
    env,
    log: silentLog,
    store,
    nodeId: store.nodes.id,
    version: "0",
    napMs: SECOND,
    jobsMax: 1_000,
  });
  const executor: Executor = {
    plugin: "p",
    version: "1",
    concurrency: 1_000,
    async execute({ job }) {
      starts.push({ job, at: env.now() });
      return { kind: "completed", result: null, cost: job.payload[0] ?? 0 };
    },
    replace() {},
  };
  const none = { timeoutMs: null, maxAttempts: null, concurrency: null, description: "" };
  const handlers = ["p.a", "p.b"].map((name) => ({ ...none, name }));
  const tenants = ["", "acme", "beta"].map((tenant) => ({ ...executor, tenant, plugin: `${tenant}p` }));
  pulse.registry.register(tenants.map((one) => ({ executor: one, handlers })));
  const stop = new AbortController();
  const signals = { stop: stop.signal, abort: stop.signal };
  const run = Promise.all([...pulse.early, pulse.worker].map((service) => service.run(signals)));
  const set = store.budgets.set({ scope, amounts }, "me");
  await env.advance(0);
  await set;
  return {
    env,
    store,
    starts,
    startsOf: (tenant: string) => starts.filter(({ job }) => job.tenant === tenant),
    async enqueue(count: number, job: Partial<NewJob> = {}) {
      const made = Array.from({ length: count }, () => ({
        id: newId(env, "JB"),
        handler: "p.a",
        payload: Uint8Array.of(0),
        ...job,
      }));
      const added = store.jobs.enqueue(made);
      await env.advance(0);
      await added;
      pulse.jobsAdded();
      await env.advance(0);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await env.advance(10 * SECOND);
      await run;
      await store.close();
    },
  };
}

const COST_3 = { payload: Uint8Array.of(3) };

test.each(["tenant:", "plugin:p", "handler:p.a"])(
  "%s: jobs that wait start at the moment it opens, by themselves",
  async (scope) => {
    await using at = await host(scope, { callsPerMinute: 2 });
    await at.enqueue(1);
    await at.env.advance(10 * SECOND + 500);
    await at.enqueue(4);
    expect(at.starts).toHaveLength(2);
    const opensAt = (await at.store.budgets.get(scope))?.states[0]?.opensAt ?? 0;
    await at.env.advance(opensAt - at.env.now() - 1);
    expect(at.starts).toHaveLength(2);
    await at.env.advance(1);
    for (let turn = 0; turn < 5; turn++) await at.env.advance(0);
    expect(at.starts.slice(2).map((start) => start.at)).toEqual([opensAt]);
  },
);

test("a clock that goes to the day after is noticed within a second", async () => {
  await using at = await host("tenant:", { costPerDay: 5 });
  await at.enqueue(1, { payload: Uint8Array.of(6) });
  await at.enqueue(1);
  at.env.jump(DAY + 15 * MINUTE - 1);
  await at.env.advance(2 * SECOND);
  expect(at.starts).toHaveLength(2);
});

test("60 calls a minute are made in any minute, and never more", async () => {
  await using at = await host("plugin:p", { callsPerMinute: 60 });
  await at.enqueue(150);
  await at.enqueue(150, { handler: "p.b" });
  await at.env.advance(5 * MINUTE);
  const times = at.starts.map((start) => start.at);
  for (const [index, time] of times.entries()) {
    const minuteLater = times[index + 60];
    if (minuteLater !== undefined) expect(minuteLater - time).toBeGreaterThanOrEqual(MINUTE);
  }
  // A step of a second goes with each minute.
  expect(times.length).toBe(300);
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThanOrEqual(4 * (MINUTE + SECOND) + 20);
});

test("an estimate that was too high lets the next one start when its job has ended, not a second later", async () => {
  await using at = await host("tenant:", { costPerDay: 10 });
  await at.enqueue(5, { costEstimate: 10, handler: "p.a" });
  await at.env.advance(200);
  expect(at.starts).toHaveLength(5);
});

test("jobs of another tenant beside five thousand that wait start at once, and those when their budget opens", async () => {
  await using at = await host("tenant:acme", { costPerDay: 1 });
  await at.enqueue(1, { tenant: "acme", ...COST_3 });
  await at.enqueue(5_000, { tenant: "acme" });
  await at.enqueue(1, { tenant: "beta" });
  await at.env.advance(100);
  expect(at.startsOf("acme")).toHaveLength(1);
  expect(at.startsOf("beta")).toHaveLength(1);
  await at.enqueue(1, { tenant: "beta" });
  expect(at.startsOf("beta")).toHaveLength(2);
  at.env.jump(DAY + 20 * MINUTE);
  await at.env.advance(2 * SECOND);
  expect(at.startsOf("acme")).toHaveLength(5_001);
});

test("a budget that is raised or taken away lets its jobs go at once", async () => {
  await using at = await host("tenant:", { costPerDay: 1 });
  await at.enqueue(1, COST_3);
  await at.enqueue(3, COST_3);
  const set = at.store.budgets.set({ scope: "tenant:", amounts: { costPerDay: 7 } }, "me");
  await at.env.advance(50);
  await set;
  expect(at.starts.length).toBeGreaterThan(1);
  await at.enqueue(3, COST_3);
  const unset = at.store.budgets.unset("tenant:");
  await at.env.advance(50);
  await unset;
  expect(at.starts).toHaveLength(7);
});
