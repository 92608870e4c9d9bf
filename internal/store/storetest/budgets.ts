/** What budgets keep in line, for how long, and whom they leave alone. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BUDGET_LIMITS, type BudgetAmounts, type BudgetLimit, leftAt } from "../../base/budget.ts";
import type { HeldJob, NewJob } from "../../job/job.ts";
import { laneOf } from "../../job/lane.ts";
import type { Outcome } from "../../job/outcome.ts";
import { BUDGETS_MAX, closedState } from "../budgets.ts";
import { COMPLETED, end, failed, newAttestation, newJob, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_x";
const MINUTE = 60_000;
const DAY = 86_400_000;
const { costPerDay, callsPerMinute } = BUDGET_LIMITS;

/** Runs the suite against an engine. */
export function budgetSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: budgets`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const add = async (job: Partial<NewJob> = {}) => {
      const made = newJob(at.env, job);
      await at.store.jobs.enqueue([made]);
      return made.id;
    };
    const addMany = (count: number, job: Partial<NewJob> = {}) =>
      at.store.jobs.enqueue(Array.from({ length: count }, () => newJob(at.env, job)));
    const claim = (lane = "test.work", limit = 100, plugin = "p") =>
      at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane, limit, plugin }] });
    const ids = async (...request: Parameters<typeof claim>) => (await claim(...request)).map(({ id }) => id);
    const cost = (amount: number): Outcome => ({ kind: "completed", result: null, cost: amount });
    const finish = async (job: HeldJob | undefined, outcome: Outcome = COMPLETED) => {
      if (!job) throw new Error("a job was claimed");
      expect(await end(at.store, at.env, job, outcome)).toBe(true);
    };
    const run = async (job: Partial<NewJob>, amount: number) => {
      await add(job);
      const [claimed] = await claim(laneOf({ handler: "test.work", ...job }), 1);
      await finish(claimed, cost(amount));
    };
    const set = (scope: string, amounts: BudgetAmounts) => at.store.budgets.set({ scope, amounts }, "me");
    const stateOf = async (scope: string, limit: BudgetLimit = "costPerDay") => {
      const budget = await at.store.budgets.get(scope);
      const state = budget?.states.find((one) => one.limit === limit);
      if (!state) throw new Error(`${scope} has no ${limit}`);
      return state;
    };
    const opensAt = async (scope: string, limit?: BudgetLimit) => {
      const { opensAt: opens } = await stateOf(scope, limit);
      if (opens === null) throw new Error(`nobody knows when ${scope} opens`);
      return opens;
    };
    const until = (time: number) => at.env.advance(time - at.env.now());

    test("a claim that runs again, because somebody wrote beside it what cannot be written, finds what it found before", async () => {
      await set("tenant:", { callsPerMinute: 1 });
      await addMany(2);
      const broken = { ...newAttestation(at.env), attributes: { n: 1n as unknown as number } };
      const [claimed] = await Promise.all([
        claim(),
        expect(at.store.attestations.create([broken])).rejects.toThrow("BigInt"),
      ]);
      expect(claimed).toHaveLength(1);
      expect(await claim()).toEqual([]);
    });

    test.each([
      ["handler:test.work", {}],
      ["plugin:p", {}],
      ["tenant:", {}],
      ["tenant:acme", { tenant: "acme" }],
    ] as [string, Partial<NewJob>][])(
      "%s: jobs wait once it is spent, and go on by the step",
      async (scope, job) => {
        const lane = laneOf({ handler: "test.work", ...job });
        await set(scope, { costPerDay: 10 });
        await run(job, 6);
        await run(job, 6);
        const waiting = await add(job);
        expect(await ids(lane)).toEqual([]);
        expect(await at.store.jobs.get(waiting)).toMatchObject({
          state: "queued",
          attempt: 0,
          startedAt: null,
        });
        expect(await stateOf(scope)).toMatchObject({ amount: 10, spent: 12, reserved: 0 });
        const opens = await opensAt(scope);
        expect(opens - at.env.now()).toBeGreaterThanOrEqual(DAY);
        expect(opens - at.env.now()).toBeLessThanOrEqual(DAY + costPerDay.stepMs);
        expect(await at.store.budgets.opening()).toBe(opens);
        await until(opens - 1);
        expect(await ids(lane)).toEqual([]);
        await until(opens);
        expect(await at.store.budgets.opening()).toBe(opens);
        expect(await ids(lane)).toEqual([waiting]);
      },
    );

    test("a job of nobody who has a budget is never kept waiting", async () => {
      await set("handler:other", { costPerDay: 1 });
      await set("plugin:q", { costPerDay: 1 });
      await set("tenant:acme", { costPerDay: 1 });
      for (let made = 0; made < 3; made++) await run({}, 100);
      expect(await stateOf("plugin:q")).toMatchObject({ spent: 0 });
    });

    test("jobs of other tenants for the same handler go on, and what waits is not looked at", async () => {
      await set("tenant:acme", { costPerDay: 1 });
      await run({ tenant: "acme" }, 2);
      await addMany(2_000, { tenant: "acme" });
      const [other, none] = [await add({ tenant: "other" }), await add()];
      expect(await ids("acme@test.work")).toEqual([]);
      expect(await ids("other@test.work")).toEqual([other]);
      expect(await ids()).toEqual([none]);
      await until(await opensAt("tenant:acme"));
      expect(await ids("acme@test.work", 10)).toHaveLength(10);
    });

    test("the strictest of several counts", async () => {
      await set("tenant:acme", { costPerDay: 10 });
      await set("plugin:p", { costPerDay: 100 });
      await set("handler:acme@test.work", { costPerWeek: 20 });
      await run({ tenant: "acme" }, 25);
      await add({ tenant: "acme" });
      await until(await opensAt("tenant:acme"));
      expect(await ids("acme@test.work")).toEqual([]);
      await until(await opensAt("handler:acme@test.work", "costPerWeek"));
      expect(await ids("acme@test.work")).toHaveLength(1);
      const budget = await at.store.budgets.get("plugin:p");
      expect(budget && closedState(budget, at.env.now())).toBeNull();
    });

    test("two handlers of a plugin share its budget, and each has its own", async () => {
      await set("plugin:p", { costPerDay: 10 });
      await set("handler:a", { costPerDay: 5 });
      await run({ handler: "a" }, 6);
      await addMany(1, { handler: "a" });
      expect(await ids("a")).toEqual([]);
      await run({ handler: "b" }, 6);
      await addMany(1, { handler: "b" });
      expect(await ids("b")).toEqual([]);
      await at.store.budgets.unset("plugin:p");
      expect(await ids("b")).toHaveLength(1);
      expect(await ids("a")).toEqual([]);
    });

    test("a handler's budget is for its jobs however they are addressed, and for its plugin's they are the plugin's", async () => {
      await set("handler:test.work", { callsPerMinute: 1 });
      await addMany(1, { plugin: "p" });
      await addMany(1);
      expect(await ids("p/test.work")).toHaveLength(1);
      expect(await ids("test.work")).toEqual([]);
      await at.store.budgets.unset("handler:test.work");
      await set("plugin:p", { callsPerMinute: 1 });
      await addMany(2, { plugin: "p", handler: "x" });
      expect(await at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane: "p/x", limit: 5 }] })).toHaveLength(1);
    });

    test.each(["handler:test.work", "plugin:p", "tenant:"])(
      "%s: no more calls than in any minute, each try counted",
      async (scope) => {
        await set(scope, { callsPerMinute: 3 });
        await addMany(10);
        const first = await claim();
        expect(first).toHaveLength(3);
        for (const job of first) await finish(job, failed());
        const opens = await opensAt(scope, "callsPerMinute");
        expect(opens - at.env.now()).toBeLessThanOrEqual(MINUTE + callsPerMinute.stepMs);
        await at.env.advance(20_000);
        expect(await ids()).toEqual([]);
        await until(opens - 1);
        expect(await ids()).toEqual([]);
        await until(opens);
        expect(await claim()).toHaveLength(3);
      },
    );

    test("an estimate is reserved while its job runs, and what it really cost is spent when it has ended", async () => {
      await set("tenant:", { costPerDay: 10 });
      await addMany(5, { costEstimate: 4 });
      const [a, b, c, ...more] = await claim();
      expect(more).toEqual([]);
      expect(c?.budgeted).toBe(true);
      expect(await stateOf("tenant:")).toMatchObject({ spent: 0, reserved: 12, opensAt: null });
      expect(await at.store.budgets.opening()).toBeNull();
      await finish(a, cost(1));
      expect(await stateOf("tenant:")).toMatchObject({ spent: 1, reserved: 8 });
      expect(await at.store.budgets.opening()).toBe(at.env.now());
      expect(await claim()).toHaveLength(1);
      await finish(b, cost(9));
      expect(await claim()).toEqual([]);
      expect(await at.store.jobs.get(a?.id ?? "")).toMatchObject({ state: "completed", budgeted: false });
    });

    test.each([
      ["tries again", failed({ cost: 3 }), 3],
      ["fails for good", failed({ cost: 3, permanent: true }), 3],
      ["goes back in line", { kind: "returned" }, 0],
      ["runs again later", { kind: "snoozed", delayMs: 1_000 }, 0],
      ["lost its process", { kind: "lost", alone: true, message: "m" }, 0],
      ["is cancelled", { kind: "cancelled", message: "m" }, 0],
    ] as [string, Outcome, number][])(
      "one that %s costs what it said, and reserves nothing any more",
      async (_, outcome, spent) => {
        await set("plugin:p", { costPerDay: 10 });
        await add({ costEstimate: 4 });
        const [job] = await claim();
        expect(await stateOf("plugin:p")).toMatchObject({ spent: 0, reserved: 4 });
        await finish(job, outcome);
        expect(await stateOf("plugin:p")).toMatchObject({ spent, reserved: 0 });
      },
    );

    test("each try costs what it added, and what a job said while it ran counts at once", async () => {
      await set("plugin:p", { costPerDay: 10 });
      const id = await add({ costEstimate: 1 });
      const [first] = await claim();
      await finish(first, failed({ cost: 3 }));
      await at.env.advance(MINUTE);
      await at.store.jobs.promote(10);
      const [second] = await claim();
      await at.store.jobs.annotate(id, { costActual: 7 });
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 3, reserved: 4 });
      await finish(second, cost(2));
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 7, reserved: 0 });
    });

    test("a kill spends what the job had said, and reserves nothing; the calls stay counted", async () => {
      await set("plugin:p", { costPerDay: 10, callsPerMinute: 2 });
      const id = await add({ costEstimate: 4 });
      await claim();
      await at.store.jobs.annotate(id, { costActual: 2 });
      await at.store.jobs.recover("BT_next");
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 2, reserved: 0 });
      expect(await stateOf("plugin:p", "callsPerMinute")).toMatchObject({ spent: 1 });
      expect(await claim()).toMatchObject([{ id, budgeted: true }]);
    });

    test("a tenant whose budget is taken away or raised goes on at once", async () => {
      await set("tenant:acme", { costPerDay: 1 });
      await run({ tenant: "acme" }, 2);
      await addMany(2, { tenant: "acme" });
      expect(await ids("acme@test.work")).toEqual([]);
      await set("tenant:acme", { costPerDay: 3 });
      expect(await at.store.budgets.opening()).toBe(at.env.now());
      expect(await ids("acme@test.work", 1)).toHaveLength(1);
      await set("tenant:acme", { costPerDay: 1 });
      expect(await ids("acme@test.work")).toEqual([]);
      expect(await at.store.budgets.unset("tenant:acme")).toEqual(["costPerDay"]);
      expect(await at.store.budgets.opening()).toBe(at.env.now());
      expect(await ids("acme@test.work")).toHaveLength(1);
      expect(await at.store.budgets.unset("tenant:acme")).toBeNull();
    });

    test("what was spent counts from the day of the limit on, and limits that are not named stay", async () => {
      await run({}, 50);
      await set("plugin:p", { costPerDay: 10 });
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 0, since: at.env.now() });
      await run({}, 4);
      await at.env.advance(1_000);
      await set("plugin:p", { costPerDay: 20, callsPerMinute: 5 });
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 4, amount: 20, since: at.env.now() - 1_000 });
      expect(await stateOf("plugin:p", "callsPerMinute")).toMatchObject({ spent: 0 });
      expect(await at.store.budgets.unset("plugin:p", ["costPerDay", "costPerWeek"])).toEqual(["costPerDay"]);
      expect((await at.store.budgets.get("plugin:p"))?.states).toHaveLength(1);
      await set("plugin:p", { costPerDay: 20 });
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 0 });
    });

    test("declared budgets are as declared, those of others stay", async () => {
      await set("tenant:acme", { costPerDay: 1 });
      await set("plugin:p", { costPerDay: 1, callsPerMinute: 9 });
      await run({}, 0.5);
      await at.store.budgets.declare(
        [
          { scope: "plugin:p", amounts: { costPerDay: 7 } },
          { scope: "handler:a", amounts: { callsPerMinute: 2 } },
        ],
        "qntx.toml",
      );
      const names = async () =>
        (await at.store.budgets.all()).map(({ scope, declared, states }) => [
          scope,
          declared,
          ...states.map(({ limit, amount }) => `${limit} ${amount}`),
        ]);
      expect(await names()).toEqual([
        ["handler:a", true, "callsPerMinute 2"],
        ["plugin:p", true, "costPerDay 7"],
        ["tenant:acme", false, "costPerDay 1"],
      ]);
      expect(await stateOf("plugin:p")).toMatchObject({ spent: 0.5 });
      await at.store.budgets.declare([], "qntx.toml");
      expect(await names()).toEqual([["tenant:acme", false, "costPerDay 1"]]);
    });

    test("there are no more budgets than can be read at a look", async () => {
      const many = Array.from({ length: BUDGETS_MAX }, (_, index) => ({
        scope: `tenant:t${index}`,
        amounts: { costPerDay: 1 },
      }));
      await at.store.budgets.declare(many, "me");
      expect(set("tenant:more", { costPerDay: 1 })).rejects.toThrow(`no more than ${BUDGETS_MAX}`);
      expect(await set("tenant:t1", { costPerWeek: 1 })).toMatchObject({ scope: "tenant:t1" });
    });

    test("a clock that is set back shuts nobody out for longer than a window", async () => {
      await set("plugin:p", { callsPerMinute: 1 });
      at.env.jump(400 * DAY);
      await addMany(3);
      expect(await claim()).toHaveLength(1);
      at.env.jump(-400 * DAY);
      expect(await claim()).toEqual([]);
      await at.env.advance(MINUTE + callsPerMinute.stepMs);
      expect(await claim()).toHaveLength(1);
    });

    test("over many steps by chance nobody starts when nothing is left, and everybody goes on in the end", async () => {
      const random = (below: number) => Math.floor(at.env.random() * below);
      await set("tenant:a", { costPerDay: 20, callsPerMinute: 6 });
      await set("plugin:p", { costPerDay: 50 });
      await set("handler:b@y", { costPerDay: 15 });
      const lanes = ["a@x", "a@y", "b@x", "b@y"];
      const scopesOf = (job: HeldJob) => [`tenant:${job.tenant}`, "plugin:p", `handler:${laneOf(job)}`];
      const starts: { scope: string; at: number }[] = [];
      const costs: { scope: string; at: number; amount: number }[] = [];
      const within = <T extends { scope: string; at: number }>(list: T[], scope: string, ms: number) =>
        list.filter((one) => one.scope === scope && one.at > at.env.now() - ms);
      const running: HeldJob[] = [];
      for (let step = 0; step < 600; step++) {
        const chance = random(10);
        if (chance < 4)
          await add({ tenant: random(2) === 0 ? "a" : "b", handler: random(2) === 0 ? "x" : "y" });
        else if (chance < 6) {
          const job = running.splice(random(running.length), 1)[0];
          if (!job) continue;
          const amount = random(4);
          await finish(job, random(4) === 0 ? failed({ cost: amount }) : cost(amount));
          for (const scope of scopesOf(job)) costs.push({ scope, at: at.env.now(), amount });
        } else if (chance < 9) {
          for (const job of await claim(lanes[random(4)], 1)) {
            for (const scope of scopesOf(job)) {
              const budget = await at.store.budgets.get(scope);
              for (const { limit, amount } of budget?.states ?? []) {
                const { windowMs, counts } = BUDGET_LIMITS[limit];
                const used =
                  counts === "calls"
                    ? within(starts, scope, windowMs).length
                    : within(costs, scope, windowMs).reduce((sum, one) => sum + one.amount, 0);
                expect([step, scope, limit, used < amount]).toEqual([step, scope, limit, true]);
              }
              starts.push({ scope, at: at.env.now() });
            }
            running.push(job);
          }
        } else {
          await at.env.advance(random(30) * MINUTE);
          await at.store.jobs.promote(100);
        }
      }
      for (let rounds = 0; rounds < 150; rounds++) {
        const claimed = await Promise.all(lanes.map((lane) => claim(lane)));
        for (const job of [...running.splice(0), ...claimed.flat()]) await finish(job);
        await at.env.advance(30 * MINUTE);
        await at.store.jobs.promote(1_000);
      }
      expect(await at.store.jobs.counts()).toMatchObject({ queued: 0, running: 0, retrying: 0 });
      for (const { states } of await at.store.budgets.all())
        for (const state of states) expect(state).toMatchObject({ spent: 0, reserved: 0 });
    });

    test("what is shown is what the arithmetic says of the exact sums, within a step", async () => {
      await set("plugin:p", { costPerDay: 3 });
      const spends: { step: number; amount: number }[] = [];
      for (let made = 0; made < 3; made++) {
        await run({}, 1);
        spends.push({ step: Math.floor(at.env.now() / costPerDay.stepMs), amount: 1 });
        await at.env.advance(3_600_000);
      }
      const wanted = leftAt("costPerDay", { amount: 3, spent: spends, reserved: 0 }, at.env.now());
      expect(await opensAt("plugin:p")).toBe(wanted ?? 0);
    });
  });
}
