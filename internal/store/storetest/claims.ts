/** Whoever serves: asked at the end of every transaction, and handed what that claimed once it is on disk. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob, NewJob } from "../../job/job.ts";
import type { LaneRequest } from "../jobs.ts";
import { COMPLETED, end, failed, newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_x";
const NODE = "ND_x";
const LANE = "test.work";

/** Runs the suite against an engine. */
export function claimSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: whoever serves`, () => {
    let at: Opened;
    let held: HeldJob[];
    /** Lanes of which it was said that they may have new jobs. */
    let told: string[][];
    let room: LaneRequest[];
    beforeEach(async () => {
      at = await open();
      held = [];
      told = [];
      room = [{ lane: LANE, limit: 10 }];
      at.store.jobs.serve({
        bootId: BOOT,
        wishes: (lanes) => {
          const fresh = [...lanes];
          if (fresh.length > 0) told.push(fresh);
          return room;
        },
        claimed: (jobs) => held.push(...jobs),
      });
    });
    afterEach(() => at.close());

    const add = async (job: Partial<NewJob> = {}) => {
      const made = newJob(at.env, job);
      await at.store.jobs.enqueue([made]);
      return made.id;
    };
    const ids = () => held.map(({ id }) => id);

    test("holds a job before who enqueued it is answered, and its row is like that of any claim", async () => {
      const made = newJob(at.env);
      let first: string[] = [];
      await at.store.jobs.enqueue([made]).then(() => (first = ids()));
      expect(first).toEqual([made.id]);
      at.store.jobs.serve(null);
      const later = await add();
      const [claimed] = await at.store.jobs.claim({ bootId: BOOT, lanes: room });
      const { id, seq, ...row } = held[0] ?? {};
      expect({ ...claimed, id, seq }).toEqual({ ...row, id, seq });
      expect(claimed?.id).toBe(later);
      // What ran it before is not read for who runs it next.
      const { pluginVersion: _v, pluginDigest: _d, ...rest } = held[0] ?? {};
      expect(await at.store.jobs.get(made.id)).toMatchObject({ ...rest, state: "running", bootId: BOOT });
    });

    // What lets a job go that could not be claimed before.
    test.each([
      [
        "the clock, to one that was for later",
        { runAt: 1_000 },
        () => at.env.advance(2_000).then(() => at.store.jobs.promote(10)),
      ],
      ["a resume, to one that is held", { held: true }, (id: string) => at.store.jobs.resume(id)],
    ] as [string, { runAt?: number; held?: boolean }, (id: string) => Promise<unknown>][])(
      "has a job from %p",
      async (_, { runAt, held: isHeld }, letGo) => {
        const id = await add({ held: isHeld === true, ...(runAt && { runAt: at.env.now() + runAt }) });
        expect(ids()).toEqual([]);
        await letGo(id);
        expect(ids()).toEqual([id]);
        expect(told).toEqual([[LANE]]);
      },
    );

    test("has the run of a schedule with the step that fires it", async () => {
      await at.store.schedules.create(newSchedule(at.env));
      await at.env.advance(60_000);
      const { jobs } = await at.store.schedules.fire({ nodeId: NODE, limit: 10 });
      expect(ids()).toEqual(jobs.map(({ id }) => id));
      expect(held).toMatchObject([{ attempt: 1, fence: 1 }]);
      const running = { state: "running", bootId: BOOT };
      for (const { id } of held) expect(await at.store.jobs.get(id)).toMatchObject(running);
    });

    test("has a job again when it went back in line, and one of a dead boot", async () => {
      const id = await add();
      const [job] = held.splice(0);
      if (!job) throw new Error("a job was enqueued");
      await end(at.store, at.env, job, { kind: "returned" });
      expect(held.splice(0)).toMatchObject([{ id, fence: 2 }]);
      await at.store.jobs.recover("BT_next");
      expect(held).toMatchObject([{ id, fence: 3 }]);
    });

    test("has the next one of a key when the one before it ends, and none beside it", async () => {
      const [first, second] = [await add({ concurrencyKey: "k" }), await add({ concurrencyKey: "k" })];
      expect(ids()).toEqual([first]);
      const [job] = held;
      if (job) await end(at.store, at.env, job, COMPLETED);
      expect(ids()).toEqual([first, second]);
    });

    test("has no job of a handler that is paused, none beyond its rate, and none that was cancelled beside", async () => {
      await at.store.limits.pause({ handler: LANE, by: "me", note: "" });
      await add();
      await at.store.limits.resume(LANE, "me");
      expect(ids()).toHaveLength(1); // Its lane was not said again: it was asked about all the same.
      await at.store.limits.set({ handler: LANE, perKey: null, rate: { count: 1, perMs: 1_000 }, burst: 1 });
      await at.store.jobs.enqueue([newJob(at.env), newJob(at.env)]);
      expect(ids()).toHaveLength(2);
      const cancelled = newJob(at.env, { priority: -1 });
      await at.env.advance(1_000);
      await Promise.all([at.store.jobs.enqueue([cancelled]), at.store.jobs.cancel(cancelled.id, "me")]);
      expect(ids()).toHaveLength(3);
      expect(ids()).not.toContain(cancelled.id);
    });

    test("has as many as there is room for, by priority, also among those that came before", async () => {
      room = [];
      const late = await add({ priority: 1 });
      room = [{ lane: LANE, limit: 2 }];
      const [worst, best] = [newJob(at.env, { priority: 2 }), newJob(at.env, { priority: 0 })];
      await at.store.jobs.enqueue([worst, best]);
      expect(ids()).toEqual([best.id, late]);
      room = [];
      expect(await at.store.jobs.get(worst.id)).toMatchObject({ state: "queued" });
    });

    test("has what others wrote, and nothing of a write that failed beside it", async () => {
      const good = newJob(at.env);
      const broken = newJob(at.env, { priority: Number.NaN });
      const [kept, failing] = await Promise.allSettled([
        at.store.jobs.enqueue([good]),
        at.store.jobs.enqueue([newJob(at.env), broken]),
      ]);
      expect([kept.status, failing.status]).toEqual(["fulfilled", "rejected"]);
      expect(ids()).toEqual([good.id]);
    });

    test("is asked by an offer, and nobody is when nobody serves", async () => {
      room = [];
      const id = await add();
      room = [{ lane: LANE, limit: 1 }];
      at.store.jobs.serve(null);
      await at.store.jobs.offer();
      expect(await at.store.jobs.get(id)).toMatchObject({ state: "queued", attempt: 0 });
    });

    test("a failed try comes back to it when it is due", async () => {
      const id = await add({ retry: { kind: "fixed", baseMs: 1_000, maxMs: 1_000 } });
      const [job] = held.splice(0);
      if (job) await end(at.store, at.env, job, failed());
      expect(held).toEqual([]);
      await at.env.advance(1_000);
      await at.store.jobs.promote(10);
      expect(held).toMatchObject([{ id, attempt: 2 }]);
    });
  });
}
