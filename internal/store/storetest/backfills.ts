/** What every engine promises about backfills: a line beside the plan, and no instant twice. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob, NewJob } from "../../job/job.ts";
import type { Outcome } from "../../job/outcome.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { NewBackfill } from "../backfills.ts";
import { COMPLETED, end, failed, newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const MINUTE = 60_000;
const BOOT = "BT_x";

export function backfillSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: backfills`, () => {
    let at: Opened;
    let schedule: Schedule;
    let start: number;
    beforeEach(async () => {
      at = await open();
      const made = await at.store.schedules.create(newSchedule(at.env));
      if ("refused" in made) throw new Error(made.refused);
      schedule = made;
      start = at.env.now();
    });
    afterEach(() => at.close());

    /** Runs for the minutes from `first` on. */
    const runs = (first: number, count: number): NewJob[] =>
      Array.from({ length: count }, (_, index) =>
        newJob(at.env, { occurrence: start + (first + index) * MINUTE }),
      );
    const span = (id: string, first: number, count: number, concurrency = 1): NewBackfill => {
      const [from, to] = [start + first * MINUTE, start + (first + count) * MINUTE];
      return { id, scheduleId: schedule.id, from, to, concurrency, askedBy: "me" };
    };
    const make = (id: string, first: number, count: number, concurrency = 1) =>
      at.store.backfills.make(span(id, first, count, concurrency), runs(first, count));
    const claim = () => at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane: "test.work", limit: 100 }] });
    const minutes = (jobs: readonly HeldJob[]) =>
      jobs.map(({ occurrence }) => ((occurrence ?? 0) - start) / MINUTE);
    /** Claims, ends what was claimed, and says for which minutes it was, until nothing is left. */
    const drain = async (outcome: Outcome = COMPLETED) => {
      const rounds: number[][] = [];
      for (let jobs = await claim(); jobs.length > 0; jobs = await claim()) {
        rounds.push(minutes(jobs));
        for (const job of jobs) await end(at.store, at.env, job, outcome);
      }
      return rounds;
    };

    test("its runs come one after the other, in order, and carry schedule, instant and trigger", async () => {
      expect(await make("BF_1", -3, 3)).toEqual({ made: 3, existed: 0 });
      const [job] = await claim();
      expect(job).toMatchObject({
        scheduleId: schedule.id,
        occurrence: start - 3 * MINUTE,
        trigger: "backfill",
      });
      expect(await at.store.jobs.get(job?.id ?? "")).toMatchObject({ parentId: "BF_1" });
      expect(await claim()).toEqual([]);
      if (job) await end(at.store, at.env, job, COMPLETED);
      expect(await drain(failed({ permanent: true }))).toEqual([[-2], [-1]]);
      expect(await at.store.backfills.list(schedule.id, 10)).toMatchObject([
        { id: "BF_1", runs: { waiting: 0, open: 0, completed: 1, failed: 2, cancelled: 0 } },
      ]);
    });

    test("with a concurrency, so many at once", async () => {
      await make("BF_1", 0, 5, 2);
      expect(await drain()).toEqual([[0, 1], [2, 3], [4]]);
    });

    test("two backfills of a schedule stand in one line, and those of two schedules in two", async () => {
      const other = await at.store.schedules.create(newSchedule(at.env));
      if ("refused" in other) throw new Error(other.refused);
      await make("BF_1", 0, 2);
      await make("BF_2", 5, 1);
      await at.store.backfills.make({ ...span("BF_3", 7, 1), scheduleId: other.id }, runs(7, 1));
      expect(await drain()).toEqual([[0, 7], [1], [5]]);
    });

    test("an instant is run once, however often somebody asks, and again when it was cancelled", async () => {
      await make("BF_1", 0, 3);
      expect(await make("BF_2", 1, 4)).toEqual({ made: 2, existed: 2 });
      await drain();
      expect(await make("BF_3", 0, 5)).toEqual({ made: 0, existed: 5 });
      expect((await at.store.backfills.list(schedule.id, 10)).map(({ id }) => id)).toEqual(["BF_2", "BF_1"]);
      await make("BF_4", 5, 2);
      expect(await at.store.backfills.cancel(schedule.id, "me")).toEqual({ cancelled: 2, running: 0 });
      expect(await make("BF_5", 0, 7)).toEqual({ made: 2, existed: 5 });
      const instants = await at.store.backfills.instants(schedule.id, {
        from: start,
        to: start + MINUTE * 7,
      });
      expect(instants).toHaveLength(7);
    });

    test("a cancelled backfill runs nothing more; what runs goes on", async () => {
      await make("BF_1", 0, 2_500);
      const [running] = await claim();
      expect(await at.store.backfills.cancel(schedule.id, "me")).toEqual({ cancelled: 2_499, running: 1 });
      if (running) expect(await end(at.store, at.env, running, COMPLETED)).toBe(true);
      expect(await claim()).toEqual([]);
      expect((await at.store.backfills.list(schedule.id, 1))[0]?.runs).toEqual({
        waiting: 0,
        open: 0,
        completed: 1,
        failed: 0,
        cancelled: 2_499,
      });
    });

    test("when its schedule is deleted, by whatever way, what waits never runs; what runs goes on", async () => {
      await make("BF_1", -9, 5);
      const [job] = await claim();
      await at.store.schedules.delete(schedule.id, "me");
      await make("BF_2", -4, 3); // Somebody was halfway through asking.
      if (job) await end(at.store, at.env, job, COMPLETED);
      expect(await drain()).toEqual([]);
      const lines = await at.store.backfills.list(schedule.id, 10);
      expect(
        lines.map(({ id, runs: { waiting, open, cancelled } }) => [id, waiting, open, cancelled]),
      ).toEqual([
        ["BF_2", 0, 0, 3],
        ["BF_1", 0, 0, 4],
      ]);
    });

    test("what is asked for while others are cancelled does not stand still", async () => {
      await Promise.all([at.store.backfills.cancel(schedule.id, "me"), make("BF_1", 0, 3)]);
      expect(await drain()).toEqual([[1], [2]]);
    });

    test("a run that is cancelled by itself makes room, and one that only waited makes none", async () => {
      await make("BF_1", 0, 4);
      const inLine = (await at.store.jobs.list({ scheduleId: schedule.id }, {})).items.toReversed();
      await at.store.jobs.cancel(inLine[1]?.id ?? "", "me");
      expect(minutes(await claim())).toEqual([0]);
      await at.store.jobs.cancel(inLine[0]?.id ?? "", "me");
      expect(await claim()).toEqual([]);
      expect(await at.store.jobs.recover("BT_y")).toEqual([]);
      expect(await drain()).toEqual([[2], [3]]);
    });

    test("a retry keeps its place, and a host that dies does too", async () => {
      await make("BF_1", 0, 2);
      const [first] = await claim();
      if (first) await end(at.store, at.env, first, failed({ retryAfterMs: MINUTE }));
      expect(await claim()).toEqual([]);
      await at.env.advance(MINUTE);
      await at.store.jobs.promote(10);
      expect(minutes(await claim())).toEqual([0]);
      expect(await at.store.jobs.recover("BT_y")).toEqual([first?.id ?? ""]);
      expect(await drain()).toEqual([[0], [1]]);
    });

    test("the plan neither waits for a backfill nor counts its runs", async () => {
      const nodeId = await at.store.nodes.nodeId();
      await make("BF_1", -2, 2);
      const [running] = await claim();
      await at.env.advance(MINUTE);
      const fired = await at.store.schedules.fire({ nodeId, limit: 10 });
      expect(fired.jobs).toMatchObject([{ occurrence: start + MINUTE }]);
      expect(minutes(await claim())).toEqual([1]);
      if (running) await end(at.store, at.env, running, failed({ permanent: true }));
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ runCount: 1, failures: 0 });
      const { items } = await at.store.schedules.ledger(schedule.id, {}, {});
      expect(items).toMatchObject([{ occurrence: start + MINUTE, outcome: "fired" }]);
    });

    test("the run of an instant can be found", async () => {
      await make("BF_1", 0, 2);
      expect(await at.store.backfills.run(schedule.id, start + MINUTE)).toMatchObject({ state: "paused" });
      expect(await at.store.backfills.run(schedule.id, start + 2 * MINUTE)).toBeNull();
      await at.store.backfills.cancel(schedule.id, "me");
      expect(await at.store.backfills.run(schedule.id, start + MINUTE)).toBeNull();
    });
  });
}
