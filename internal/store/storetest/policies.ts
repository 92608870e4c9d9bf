/** What every engine promises about runs that meet, runs that were missed, and spans in which nothing fires. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob } from "../../job/job.ts";
import {
  type OccurrenceOutcome,
  type OverlapPolicy,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
} from "../../schedule/schedule.ts";
import { COMPLETED, end, failed, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const BOOT = "BT_x";

export function policySuite(engine: string, open: OpenStore): void {
  describe(`${engine}: policies`, () => {
    let at: Opened;
    let nodeId: string;
    let start: number;
    beforeEach(async () => {
      at = await open();
      nodeId = await at.store.nodes.nodeId();
      start = at.env.now();
    });
    afterEach(() => at.close());

    const create = async (change: Partial<Policy>, everyMs = MINUTE): Promise<Schedule> => {
      const policy = { ...POLICY_DEFAULT, ...change };
      const made = await at.store.schedules.create(
        newSchedule(at.env, { policy, spec: { kind: "every", everyMs } }),
      );
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const fire = () => at.store.schedules.fire({ nodeId, limit: 100 });
    const tick = async (ms: number) => {
      await at.env.advance(ms);
      await at.store.jobs.promote(100);
      return fire();
    };
    const claim = () => at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane: "test.work", limit: 100 }] });
    const claimOne = async (): Promise<HeldJob> => {
      const [job] = await claim();
      if (!job) throw new Error("no job was claimed");
      return job;
    };
    const offset = (occurrence: number | null) => ((occurrence ?? 0) - start) / SECOND;
    const ledger = async (id: string): Promise<[number, OccurrenceOutcome, number][]> => {
      const { items } = await at.store.schedules.ledger(id, {}, { limit: 1_000 });
      return items.map((row) => [offset(row.occurrence), row.outcome, row.count]);
    };
    const outcomes = async (id: string) => (await ledger(id)).map(([, outcome]) => outcome);

    test.each(["cancel-other", "terminate-other"] as OverlapPolicy[])(
      "overlap %s: a change that finds an occurrence due says at the next fire whose run it has ended",
      async (overlap) => {
        const schedule = await create({ overlap });
        await tick(MINUTE);
        const { id } = await claimOne();
        await at.env.advance(MINUTE);
        await at.store.schedules.update(schedule.id, { description: "changed" });
        expect((await fire()).stopped).toEqual([id]);
        expect((await fire()).stopped).toEqual([]);
      },
    );

    test.each([
      // mode              after three occurrences of a run that takes long      after it has ended
      [
        "skip",
        ["fired", "skipped-overlap", "skipped-overlap"],
        ["fired", "skipped-overlap", "skipped-overlap"],
      ],
      ["allow", ["fired", "fired", "fired"], ["fired", "fired", "fired"]],
      ["buffer-one", ["fired", "pending", "skipped-overlap"], ["fired", "fired-late", "skipped-overlap"]],
      ["buffer-all", ["fired", "pending", "pending"], ["fired", "fired-late", "pending"]],
      ["cancel-other", ["fired", "pending", "pending"], ["fired", "skipped-overlap", "fired-late"]],
      ["terminate-other", ["fired", "fired", "fired"], ["fired", "fired", "fired"]],
    ] as [OverlapPolicy, OccurrenceOutcome[], OccurrenceOutcome[]][])(
      "overlap %s",
      async (overlap, during, after) => {
        const schedule = await create({ overlap });
        await tick(MINUTE);
        const first = await claimOne();
        await tick(MINUTE);
        await tick(MINUTE);
        if (overlap === "cancel-other") during[1] = "skipped-overlap";
        expect(await outcomes(schedule.id)).toEqual(during);
        await at.env.advance(10 * SECOND);
        await end(at.store, at.env, first, COMPLETED);
        await fire();
        expect(await outcomes(schedule.id)).toEqual(after);
      },
    );

    test("buffered occurrences run one after the other, each when the one before it has ended", async () => {
      const schedule = await create({ overlap: "buffer-all" }, 10 * SECOND);
      await tick(10 * SECOND);
      let job = await claimOne();
      for (let i = 0; i < 3; i++) await tick(10 * SECOND);
      const order = [offset(job.occurrence)];
      for (let i = 0; i < 3; i++) {
        await end(at.store, at.env, job, i === 1 ? failed({ permanent: true }) : COMPLETED);
        await fire();
        const claimed = await claim();
        expect(claimed).toHaveLength(1);
        job = claimed[0] ?? job;
        order.push(offset(job.occurrence));
      }
      expect(order).toEqual([10, 20, 30, 40]);
      expect(await outcomes(schedule.id)).toEqual(["fired", "fired-late", "fired-late", "fired"]);
    });

    test("who waits when the limit of runs is lowered does not run, and the schedule is finished", async () => {
      const schedule = await create({ overlap: "buffer-all", runsMax: 3 });
      await tick(MINUTE);
      const running = await claimOne();
      await tick(MINUTE);
      await tick(MINUTE);
      const policy = { ...POLICY_DEFAULT, overlap: "buffer-all" as const, runsMax: 1 };
      expect(await at.store.schedules.update(schedule.id, { policy })).toMatchObject({ state: "active" });
      await end(at.store, at.env, running, COMPLETED);
      expect((await tick(0)).jobs).toEqual([]);
      expect(await outcomes(schedule.id)).toEqual(["fired", "skipped-overlap", "skipped-overlap"]);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished", runCount: 1 });
    });

    test("a cursor that was left behind stays where it is, blackouts or not", async () => {
      const blackouts = [{ from: start, to: start + DAY, note: "" }];
      const schedule = await create({ blackouts });
      await at.env.advance(MINUTE);
      await at.store.schedules.update(schedule.id, { locking: "node-local" });
      await at.env.advance(MINUTE);
      await at.store.schedules.delete(schedule.id, "me");
      const { items } = await at.store.schedules.ledger(schedule.id, {}, {});
      expect(items.map(({ node, count }) => [node, count])).toEqual([
        ["", 1],
        [nodeId, 1],
      ]);
    });

    test("cancel-other asks the running one to end, and starts when it has", async () => {
      const schedule = await create({ overlap: "cancel-other" });
      await tick(MINUTE);
      const first = await claimOne();
      expect((await tick(MINUTE)).stopped).toEqual([first.id]);
      expect(await at.store.jobs.get(first.id)).toMatchObject({ state: "running", cancelRequested: true });
      expect(await claim()).toEqual([]);
      await end(at.store, at.env, first, { kind: "cancelled", message: "stopped" });
      await fire();
      expect((await claimOne()).occurrence).toBe(start + 2 * MINUTE);
      expect(await outcomes(schedule.id)).toEqual(["fired", "fired"]);
    });

    test("cancel-other takes the place of a run that has not begun at once", async () => {
      const schedule = await create({ overlap: "cancel-other" });
      const { jobs } = await tick(MINUTE);
      expect((await tick(MINUTE)).stopped).toEqual([]);
      await fire();
      expect(await at.store.jobs.get(jobs[0]?.id ?? "")).toMatchObject({ state: "cancelled" });
      expect((await claimOne()).occurrence).toBe(start + 2 * MINUTE);
      expect(await outcomes(schedule.id)).toEqual(["fired", "fired"]);
    });

    test("who waits for a run that has ended starts at once, also when the plan changes at that moment", async () => {
      const schedule = await create({ overlap: "cancel-other" });
      await tick(MINUTE);
      await at.env.advance(MINUTE);
      await at.store.schedules.update(schedule.id, { spec: { kind: "every", everyMs: HOUR } });
      expect(await outcomes(schedule.id)).toEqual(["fired", "pending"]);
      await fire();
      expect(await outcomes(schedule.id)).toEqual(["fired", "fired"]);
    });

    test("terminate-other fences the running one at once, and starts after its grace", async () => {
      await create({ overlap: "terminate-other" });
      await tick(MINUTE);
      const first = await claimOne();
      expect((await tick(MINUTE)).stopped).toEqual([first.id]);
      expect(await at.store.jobs.get(first.id)).toMatchObject({ state: "cancelled" });
      expect(await end(at.store, at.env, first, COMPLETED)).toBe(false);
      expect(await claim()).toEqual([]);
      await at.env.advance(5 * SECOND);
      await at.store.jobs.promote(10);
      expect((await claimOne()).occurrence).toBe(start + 2 * MINUTE);
    });

    test("all missed runs are made up for in sequence, the latest of them, and the others are accounted for", async () => {
      const schedule = await create({ missed: "all", missedMax: 3 });
      await tick(HOUR + 30 * SECOND);
      expect(await ledger(schedule.id)).toEqual([
        [60, "skipped-missed", 57],
        [3_480, "caught-up", 1],
        [3_540, "pending", 1],
        [3_600, "pending", 1],
      ]);
      for (const occurrence of [3_480, 3_540, 3_600]) {
        await at.env.advance(SECOND);
        await at.store.jobs.promote(10);
        const job = await claimOne();
        expect([offset(job.occurrence), job.catchup]).toEqual([occurrence, true]);
        await end(at.store, at.env, job, COMPLETED);
        await fire();
      }
      expect(await claim()).toEqual([]);
      expect((await outcomes(schedule.id)).filter((outcome) => outcome === "caught-up")).toHaveLength(3);
    });

    test("a thousand schedules that wake up together start one after the other", async () => {
      for (let i = 0; i < 20; i++) await create({}, DAY);
      await tick(DAY + HOUR);
      const jobs = (await at.store.jobs.list({}, { limit: 100 })).items;
      const starts = jobs.map(({ runAt }) => runAt).toSorted((a, b) => a - b);
      expect(jobs).toHaveLength(20);
      expect(new Set(starts).size).toBe(20);
      expect((starts.at(-1) ?? 0) - (starts[0] ?? 0)).toBeLessThan(SECOND);
    });

    test("an occurrence that waited too long expires, and so does a job that nobody started", async () => {
      const schedule = await create({ overlap: "buffer-one", latenessMaxMs: 5 * MINUTE }, 2 * MINUTE);
      await tick(2 * MINUTE);
      const first = await claimOne();
      for (let i = 0; i < 8; i++) await tick(MINUTE);
      expect((await outcomes(schedule.id)).slice(0, 2)).toEqual(["fired", "expired"]);
      await end(at.store, at.env, first, COMPLETED);
      const { jobs } = await fire();
      await at.env.advance(10 * MINUTE);
      await at.store.jobs.promote(10);
      expect(await at.store.jobs.get(jobs[0]?.id ?? "")).toMatchObject({
        state: "failed",
        error: { kind: "expired" },
      });
    });

    test("nothing fires in a blackout, and every occurrence in it is accounted for when it ends", async () => {
      const blackouts = [{ from: start + 2 * MINUTE, to: start + 5 * MINUTE, note: "the hotel is closed" }];
      const schedule = await create({ blackouts, overlap: "allow" });
      for (let i = 0; i < 5; i++) await tick(MINUTE);
      expect(await ledger(schedule.id)).toEqual([
        [60, "fired", 1],
        [120, "blackout", 3],
        [300, "fired", 1],
      ]);
      const { items } = await at.store.schedules.ledger(schedule.id, {}, {});
      expect(items[1]?.note).toBe("the hotel is closed");
    });

    test("an outage over a blackout, and a change in the middle of one, lose nothing", async () => {
      const blackouts = [{ from: start + 10 * MINUTE, to: start + 20 * MINUTE, note: "" }];
      const slept = await create({ blackouts, overlap: "allow" });
      const changed = await create({ blackouts, overlap: "allow" });
      await at.env.advance(15 * MINUTE);
      await at.store.schedules.update(changed.id, { spec: { kind: "every", everyMs: HOUR } });
      await tick(15 * MINUTE);
      const count = async (id: string) => (await ledger(id)).reduce((sum, [, , rows]) => sum + rows, 0);
      expect(await count(slept.id)).toBe(30);
      expect(await count(changed.id)).toBe(15);
      expect((await ledger(slept.id)).find(([, outcome]) => outcome === "blackout")?.[2]).toBe(10);
    });

    test("an occurrence may wait for its jitter until behind a blackout, which is accounted for after it", async () => {
      const blackouts = [{ from: start + 5 * MINUTE, to: start + 15 * MINUTE, note: "" }];
      const made = await Promise.all(
        Array.from({ length: 20 }, () => create({ blackouts, jitterMs: HOUR, overlap: "allow" }, 4 * MINUTE)),
      );
      for (let minute = 0; minute < 40; minute++) expect((await tick(MINUTE)).broken).toEqual([]);
      for (const { id } of made) {
        const rows = await ledger(id);
        expect(rows.filter(([, outcome]) => outcome === "blackout")).toEqual([[8 * 60, "blackout", 2]]);
        expect(rows.slice(0, 3).map(([at]) => at / 60)).toEqual([4, 8, 16]);
      }
    });

    test("a blackout that goes on after the last day of a schedule ends with it", async () => {
      const blackouts = [{ from: start + 30 * SECOND, to: start + 200 * SECOND, note: "" }];
      const schedule = await create({ blackouts, endAt: start + 150 * SECOND });
      expect(await tick(205 * SECOND)).toMatchObject({ jobs: [], broken: [], nextDueAt: null });
      expect(await ledger(schedule.id)).toEqual([[60, "blackout", 2]]);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished" });
    });

    test("failures pause the cursor in force, also when the run was of the one before", async () => {
      const schedule = await create({ pauseAfterFailures: 1, overlap: "allow" });
      await tick(MINUTE);
      await at.store.schedules.update(schedule.id, { locking: "node-local" });
      await end(at.store, at.env, await claimOne(), failed({ permanent: true }));
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "paused" });
      expect(await tick(MINUTE)).toMatchObject({ jobs: [], broken: [], nextDueAt: null });
    });

    test("a pause with an end ends by itself, at that moment, however late somebody looks", async () => {
      const schedule = await create({ overlap: "allow" });
      await at.store.schedules.pause(schedule.id, { note: "lunch", by: "me", until: start + 150 * SECOND });
      await tick(2 * MINUTE);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "paused" });
      await tick(2 * MINUTE);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "active", pause: null });
      expect(await ledger(schedule.id)).toEqual([
        [60, "paused", 2],
        [180, "coalesced", 1],
        [240, "fired", 1],
      ]);
    });

    test("a start that is still to come may be put earlier, also when a pause has ended before it", async () => {
      const schedule = await create({ startAt: start + DAY, overlap: "allow" });
      await at.store.schedules.pause(schedule.id, { note: "", by: "me", until: start + HOUR });
      await tick(2 * HOUR);
      await at.store.schedules.update(schedule.id, { policy: { ...POLICY_DEFAULT, overlap: "allow" } });
      await tick(MINUTE);
      expect(await ledger(schedule.id)).toEqual([[7_260, "fired", 1]]);
    });

    test("failures in a row pause the schedule, and a success in between forgets them", async () => {
      const schedule = await create({ pauseAfterFailures: 2 });
      for (const outcome of [failed({ permanent: true }), COMPLETED, failed({ permanent: true })]) {
        await tick(MINUTE);
        await end(at.store, at.env, await claimOne(), outcome);
      }
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "active", failures: 1 });
      await tick(MINUTE);
      await end(at.store, at.env, await claimOne(), failed({ permanent: true }));
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({
        state: "paused",
        pause: { by: "host", note: "2 runs in a row failed" },
      });
    });

    test("a schedule whose runs take longer than its interval says how often it really runs, once", async () => {
      const { id, name } = await create({}, 20 * SECOND);
      const run = async (tookMs: number) => {
        await tick(20 * SECOND - ((at.env.now() - start) % (20 * SECOND)));
        const job = await claimOne();
        for (let left = tookMs; left > 0; left -= 10 * SECOND) await tick(Math.min(left, 10 * SECOND));
        await end(at.store, at.env, job, COMPLETED);
        return (await at.store.schedules.get(id))?.slow;
      };
      const events = async () => (await at.store.events.list({ subject: id }, {})).items;
      expect(await run(5 * SECOND)).toBeNull();
      for (let i = 0; i < 4; i++) await run(50 * SECOND);
      const slow = { everyMs: 20 * SECOND, effectiveMs: 60 * SECOND, tookMs: 50 * SECOND };
      expect((await at.store.schedules.get(id))?.slow).toEqual(slow);
      expect(await events()).toMatchObject([
        { kind: "schedule.slow", message: expect.stringContaining("take 50s, longer than the 20s") },
      ]);
      expect((await events())[0]?.message).toContain(name || id);
      expect((await ledger(id)).slice(0, 8).map(([second, outcome]) => `${second} ${outcome}`)).toEqual([
        "20 fired",
        "40 fired",
        "60 skipped-overlap",
        "80 skipped-overlap",
        "100 fired",
        "120 skipped-overlap",
        "140 skipped-overlap",
        "160 fired",
      ]);

      for (let i = 0; i < 3; i++) await run(SECOND / 2);
      expect((await at.store.schedules.get(id))?.slow).toBeNull();
      expect((await events()).map(({ kind }) => kind)).toEqual(["schedule.keeps-up", "schedule.slow"]);
    });

    test("a changed schedule is not called slow until a run of it was", async () => {
      const { id } = await create({}, 20 * SECOND);
      await tick(20 * SECOND);
      const job = await claimOne();
      await at.env.advance(50 * SECOND);
      await end(at.store, at.env, job, COMPLETED);
      expect((await at.store.schedules.get(id))?.slow?.effectiveMs).toBe(60 * SECOND);
      await at.store.schedules.update(id, { spec: { kind: "every", everyMs: HOUR } });
      expect((await at.store.schedules.get(id))?.slow).toBeNull();
    });

    test("who waits when the schedule is paused or deleted does not run", async () => {
      for (const [verb, outcome] of [
        ["pause", "paused"],
        ["delete", "deleted"],
      ] as const) {
        const schedule = await create({ overlap: "buffer-one" });
        await tick(MINUTE);
        const running = await claimOne();
        await tick(MINUTE);
        if (verb === "pause")
          await at.store.schedules.pause(schedule.id, { note: "", by: "me", until: null });
        else await at.store.schedules.delete(schedule.id, "me");
        await end(at.store, at.env, running, COMPLETED);
        await fire();
        expect(await outcomes(schedule.id)).toEqual(["fired", outcome]);
        expect(await claim()).toEqual([]);
        await at.store.schedules.delete(schedule.id, "me");
      }
    });
  });
}
