/** What keeps jobs in line: pauses of handlers and of single jobs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { NewJob } from "../../job/job.ts";
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
  });
}
