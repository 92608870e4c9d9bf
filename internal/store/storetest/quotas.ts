/** What every engine promises about quotas of plugins, and about floods of refusals in the audit trail. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Metered, PEOPLE, type ScheduleQuota, UNLIMITED, usualQuota } from "../../access/quota.ts";
import { Fault } from "../../base/fault.ts";
import type { NewJob } from "../../job/job.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { Enqueued, JobStore } from "../jobs.ts";
import type { NewSchedule, ScheduleChanges, ScheduleRefusal } from "../schedules.ts";
import { COMPLETED, end, newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

/** Runs the suite against an engine. */
export function quotaSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: quotas`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const metered = (change: Partial<Metered["quota"]> = {}, tenant = "acme"): Metered => ({
      plugin: "demo",
      tenant,
      quota: { ...usualQuota("guest"), ...change },
    });
    const own = (schedule: Partial<NewSchedule> = {}): NewSchedule =>
      newSchedule(at.env, { tenant: "acme", owner: { kind: "plugin", name: "demo" }, ...schedule });
    const use = () => at.store.schedules.quotaUse(metered());

    /** Makes so many, one after the other. */
    async function make(changes: ScheduleChanges, count: number): Promise<Schedule[]> {
      const made: Schedule[] = [];
      for (let i = 0; i < count; i++) made.push(ok(await changes.create(own())));
      return made;
    }

    test("of two hundred creates at once, exactly fifty are made", async () => {
      const changes = at.store.schedules.within(metered({ scheduleWritesPerMinute: 100_000 }));
      const answers = await Promise.all(Array.from({ length: 200 }, () => changes.create(own())));
      expect(answers.filter((answer) => !("refused" in answer))).toHaveLength(50);
      for (const answer of answers.filter((each) => "refused" in each))
        expect(answer).toEqual({
          refused: "quota",
          exceeded: { limit: "schedules", allows: 50, used: 50 },
        });
      expect(await use()).toMatchObject({ schedules: 50, scheduleWritesPerMinute: 50 });
    });

    test("a deleted schedule makes room, a paused one does not; another tenant has room of its own", async () => {
      const quota = { schedules: 2, scheduleWritesPerMinute: 100 };
      const changes = at.store.schedules.within(metered(quota));
      const [first, second] = await make(changes, 2);
      await changes.pause(second?.id ?? "", { note: "", by: "demo", until: null });
      expect(await changes.create(own())).toMatchObject({ refused: "quota" });
      const other = at.store.schedules.within(metered(quota, "globex"));
      ok(await other.create(own({ tenant: "globex" })));
      await changes.delete(first?.id ?? "", "demo");
      ok(await changes.create(own()));
    });

    test("people share one quota: what plugins and files have does not count, whoever's schedule they change does", async () => {
      const people = (quota: Partial<ScheduleQuota>) =>
        at.store.schedules.within({
          ...PEOPLE,
          quota: { schedules: UNLIMITED, scheduleWritesPerMinute: UNLIMITED, ...quota },
        });
      const theirs = ok(await at.store.schedules.create(own()));
      const file = { kind: "file", name: "qntx.toml" } as const;
      await at.store.schedules.declare(file, [newSchedule(at.env, { owner: file, declaredId: "f" })]);
      const three = people({ schedules: 3 });
      const [, second] = [
        ok(await three.create(newSchedule(at.env))),
        ok(await three.create(newSchedule(at.env, { tenant: "globex" }))),
      ];
      ok(await three.create(newSchedule(at.env, { owner: { kind: "person", name: "another" } })));
      const full = { refused: "quota", exceeded: { limit: "schedules", allows: 3, used: 3 } } as const;
      expect(await three.create(newSchedule(at.env))).toEqual(full);
      const more = [1, 2].map(() => ({ kind: "create", schedule: newSchedule(at.env) }) as const);
      expect(await people({ schedules: 4 }).apply(more)).toMatchObject({ exceeded: { allows: 4, used: 5 } });
      ok(await three.update(theirs.id, { description: "by people" }));
      ok(await three.delete(second?.id ?? "", "me"));
      ok(await three.create(newSchedule(at.env)));
      expect(await at.store.schedules.quotaUse(PEOPLE)).toMatchObject({
        schedules: 3,
        scheduleWritesPerMinute: 6,
      });
      expect(await people({ scheduleWritesPerMinute: 6 }).pause(theirs.id, PAUSE)).toEqual({
        refused: "quota",
        exceeded: { limit: "scheduleWritesPerMinute", allows: 6, used: 6, retryAfterMs: 60_000 },
      });
      expect(await use()).toMatchObject({ schedules: 1, scheduleWritesPerMinute: 0 });
    });

    test("a name that is taken is said before a quota that is used up", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 1, scheduleWritesPerMinute: 1 }));
      ok(await changes.create(own({ name: "nightly" })));
      expect(await changes.create(own({ name: "nightly" }))).toMatchObject({ refused: "name-taken" });
      expect(await changes.create(own())).toMatchObject({ exceeded: { limit: "schedules" } });
    });

    test("the eleventh change within a minute waits until the first is a minute old, at every border", async () => {
      const changes = at.store.schedules.within(metered());
      await at.env.advance(59_000 - (at.env.now() % 60_000)); // A second before the minute of the clock ends.
      const [first] = await make(changes, 5);
      await at.env.advance(30_000);
      await make(changes, 5);
      const refused = (retryAfterMs: number): ScheduleRefusal => ({
        refused: "quota",
        exceeded: { limit: "scheduleWritesPerMinute", allows: 10, used: 10, retryAfterMs },
      });
      expect(await changes.create(own())).toEqual(refused(30_000));
      await at.env.advance(29_999);
      const { id = "" } = first ?? {};
      expect(await changes.update(id, { description: "x" })).toEqual(refused(1));
      expect(await changes.pause(id, { note: "", by: "demo", until: null })).toEqual(refused(1));
      expect(await changes.resume(id)).toEqual(refused(1));
      expect(await changes.delete(id, "demo")).toEqual(refused(1));
      expect(await changes.apply([])).toEqual(refused(1));
      await at.env.advance(1);
      await make(changes, 5); // The first five have left, all at once.
      expect(await changes.create(own())).toEqual(refused(30_000));
    });

    test("of what a plugin deleted, as many keep payload and metadata as it may have; what was declared comes back as it was", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 3, scheduleWritesPerMinute: 1_000 }));
      const payload = new Uint8Array([7]);
      const metadata = { glyph: "g" };
      const owner = { kind: "plugin", name: "demo" } as const;
      const declared = own({ declaredId: "d", payload });
      await changes.declare(owner, [declared]);
      await changes.declare(owner, []);
      const deleted: string[] = [];
      for (let i = 0; i < 5; i++) {
        const { id } = ok(await changes.create(own(i % 2 === 0 ? { payload } : { metadata })));
        await at.env.advance(1);
        ok(await changes.delete(id, "demo"));
        deleted.push(id);
      }
      const kept = await Promise.all(deleted.map((id) => at.store.schedules.get(id)));
      expect(kept.map((one) => [one?.payload.length, one?.metadata])).toEqual([
        [0, {}],
        [0, {}],
        [1, {}],
        [0, metadata],
        [1, {}],
      ]);
      await changes.declare(owner, [declared]);
      expect((await at.store.schedules.declaredAs(owner, "d", "acme"))?.payload).toEqual(payload);
    });

    test("what changes nothing does not count", async () => {
      const changes = at.store.schedules.within(metered({ scheduleWritesPerMinute: 2 }));
      const [made] = await make(changes, 1);
      for (let i = 0; i < 5; i++) {
        expect(await changes.update(made?.id ?? "", {}, 99)).toMatchObject({ refused: "revision" });
        expect(await changes.delete("SC_nobody", "demo")).toEqual({ refused: "not-found" });
      }
      expect(await use()).toMatchObject({ scheduleWritesPerMinute: 1 });
      await make(changes, 1);
    });

    test("a clock that is set back makes nobody wait for more than a minute", async () => {
      const changes = at.store.schedules.within(metered());
      await make(changes, 10);
      at.env.jump(-3_600_000);
      expect(await changes.create(own())).toMatchObject({ exceeded: { retryAfterMs: 60_000 } });
      await at.env.advance(59_999);
      expect(await changes.create(own())).toMatchObject({ exceeded: { retryAfterMs: 1 } });
      await at.env.advance(1);
      await make(changes, 10);
    });

    test("several steps are counted together, and refused together", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 3 }));
      const step = () => ({ kind: "create" as const, schedule: own() });
      expect(await changes.apply([step(), step()])).toBeNull();
      expect(await changes.apply([step(), step()])).toMatchObject({
        exceeded: { limit: "schedules", used: 4 },
      });
      expect(await use()).toMatchObject({ schedules: 2, scheduleWritesPerMinute: 2 });
    });

    test("what is declared counts as schedules, not as changes; too many are refused whole", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 3 }));
      await make(changes, 1);
      const owner = { kind: "plugin", name: "demo" } as const;
      const declared = (count: number) =>
        Array.from({ length: count }, (_, i) => own({ declaredId: `d${i}` }));
      await changes.declare(owner, declared(2));
      await changes.declare(owner, declared(2)); // Again, at the next start.
      expect(await use()).toMatchObject({ schedules: 3, scheduleWritesPerMinute: 1 });
      const fault = await changes.declare(owner, declared(3)).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Fault);
      expect(fault).toMatchObject({ code: "exhausted", limit: { name: "schedules", allows: 3, used: 4 } });
      expect(await use()).toMatchObject({ schedules: 3 });
      expect(await changes.create(own())).toMatchObject({ exceeded: { limit: "schedules" } });
    });

    const jobs = (count: number, job: Partial<NewJob> = {}) =>
      Array.from({ length: count }, () =>
        newJob(at.env, { tenant: "acme", owner: "plugin:demo", handler: "demo.work", ...job }),
      );
    const enqueue = (count: number, quota: Partial<Metered["quota"]> = {}, job: Partial<NewJob> = {}) =>
      at.store.jobs.enqueueWithin(metered(quota), jobs(count, job));

    test("a queue is as deep as may be until a job has ended, however it ends; a batch is taken whole or not at all", async () => {
      const quota = { queueDepth: 3, jobsPerSecond: 1_000 };
      const full = (used: number) => ({ exceeded: { limit: "queueDepth" as const, allows: 3, used } });
      await at.store.jobs.enqueue(jobs(2)); // By somebody without a quota, as a schedule does.
      expect(await enqueue(4, quota)).toEqual(full(4));
      const later = at.env.now() + 3_600_000;
      expect(await enqueue(1, quota, { runAt: later })).toHaveLength(1);
      expect(await enqueue(2, quota)).toMatchObject([{ created: true }, { created: true }]);
      expect(await enqueue(1, quota)).toEqual(full(4));
      expect(await at.store.jobs.quotaUse(metered())).toMatchObject({ queueDepth: 3 });
      const claimed = await at.store.jobs.claim({
        bootId: "BT_a",
        lanes: [{ lane: "acme@demo.work", limit: 9 }],
      });
      expect(claimed).toHaveLength(4);
      expect(await enqueue(1, quota)).toEqual(full(4));
      for (const job of claimed) await end(at.store, at.env, job, COMPLETED);
      expect(await at.store.jobs.quotaUse(metered())).toMatchObject({ queueDepth: 1 });
      const [made] = await enqueued(enqueue(1, quota));
      await at.store.jobs.cancel(made?.id ?? "", "operator");
      expect(await enqueue(2, quota)).toHaveLength(2);
      const other = { ...metered(quota), tenant: "globex" };
      expect(await at.store.jobs.enqueueWithin(other, jobs(3, { tenant: "globex" }))).toHaveLength(3);
    });

    test("who floods a full queue is answered without a look for the rest of the second", async () => {
      const quota = { queueDepth: 1, jobsPerSecond: 1_000 };
      const [job] = await enqueued(enqueue(1, quota));
      for (let i = 0; i < 20; i++) expect(await enqueue(1, quota)).toHaveProperty("exceeded");
      await at.store.jobs.cancel(job?.id ?? "", "operator");
      await at.env.advance(999);
      expect(await enqueue(1, quota)).toHaveProperty("exceeded");
      await at.env.advance(1);
      expect(await enqueue(1, quota)).toHaveLength(1);
    });

    test("who asked for too many at once may have those for which there is room", async () => {
      const quota = { queueDepth: 2, jobsPerSecond: 1_000 };
      for (let i = 0; i < 21; i++) expect(await enqueue(3, quota)).toMatchObject({ exceeded: { used: 3 } });
      expect(await enqueue(2, quota)).toHaveLength(2);
    });

    test("jobs that are there already do not count", async () => {
      const quota = { queueDepth: 2, jobsPerSecond: 1_000 };
      for (let i = 0; i < 5; i++) await enqueued(enqueue(1, quota, { id: "JB_same" }));
      expect(await enqueue(1, quota)).toHaveLength(1);
    });

    test("of what may be enqueued a second, ten seconds' may come at once, and no more within any ten", async () => {
      const quota = { jobsPerSecond: 2 };
      const fast = { limit: "jobsPerSecond" as const, allows: 2 };
      expect(await enqueue(21, quota)).toEqual({ exceeded: { ...fast, used: 3, retryAfterMs: undefined } }); // Never.
      await enqueued(enqueue(15, quota));
      await at.env.advance(5_000);
      await enqueued(enqueue(5, quota));
      const refused = await enqueue(1, quota);
      expect(refused).toMatchObject({ exceeded: { ...fast, used: 3 } });
      const waitMs = "exceeded" in refused ? (refused.exceeded.retryAfterMs ?? 0) : 0;
      expect(waitMs).toBeWithin(5_000, 5_101); // A tenth of a second too late at most, and never too early.
      await at.env.advance(waitMs - 1);
      expect(await enqueue(1, quota)).toMatchObject({ exceeded: { retryAfterMs: 1 } });
      await at.env.advance(1);
      await enqueued(enqueue(15, quota));
      expect(await at.store.jobs.quotaUse(metered())).toEqual({ queueDepth: 35, jobsPerSecond: 2 });
      expect(await enqueue(1, quota)).toMatchObject({ exceeded: fast });
    });

    test("a trusted plugin's jobs are not counted", async () => {
      const trusted = { ...metered(), quota: usualQuota("trusted") };
      expect(await at.store.jobs.enqueueWithin(trusted, jobs(2_000))).toHaveLength(2_000);
      expect(await at.store.jobs.quotaUse(trusted)).toEqual({ queueDepth: 0, jobsPerSecond: 0 });
    });

    test("a job says as much as its plugin may, and then one marker", async () => {
      const line = { at: 0, attempt: 1, level: "info", message: "x".repeat(400), stage: "", fields: "" };
      const say = (id: string, bytesMax?: number) => {
        for (let i = 0; i < 10; i++) at.store.logs.append(id, [line], bytesMax);
      };
      say("JB_short", 1_000);
      say("JB_usual");
      const said = async (jobId: string) =>
        (await at.store.logs.read(jobId, {})).map(({ message }) => message);
      expect(await said("JB_short")).toEqual([
        line.message,
        line.message,
        "The log of this job is full (1000 bytes); what it said after this line was not kept.",
      ]);
      expect(await said("JB_usual")).toHaveLength(10);
    });

    test("of a flood of refusals the first twenty of a minute have rows of their own, the others are counted in the last", async () => {
      const { audit } = at.store;
      const refuse = (operation: string, n: number) =>
        audit.add({
          id: `${operation}${n}`,
          principal: "plugin:demo",
          operation,
          subject: `s${n}`,
          allowed: false,
          detail: `no ${n}`,
        });
      for (let i = 1; i <= 500; i++) await refuse("a", i);
      await refuse("b", 1);
      const { items } = await audit.list({ limit: 100 });
      expect(items).toHaveLength(21);
      expect(items[0]).toMatchObject({ operation: "b", count: 1 });
      expect(items[1]).toMatchObject({ id: "a20", subject: "s500", detail: "no 500", count: 481 });
      expect(items.reduce((sum, { count }) => sum + count, 0)).toBe(501);
      await at.env.advance(60_000);
      await refuse("a", 501);
      expect((await audit.list({ limit: 1 })).items).toMatchObject([{ id: "a501", count: 1 }]);
    });
  });
}

const PAUSE = { note: "", by: "me", until: null };

async function enqueued(answer: ReturnType<JobStore["enqueueWithin"]>): Promise<Enqueued[]> {
  const found = await answer;
  if ("exceeded" in found) throw new Error(JSON.stringify(found));
  return found;
}

function ok(answer: Schedule | ScheduleRefusal): Schedule {
  if ("refused" in answer) throw new Error(JSON.stringify(answer));
  return answer;
}
