/** What every engine promises about the removal of old jobs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { NewJob } from "../../job/job.ts";
import { type Outcome, settle } from "../../job/outcome.ts";
import type { JobPruneRequest } from "../prune.ts";
import { COMPLETED, failed, newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FAILED = failed({ permanent: true });

export function jobPruningSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: the removal of old jobs`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const enqueue = async (job: Partial<NewJob> = {}) => {
      const made = newJob(at.env, job);
      await at.store.jobs.enqueue([made]);
      return made.id;
    };
    const claim = () =>
      at.store.jobs.claim({ bootId: "BT_one", lanes: [{ lane: "test.work", limit: 1_000 }] });
    const endAll = async (outcome: Outcome) => {
      const now = at.env.now();
      const ends = (await claim()).map((job) => settle(job, outcome, { now, random: 0.5 }));
      await at.store.jobs.settle(ends);
    };
    const ended = async (outcome: Outcome, job: Partial<NewJob> = {}) => {
      const id = await enqueue(job);
      await endAll(outcome);
      return id;
    };
    const isKept = async (id: string) => (await at.store.jobs.get(id)) !== null;
    const line = (message: string) => ({ at: 1, attempt: 1, level: "info", message, stage: "", fields: "" });

    /** Removes what ended more than an hour ago, or is not among the `newest`. Gives how many. */
    const prune = async (change: Partial<JobPruneRequest> = {}) => {
      const before = at.env.now() - HOUR;
      let removed = 0;
      for (let cursor: string | null | undefined; cursor !== null;) {
        const request = {
          state: "completed",
          before,
          backfillsBefore: before,
          newest: 1_000,
          ...change,
        } as const;
        const step = await at.store.jobs.prune({ ...request, cursor });
        removed += step.removed;
        cursor = step.cursor;
      }
      return removed;
    };

    test("takes what ended too long ago, with what it said, and nothing younger", async () => {
      const old = await ended(COMPLETED);
      at.store.logs.append(old, [line("hello")]);
      await at.env.advance(2 * HOUR);
      const young = await ended(COMPLETED);
      at.store.logs.append(young, [line("hello")]);
      expect(await prune()).toBe(1);
      expect([await isKept(old), await isKept(young)]).toEqual([false, true]);
      expect(await at.store.logs.read(old, {})).toEqual([]);
      expect(await at.store.logs.read(young, {})).toHaveLength(1);
    });

    test("takes each state by itself, and what has not ended never", async () => {
      const ids = {
        completed: await ended(COMPLETED),
        failed: await ended(FAILED),
        cancelled: await enqueue(),
        queued: "",
      };
      await at.store.jobs.cancel(ids.cancelled, "me");
      ids.queued = await enqueue();
      await at.env.advance(2 * HOUR);
      for (const state of ["completed", "failed", "cancelled"] as const) {
        expect(await prune({ state })).toBe(1);
        expect(await isKept(ids[state])).toBe(false);
      }
      expect(await isKept(ids.queued)).toBe(true);
    });

    test("looks behind those that stay", async () => {
      const many = (length: number, job: Partial<NewJob>) =>
        at.store.jobs.enqueue(Array.from({ length }, () => newJob(at.env, job)));
      await many(600, {});
      await endAll(FAILED);
      await many(6_000, { handler: "test.other" });
      await many(900, {});
      await endAll(COMPLETED);
      await at.env.advance(2 * HOUR);
      expect(await prune()).toBe(900);
      expect(await prune({ state: "failed" })).toBe(600);
    });

    test("takes what is too much, the oldest first, once it has rested for a minute", async () => {
      const ids: string[] = [];
      for (let n = 0; n < 10; n++) ids.push(await ended(COMPLETED));
      expect(await prune({ newest: 4 })).toBe(0);
      await at.env.advance(2 * MINUTE);
      expect(await prune({ newest: 4 })).toBe(6);
      expect(await Promise.all(ids.map(isKept))).toEqual([...Array(6).fill(false), ...Array(4).fill(true)]);
    });

    test("takes a job that said much in several steps, and keeps it until its lines are gone", async () => {
      const id = await ended(COMPLETED);
      at.store.logs.append(
        id,
        Array.from({ length: 60_000 }, () => line("x")),
      );
      await at.env.advance(2 * HOUR);
      expect(await prune()).toBe(1);
      expect(await at.store.logs.read(id, {})).toEqual([]);
    });

    test("leaves one whose end those who wait for it have not been told", async () => {
      const first = await enqueue();
      const waiter = await enqueue({ handler: "test.other", waitFor: [first] });
      await endAll(FAILED);
      await at.env.advance(2 * HOUR);
      expect(await prune({ state: "failed" })).toBe(0);
      while ((await at.store.flows.step(10)).more);
      expect(await prune({ state: "failed" })).toBe(1);
      expect((await at.store.jobs.get(waiter))?.state).toBe("failed");
    });

    test("leaves a parent whose children are at work, and a child whose parent is", async () => {
      const parent = await ended(COMPLETED);
      const child = await enqueue({ parentId: parent, handler: "test.other" });
      const above = await enqueue({ handler: "test.other" });
      const below = await ended(COMPLETED, { parentId: above });
      await at.env.advance(2 * HOUR);
      expect(await prune()).toBe(0);
      await at.store.jobs.cancel(child, "me");
      await at.store.jobs.cancel(above, "me");
      expect(await prune()).toBe(2);
      expect([await isKept(parent), await isKept(below)]).toEqual([false, false]);
    });

    test("leaves a retry for as long as the job that it retries, so that nobody retries that again", async () => {
      const old = await ended(FAILED);
      const retry = await ended(COMPLETED, { retryOf: old, trigger: "retry" });
      await at.env.advance(2 * HOUR);
      expect(await prune()).toBe(0);
      const again = { ...newJob(at.env), retryOf: old };
      expect(await at.store.bulk.retry([again])).toMatchObject([{ id: retry, created: false }]);
      expect(await prune({ state: "failed" })).toBe(1);
      expect(await prune()).toBe(1);
    });

    test("leaves the last run of a schedule, and the ledger in order", async () => {
      const schedule = newSchedule(at.env);
      await at.store.schedules.create(schedule);
      const nodeId = await at.store.nodes.nodeId();
      for (let n = 0; n < 3; n++) {
        await at.env.advance(MINUTE);
        await at.store.schedules.fire({ nodeId, limit: 10 });
        await endAll(COMPLETED);
      }
      await at.store.schedules.delete(schedule.id, "me");
      const last = (await at.store.schedules.get(schedule.id))?.lastJobId ?? "";
      await at.env.advance(2 * HOUR);
      expect(await prune()).toBe(2);
      expect(await isKept(last)).toBe(true);
      expect(await at.store.ledger.damage(10)).toEqual([]);
    });

    test("leaves runs of backfills for as long as their instants may not be run again", async () => {
      const schedule = newSchedule(at.env);
      await at.store.schedules.create(schedule);
      const run = newJob(at.env, { occurrence: at.env.now() - HOUR });
      const [from, to] = [at.env.now() - 2 * HOUR, at.env.now()];
      const backfill = { id: "BF_1", scheduleId: schedule.id, from, to, concurrency: 1, askedBy: "me" };
      await at.store.backfills.make(backfill, [run]);
      await endAll(COMPLETED);
      await at.env.advance(2 * HOUR);
      expect(await prune({ backfillsBefore: at.env.now() - 24 * HOUR, newest: 0 })).toBe(0);
      expect(await prune()).toBe(1);
    });
  });
}
