/** What every engine promises about objectives: each trouble is said once, when it begins and when it is over. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob } from "../../job/job.ts";
import { type Policy, POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import { COMPLETED, end, failed, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const START: Partial<Policy> = { mustStartWithinMs: 10 * SECOND };
const SUCCEED: Partial<Policy> = { mustSucceedWithinMs: 30 * SECOND };

export function objectiveSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: objectives`, () => {
    let at: Opened;
    let nodeId: string;
    beforeEach(async () => {
      at = await open();
      nodeId = await at.store.nodes.nodeId();
    });
    afterEach(() => at.close());

    const create = async (change: Partial<Policy>): Promise<Schedule> => {
      const policy = { ...POLICY_DEFAULT, maxAttempts: 1, ...change };
      const made = await at.store.schedules.create(newSchedule(at.env, { name: "report", policy }));
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const fire = () => at.store.schedules.fire({ nodeId, limit: 100 });
    const judge = async (waiting: string | null = null) => {
      const due = await at.store.objectives.due(nodeId, 100);
      await at.store.objectives.judge(due.map((run) => ({ ...run, waiting })));
    };
    /** Lets time pass as a host does: what is due is fired, promoted and judged, each second. */
    const pass = async (ms: number) => {
      for (const until = at.env.now() + ms; at.env.now() < until;) {
        await at.env.advance(Math.min(SECOND, until - at.env.now()));
        await fire();
        await at.store.jobs.promote(100);
        await judge();
      }
    };
    const claim = async (): Promise<HeldJob> => {
      const [job] = await at.store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 1 }] });
      if (!job) throw new Error("no job was claimed");
      return job;
    };
    const run = async (tookMs = 0) => {
      const job = await claim();
      await pass(tookMs);
      await end(at.store, at.env, job, COMPLETED);
    };
    const events = async () => {
      const { items } = await at.store.events.list({ after: 0 }, { limit: 100 });
      return items.filter(({ kind }) => kind.startsWith("schedule.objective-"));
    };
    const said = async () => (await events()).map(({ kind }) => kind.replace("schedule.objective-", ""));
    const messages = async () => (await events()).map(({ message }) => message);

    test.each([
      ["starts in time", START, 10 * SECOND, []],
      ["starts a millisecond late", START, 10 * SECOND + 1, ["missed"]],
      ["succeeds in time, whenever it starts", SUCCEED, 30 * SECOND, []],
      ["succeeds a millisecond late", SUCCEED, 30 * SECOND + 1, ["missed"]],
      ["starts late and succeeds in time", { ...START, ...SUCCEED }, 20 * SECOND, ["missed"]],
      ["of which nothing is wanted", {}, HOUR, []],
    ] as [string, Partial<Policy>, number, string[]][])(
      "a run that %s",
      async (_, policy, waitMs, expected) => {
        await create({ ...policy, missed: "skip", overlap: "skip", endAt: at.env.now() + MINUTE });
        await at.env.advance(MINUTE);
        await fire();
        await at.env.advance(waitMs);
        await run();
        await judge();
        expect(await said()).toEqual(expected);
        expect(await at.store.objectives.nextDueAt(nodeId)).toBeNull();
      },
    );

    test.each([
      [START, "did not start within 10s, because job JB is queued: it waits for a free slot."],
      [SUCCEED, "did not succeed within 30s, because job JB is queued: it waits for a free slot."],
    ] as [Partial<Policy>, string][])(
      "a run that nobody takes is said when its time is over: %j",
      async (policy, sentence) => {
        const { id } = await create(policy);
        await pass(2 * MINUTE - SECOND);
        const [message = ""] = await messages();
        expect(message.replace(/JB_\w+/, "JB")).toEndWith(sentence);
        expect(await said()).toEqual(["missed"]);
        const [missed] = await at.store.objectives.missed({ limit: 10 });
        expect(missed).toMatchObject({ scheduleId: id, name: "report", count: 1 });
      },
    );

    test("a run that started in time, and was tried again later, started in time", async () => {
      await create({
        ...START,
        mustSucceedWithinMs: 40 * SECOND,
        maxAttempts: 2,
        endAt: at.env.now() + MINUTE,
      });
      await pass(MINUTE + SECOND);
      await end(at.store, at.env, await claim(), failed({ retryAfterMs: 15 * SECOND }));
      await pass(15 * SECOND);
      await run();
      expect(await said()).toEqual([]);
    });

    test("why a queued job does not run is said by who knows it", async () => {
      await create(START);
      await at.env.advance(MINUTE);
      await fire();
      await at.env.advance(10 * SECOND + 1);
      expect(await at.store.objectives.due(nodeId, 10)).toMatchObject([{ queuedIn: "test.work" }]);
      await judge('no plugin offers "test.work"');
      const [message = ""] = await messages();
      expect(message).toEndWith('is queued: no plugin offers "test.work".');
    });

    test("many in a row are one trouble, and the first later run that meets it ends it", async () => {
      const { id } = await create({ ...START, overlap: "allow" });
      await pass(5 * MINUTE - SECOND);
      expect(await said()).toEqual(["missed"]);
      expect(await at.store.objectives.missed({ scheduleId: id, limit: 1 })).toMatchObject([{ count: 4 }]);
      for (let late = 0; late < 4; late++) await run();
      expect(await said()).toEqual(["missed"]);
      await pass(SECOND);
      await run(5 * SECOND);
      expect(await said()).toEqual(["missed", "recovered"]);
      expect(await messages()).toContainEqual(expect.stringMatching(/after 4 occurrences that missed it\.$/));
      expect(await at.store.objectives.missed({ limit: 1 })).toEqual([]);
    });

    test("a failed run has missed its success at once", async () => {
      await create({ mustSucceedWithinMs: 50 * SECOND });
      await pass(MINUTE);
      await end(at.store, at.env, await claim(), failed({ permanent: true, message: "no disk" }));
      expect((await messages())[0]?.replace(/JB_\w+/, "JB")).toBe(
        "Schedule report misses its objective: the run of 2026-01-01T00:01:00.000Z did not succeed within 50s, because job JB failed: no disk.",
      );
      await pass(MINUTE);
      await run();
      expect(await said()).toEqual(["missed", "recovered"]);
    });

    test("an occurrence that is skipped because the run before it goes on has missed it", async () => {
      await create({ mustSucceedWithinMs: HOUR });
      await pass(MINUTE);
      const long = await claim();
      await pass(2 * MINUTE);
      expect(await said()).toEqual(["missed"]);
      expect((await messages())[0]).toContain(
        `the run before it had not ended (overlap: skip): job ${long.id}`,
      );
      await end(at.store, at.env, long, COMPLETED); // Its own occurrence is older than those that missed it.
      expect(await said()).toEqual(["missed"]);
      await pass(MINUTE);
      await run();
      expect(await said()).toEqual(["missed", "recovered"]);
    });

    test("the reason that is shown is that of a run, where one has missed it, and not of those that it kept away", async () => {
      const { id } = await create(START);
      await pass(4 * MINUTE);
      const [missed] = await at.store.objectives.missed({ scheduleId: id, limit: 1 });
      expect(missed).toMatchObject({ count: 4, objective: "start" });
      expect(missed?.reason).toEndWith("is queued: it waits for a free slot");
    });

    test("one that waits for its turn is watched, and the wait is the reason", async () => {
      await create({ ...START, overlap: "buffer-one" });
      await pass(MINUTE);
      const long = await claim();
      await pass(MINUTE + 11 * SECOND);
      expect((await messages())[0]).toEndWith(`it waits for the run before it to end: job ${long.id}.`);
    });

    test("an outage is one trouble, with the number of what it cost", async () => {
      const { id } = await create({ ...START, missed: "skip" });
      await at.env.advance(3 * HOUR + 30 * SECOND);
      await fire();
      expect(await said()).toEqual(["missed"]);
      expect((await messages())[0]).toContain("because no host was there to start it (missed: skip)");
      expect(await at.store.objectives.missed({ scheduleId: id, limit: 1 })).toMatchObject([{ count: 180 }]);
    });

    test("those that one run stands for have missed it when their time was over, and not before", async () => {
      const lax = await create({ mustSucceedWithinMs: 5 * HOUR });
      await at.env.advance(3 * HOUR);
      await fire();
      expect(await said()).toEqual([]);
      await run();
      expect(await at.store.objectives.missed({ scheduleId: lax.id, limit: 1 })).toEqual([]);
    });

    test.each([
      ["is paused", async (id: string) => at.store.schedules.pause(id, { note: "", by: "me", until: null })],
      ["is deleted", async (id: string) => at.store.schedules.delete(id, "me")],
    ])("what waits when the schedule %s is asked nothing any more", async (_, stop) => {
      const { id } = await create({ ...START, overlap: "buffer-one", endAt: at.env.now() + 2 * MINUTE });
      await pass(MINUTE);
      await claim();
      await pass(MINUTE);
      await stop(id);
      await pass(2 * MINUTE);
      expect(await said()).toEqual([]);
    });

    test("a pause and a blackout miss nothing", async () => {
      const blackouts = [{ from: at.env.now(), to: at.env.now() + HOUR, note: "" }];
      const { id } = await create({ ...START, blackouts });
      await pass(HOUR - MINUTE);
      await at.store.schedules.pause(id, { note: "", by: "me", until: null });
      await at.env.advance(HOUR);
      await at.store.schedules.resume(id);
      await judge();
      expect(await said()).toEqual([]);
    });

    test("jitter is no lateness", async () => {
      await create({ ...START, jitterMs: 50 * SECOND });
      let runs = 0;
      for (let second = 0; second < 300; second++) {
        await pass(SECOND);
        const jobs = await at.store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 9 }] });
        for (const job of jobs) await end(at.store, at.env, job, COMPLETED);
        runs += jobs.length;
      }
      expect(runs).toBeGreaterThan(3);
      expect(await said()).toEqual([]);
    });

    test.each([
      ["cleared", (id: string) => at.store.schedules.update(id, { policy: POLICY_DEFAULT })],
      ["deleted with its schedule", (id: string) => at.store.schedules.delete(id, "me")],
    ])("an objective that is %s while it is missed is said to be gone", async (_, drop) => {
      const { id } = await create(START);
      await pass(MINUTE + 11 * SECOND);
      await drop(id);
      await pass(2 * MINUTE);
      expect(await said()).toEqual(["missed", "dropped"]);
      expect(await at.store.objectives.nextDueAt(nodeId)).toBeNull();
    });

    test("a tighter objective holds for the runs that are under way", async () => {
      const { id, policy } = await create({ mustStartWithinMs: HOUR });
      await pass(MINUTE + 30 * SECOND);
      await at.store.schedules.update(id, { policy: { ...policy, ...START } });
      await judge();
      expect(await said()).toEqual(["missed"]);
    });

    test("judging twice says nothing twice", async () => {
      await create(START);
      await at.env.advance(MINUTE);
      await fire();
      await at.env.advance(11 * SECOND);
      const due = (await at.store.objectives.due(nodeId, 10)).map((one) => ({ ...one, waiting: null }));
      await Promise.all([at.store.objectives.judge(due), at.store.objectives.judge(due)]);
      expect(await said()).toEqual(["missed"]);
    });

    test("a run that started between looking and judging, in time, misses nothing", async () => {
      await create(START);
      await at.env.advance(MINUTE);
      await fire();
      const early = await claim();
      await at.env.advance(11 * SECOND);
      const key = { scheduleId: early.scheduleId ?? "", node: "", occurrence: early.occurrence ?? 0 };
      await at.store.objectives.judge([{ ...key, waiting: "nobody is there" }]);
      expect(await said()).toEqual([]);
    });
  });
}
