/** What every engine promises about the attempts of a job: what is remembered of them, and how often they may end early. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { HISTORY_ATTEMPTS_MAX, HISTORY_CHARS_MAX, JOB_SNOOZES_MAX } from "../../job/job.ts";
import { COMPLETED, end, failed, newJob, type Opened, type OpenStore } from "./fixture.ts";

const LANE = "test.work";

export function attemptSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: attempts`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const enqueue = async (maxAttempts = 100) => {
      const retry = { kind: "fixed", baseMs: 0, maxMs: 0 } as const;
      const job = newJob(at.env, { maxAttempts, retry });
      await at.store.jobs.enqueue([job]);
      return job.id;
    };
    const claim = async (bootId = "BT_one") => {
      await at.store.jobs.promote(10);
      const [job] = await at.store.jobs.claim({ bootId, lanes: [{ lane: LANE, limit: 1 }] });
      if (!job) throw new Error("no job was claimed");
      return job;
    };
    const historyOf = async (id: string) => (await at.store.jobs.get(id))?.history;

    test("each attempt that does not complete its job is remembered, with what ran it", async () => {
      const id = await enqueue();
      const endings = [
        failed({ message: "no route", errorKind: "Offline" }),
        { kind: "lost", alone: true, message: "exit 139" },
        COMPLETED,
      ] as const;
      for (const [index, ending] of endings.entries()) {
        const job = await claim();
        await at.env.advance(5);
        await end(at.store, at.env, { ...job, pluginVersion: `1.${index}`, pluginDigest: "abc" }, ending);
      }
      const about = { pluginDigest: "abc", endedAt: expect.any(Number), startedAt: expect.any(Number) };
      expect(await historyOf(id)).toEqual([
        { ...about, attempt: 1, fence: 1, kind: "Offline", message: "no route", pluginVersion: "1.0" },
        { ...about, attempt: 2, fence: 2, kind: "lost", message: "exit 139", pluginVersion: "1.1" },
      ]);
      expect(await at.store.jobs.get(id)).toMatchObject({
        state: "completed",
        attempt: 2,
        pluginVersion: "1.2",
        pluginDigest: "abc",
      });
    });

    test("an answer that comes when its job has another holder is refused, and the job remembers it", async () => {
      const id = await enqueue();
      const slept = await claim("BT_slept");
      await at.store.jobs.recover("BT_two");
      expect(await end(at.store, at.env, slept, COMPLETED)).toBe(false);
      const second = await claim("BT_two");
      expect(await end(at.store, at.env, slept, failed({ message: "no route" }))).toBe(false);
      // That its process died, or that it was told to end, is no answer.
      for (const ending of [
        { kind: "lost", alone: true, message: "exit 139" },
        { kind: "returned" },
        { kind: "cancelled", message: "m" },
      ] as const)
        expect(await end(at.store, at.env, slept, ending)).toBe(false);
      expect(await end(at.store, at.env, second, COMPLETED)).toBe(true);
      expect(await end(at.store, at.env, second, COMPLETED)).toBe(false); // Said twice, not late.
      const said = "its answer came too late and was refused";
      expect(await historyOf(id)).toMatchObject([
        { attempt: 1, fence: 1, kind: "interrupted" },
        { attempt: 1, fence: 1, kind: "late", message: `${said}: it had completed` },
        { attempt: 1, fence: 1, kind: "late", message: `${said}: no route` },
      ]);
      expect(await at.store.jobs.get(id)).toMatchObject({ state: "completed", fence: 2, attempt: 1 });
    });

    test("what a job remembers while it runs is not forgotten when that attempt fails, or is lost", async () => {
      const id = await enqueue();
      const slept = await claim("BT_slept");
      await at.store.jobs.recover("BT_two");
      for (const ending of [failed(), { kind: "lost", alone: true, message: "exit 139" }] as const) {
        const holder = await claim("BT_two");
        await end(at.store, at.env, slept, COMPLETED);
        expect(await end(at.store, at.env, holder, ending)).toBe(true);
      }
      const kinds = (await historyOf(id))?.map(({ kind }) => kind);
      expect(kinds).toEqual(["interrupted", "late", "Error", "late", "lost"]);
    });

    test("what completes, snoozes or is given back has no history", async () => {
      const id = await enqueue();
      await end(at.store, at.env, await claim(), { kind: "returned" });
      await end(at.store, at.env, await claim(), { kind: "snoozed", delayMs: 0 });
      await end(at.store, at.env, await claim(), COMPLETED);
      expect(await at.store.jobs.get(id)).toMatchObject({ state: "completed", history: [], snoozed: 1 });
    });

    test("what an attempt saves is the next one's, unless its fence no longer holds", async () => {
      const id = await enqueue();
      const first = await claim();
      const [early, late] = [new Uint8Array([1]), new Uint8Array([2])];
      await at.store.jobs.progress([{ id, fence: first.fence, checkpoint: early }]);
      await end(at.store, at.env, first, { kind: "lost", alone: true, message: "exit 139" });
      const second = await claim();
      expect(second.checkpoint).toEqual(early);
      await at.store.jobs.progress([{ id, fence: first.fence, checkpoint: late }]);
      await end(at.store, at.env, second, { kind: "returned" });
      expect((await claim()).checkpoint).toEqual(early);
    });

    test("of many attempts the latest are remembered, and of a long sentence its beginning", async () => {
      const id = await enqueue();
      for (let attempt = 1; attempt <= HISTORY_ATTEMPTS_MAX + 3; attempt++)
        await end(at.store, at.env, await claim(), failed({ message: "x".repeat(2 * HISTORY_CHARS_MAX) }));
      const history = (await historyOf(id)) ?? [];
      expect(history.map(({ attempt }) => attempt)).toEqual(
        Array.from({ length: HISTORY_ATTEMPTS_MAX }, (_, index) => index + 4),
      );
      expect(history[0]?.message).toHaveLength(HISTORY_CHARS_MAX + 1);
      expect((await at.store.jobs.get(id))?.error?.message).toHaveLength(2 * HISTORY_CHARS_MAX);
    });

    test("an attempt that ended with its host is remembered too, and so few of them", async () => {
      const id = await enqueue();
      await end(at.store, at.env, await claim("BT_0"), failed());
      for (let boot = 1; boot <= HISTORY_ATTEMPTS_MAX; boot++) {
        const held = (await at.store.jobs.get(id))?.state === "running";
        if (!held) await claim(`BT_${boot}`);
        await at.store.jobs.recover(`BT_${boot + 1}`);
      }
      const history = (await historyOf(id)) ?? [];
      expect(history).toHaveLength(HISTORY_ATTEMPTS_MAX);
      expect(history.at(-1)).toMatchObject({ attempt: 2, kind: "interrupted", pluginVersion: null });
    });

    test("a job that asks again and again to run later has failed some day", async () => {
      const id = await enqueue();
      const job = { ...(await claim()), snoozed: JOB_SNOOZES_MAX - 1 };
      await end(at.store, at.env, job, { kind: "snoozed", delayMs: 0 });
      expect(await at.store.jobs.get(id)).toMatchObject({ state: "scheduled", snoozed: JOB_SNOOZES_MAX });
      await end(at.store, at.env, await claim(), { kind: "snoozed", delayMs: 0 });
      expect(await at.store.jobs.get(id)).toMatchObject({ state: "failed", error: { kind: "snoozed" } });
    });
  });
}
