/** What keeps jobs in line: pauses of handlers and of single jobs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob, NewJob } from "../../job/job.ts";
import type { Outcome } from "../../job/outcome.ts";
import { COMPLETED, end, failed, newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_x";

/** Runs the suite against an engine. */
export function limitSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: limits`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const claim = (...lanes: string[]) =>
      at.store.jobs.claim({ bootId: BOOT, lanes: lanes.map((lane) => ({ lane, limit: 100 })) });
    const add = async (job: Partial<NewJob> = {}) => {
      const made = newJob(at.env, job);
      await at.store.jobs.enqueue([made]);
      return made.id;
    };
    const pause = (handler: string, note = "why") => at.store.limits.pause({ handler, by: "me", note });
    const kinds = async () => (await at.store.events.list({}, {})).items.map(({ kind }) => kind);

    test("jobs of a paused handler are not handed out, and those that run end as they do", async () => {
      await add();
      const [running] = await claim("test.work");
      if (!running) throw new Error("a job was enqueued");
      const waiting = await add();
      await pause("test.work");
      expect(await claim("test.work")).toEqual([]);
      expect(await end(at.store, at.env, running, COMPLETED)).toBe(true);
      expect(await at.store.jobs.get(waiting)).toMatchObject({ state: "queued", attempt: 0 });
      expect(await at.store.limits.resume("test.work", "you")).toMatchObject({ by: "me", note: "why" });
      expect(await claim("test.work")).toMatchObject([{ id: waiting }]);
      expect(await kinds()).toEqual(["handler.resumed", "handler.paused"]);
    });

    test.each([
      // paused  x      p/x    q/x    y
      ["x", [false, false, false, true]],
      ["p/x", [true, false, true, true]],
    ] as [string, boolean[]][])("what is paused as %p", async (handler, runs) => {
      for (const [plugin, name] of [
        ["", "x"],
        ["p", "x"],
        ["q", "x"],
        ["", "y"],
      ] as const)
        await add({ plugin, handler: name });
      await pause(handler);
      for (const [index, lane] of ["x", "p/x", "q/x", "y"].entries())
        expect([lane, (await claim(lane)).length > 0]).toEqual([lane, runs[index] === true]);
    });

    test("a handler is paused once: the second time changes the note, and what is not paused is not resumed", async () => {
      const first = await pause("x");
      await at.env.advance(5);
      expect(await pause("x", "other")).toEqual({ ...first, note: "other" });
      expect(await at.store.limits.pauses()).toEqual([{ ...first, note: "other" }]);
      expect(await at.store.limits.resume("x", "me")).not.toBeNull();
      expect(await at.store.limits.resume("x", "me")).toBeNull();
      expect(await kinds()).toEqual(["handler.resumed", "handler.paused"]);
    });

    test("a paused job keeps its place, and goes back where its time says", async () => {
      const [queued, later] = [await add(), await add({ runAt: at.env.now() + 1_000 })];
      const why = { by: "me", note: "not yet" };
      for (const id of [queued, later])
        expect(await at.store.jobs.pause(id, why)).toMatchObject({
          moved: true,
          job: { state: "paused", pause: why },
        });
      expect(await at.store.jobs.pause(queued, why)).toMatchObject({ moved: false });
      expect(await claim("test.work")).toEqual([]);
      expect(await at.store.jobs.resume(queued)).toMatchObject({
        moved: true,
        job: { state: "queued", pause: null },
      });
      expect(await at.store.jobs.resume(later)).toMatchObject({ moved: true, job: { state: "scheduled" } });
      expect(await at.store.jobs.resume(later)).toMatchObject({ moved: false });
      await at.store.jobs.pause(later, why);
      await at.env.advance(2_000);
      expect(await at.store.jobs.promote(10)).toMatchObject({ count: 0 });
      expect(await at.store.jobs.resume(later)).toMatchObject({ job: { state: "queued" } });
    });

    test("a job that waits for its next try waits on as paused, and spends no try", async () => {
      const id = await add();
      const [job] = await claim("test.work");
      if (!job) throw new Error("a job was enqueued");
      await end(at.store, at.env, job, failed());
      await at.store.jobs.pause(id, { by: "me", note: "" });
      expect(await at.store.jobs.resume(id)).toMatchObject({ job: { state: "retrying", attempt: 1 } });
    });

    test("neither a running nor a finished job can be paused, and none that is not there", async () => {
      const id = await add();
      const [job] = await claim("test.work");
      if (!job) throw new Error("a job was enqueued");
      expect(await at.store.jobs.pause(id, { by: "me", note: "" })).toMatchObject({ moved: false });
      await end(at.store, at.env, job, COMPLETED);
      expect(await at.store.jobs.pause(id, { by: "me", note: "" })).toMatchObject({ moved: false });
      expect(await at.store.jobs.pause("JB_none", { by: "me", note: "" })).toBeNull();
      expect(await at.store.jobs.resume("JB_none")).toBeNull();
    });

    test("the runs of a backfill keep to their own line", async () => {
      const schedule = newSchedule(at.env);
      await at.store.schedules.create(schedule);
      const backfill = { id: "BF_x", scheduleId: schedule.id, from: 0, to: 3, concurrency: 1, askedBy: "me" };
      const jobs = [0, 1].map((occurrence) => newJob(at.env, { occurrence }));
      await at.store.backfills.make(backfill, jobs);
      for (const { id } of jobs) {
        expect(await at.store.jobs.pause(id, { by: "me", note: "" })).toMatchObject({ moved: false });
        expect(await at.store.jobs.resume(id)).toMatchObject({ moved: false });
      }
      expect((await claim("test.work")).map(({ occurrence }) => occurrence)).toEqual([0]);
    });

    const keyed = (key: string, job: Partial<NewJob> = {}) => add({ concurrencyKey: key, ...job });
    const claimed = async () => (await claim("test.work")).map(({ id }) => id);
    const perKey = (limit: number | null) =>
      at.store.limits.set({ handler: "test.work", perKey: limit, rate: null, burst: null });
    const ended = async (id: string, outcome: Outcome = COMPLETED) => {
      const job = await at.store.jobs.get(id);
      if (!job) throw new Error(`job ${id} was enqueued`);
      expect(await end(at.store, at.env, job, outcome)).toBe(true);
    };

    test("jobs of one key run one after the other, others beside them, and by priority", async () => {
      const [first, late, urgent] = [await keyed("a"), await keyed("a"), await keyed("a", { priority: -1 })];
      const [other, plain] = [await keyed("b"), await add()];
      expect(await claimed()).toEqual([first, other, plain]);
      expect(await at.store.jobs.get(late)).toMatchObject({
        state: "queued",
        crowded: true,
        concurrencyKey: "a",
      });
      expect(await at.store.jobs.queuedLanes()).toEqual([{ lane: "test.work", count: 2, crowded: 2 }]);
      await ended(first);
      expect(await claimed()).toEqual([urgent]);
      await ended(urgent);
      expect(await claimed()).toEqual([late]);
    });

    test("a key is a tenant's and a handler's own, however the handler is named", async () => {
      await perKey(1);
      const ids = [
        await keyed("a"),
        await keyed("a", { tenant: "t" }),
        await keyed("a", { handler: "b" }),
        await keyed("a", { plugin: "p" }),
      ];
      const jobs = await claim("test.work", "t@test.work", "b", "p/test.work");
      expect(jobs.map(({ id }) => id).toSorted()).toEqual(ids.slice(0, 3).toSorted());
    });

    test.each([
      ["fails for good", failed({ permanent: true })],
      ["waits for its next try", failed()],
      ["runs again later", { kind: "snoozed", delayMs: 5_000 }],
      ["is cancelled", { kind: "cancelled", message: "m" }],
    ] as [string, Outcome][])("one that %s gives up its place", async (_, outcome) => {
      const [first, second] = [await keyed("a"), await keyed("a")];
      expect(await claimed()).toEqual([first]);
      await ended(first, outcome);
      expect(await claimed()).toEqual([second]);
      // When its time comes, it waits for a place as any other.
      await at.env.advance(60_000);
      await at.store.jobs.promote(10);
      expect(await claimed()).toEqual([]);
    });

    test("one that goes back in line stands where it stood", async () => {
      const [first, second] = [await keyed("a"), await keyed("a")];
      await claimed();
      await ended(first, { kind: "returned" });
      expect(await claimed()).toEqual([first]);
      await ended(first);
      expect(await claimed()).toEqual([second]);
    });

    test("one that is cancelled or paused before it runs lets the next one go", async () => {
      const ids = [];
      for (let made = 0; made < 4; made++) ids.push(await keyed("a"));
      const [a, b, c, d] = ids as [string, string, string, string];
      await at.store.jobs.cancel(a, "me");
      await at.store.jobs.pause(b, { by: "me", note: "" });
      expect(await claimed()).toEqual([c]);
      await at.store.jobs.resume(b);
      expect(await claimed()).toEqual([]);
      await ended(c);
      expect(await claimed()).toEqual([b]);
      await ended(b);
      expect(await claimed()).toEqual([d]);
    });

    test("a job for later takes no place before its time", async () => {
      const later = await keyed("a", { runAt: at.env.now() + 1_000 });
      const now = await keyed("a");
      expect(await claimed()).toEqual([now]);
      await at.env.advance(1_000);
      await at.store.jobs.promote(10);
      expect(await claimed()).toEqual([]);
      await ended(now);
      expect(await claimed()).toEqual([later]);
    });

    test("a limit that is raised lets more go, one that is lowered holds for the next claims", async () => {
      for (let made = 0; made < 8; made++) await keyed("a");
      await perKey(3);
      const first = await claimed();
      expect(first).toHaveLength(3);
      await ended(first[0] ?? "");
      await perKey(1);
      expect(await claimed()).toEqual([]);
      await ended(first[1] ?? "");
      expect(await claimed()).toEqual([]);
      await ended(first[2] ?? "");
      expect(await claimed()).toHaveLength(1);
      await perKey(null);
      expect(await at.store.limits.all()).toEqual([]);
    });

    test("jobs of a host that died keep their places", async () => {
      const [first, second] = [await keyed("a"), await keyed("a")];
      expect(await claimed()).toEqual([first]);
      await at.store.jobs.recover("BT_next");
      expect(await claimed()).toEqual([first]);
      await ended(first);
      expect(await claimed()).toEqual([second]);
    });

    test("claims take as many as the rate allows, however a handler is named, and say when the next one may", async () => {
      const rate = { count: 50, perMs: 1_000 };
      await at.store.limits.set({ handler: "test.work", perKey: null, rate, burst: 3 });
      for (let made = 0; made < 5; made++) await add({ plugin: made < 2 ? "p" : "" });
      expect(await claim("p/test.work")).toHaveLength(2);
      expect(await claim("test.work")).toHaveLength(1);
      const { opensAt } = (await at.store.limits.get("test.work")) ?? {};
      expect(opensAt).toBe(at.env.now() + 20);
      await at.env.advance(19);
      expect(await claim("test.work")).toHaveLength(0);
      await at.env.advance(1);
      expect(await claim("test.work")).toHaveLength(1);
      await at.env.advance(3_600_000);
      for (let made = 0; made < 10; made++) await add();
      expect(await claim("test.work")).toHaveLength(3);
      await at.store.limits.set({ handler: "test.work", perKey: null, rate: null, burst: null });
      expect(await claim("test.work")).toHaveLength(8);
    });

    test("a clock that is set back by hours holds up a rate for as long as its burst takes", async () => {
      const rate = { count: 2, perMs: 1_000 };
      await at.store.limits.set({ handler: "test.work", perKey: null, rate, burst: 1 });
      for (let made = 0; made < 3; made++) await add();
      expect(await claim("test.work")).toHaveLength(1);
      at.env.jump(-7_200_000);
      expect(await claim("test.work")).toHaveLength(0);
      expect((await at.store.limits.get("test.work"))?.opensAt).toBe(at.env.now() + 500);
      await at.env.advance(500);
      expect(await claim("test.work")).toHaveLength(1);
    });

    test("over many steps by chance no key has more than its limit, and none is forgotten", async () => {
      const limit = 2;
      await perKey(limit);
      const random = (below: number) => Math.floor(at.env.random() * below);
      const running = new Map<string, HeldJob>();
      const outcomes = [COMPLETED, failed(), failed({ permanent: true }), { kind: "returned" }] as const;
      for (let step = 0; step < 500; step++) {
        const chance = random(10);
        if (chance < 4) await keyed(`k${random(5)}`, { priority: random(3) });
        else if (chance < 6)
          for (const job of await at.store.jobs.claim({
            bootId: BOOT,
            lanes: [{ lane: "test.work", limit: 3 }],
          }))
            running.set(job.id, job);
        else if (chance === 6) await at.env.advance(10_000).then(() => at.store.jobs.promote(100));
        else {
          const job = [...running.values()][random(running.size)];
          const outcome = outcomes[random(outcomes.length)];
          if (job && outcome && running.delete(job.id)) await end(at.store, at.env, job, outcome);
        }
        const counts = Map.groupBy(running.values(), ({ concurrencyKey }) => concurrencyKey);
        for (const jobs of counts.values()) expect(jobs.length).toBeLessThanOrEqual(limit);
      }
      for (let idle = 0; idle < 3;) {
        await at.env.advance(600_000);
        await at.store.jobs.promote(1_000);
        for (const job of running.values()) await end(at.store, at.env, job, COMPLETED);
        running.clear();
        for (const job of await claim("test.work")) running.set(job.id, job);
        idle = running.size === 0 ? idle + 1 : 0;
      }
      expect(await at.store.jobs.counts()).toMatchObject({
        queued: 0,
        running: 0,
        scheduled: 0,
        retrying: 0,
      });
    });
  });
}
