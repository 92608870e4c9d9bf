/** What every engine promises about jobs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { JobState, NewJob } from "../../job/job.ts";
import { JOB_LOST_MAX } from "../../job/job.ts";
import type { JobFilter, LaneRequest } from "../jobs.ts";
import { type Settlement, settle } from "../../job/outcome.ts";
import { COMPLETED, end, failed, newAttestation, newJob, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_one";
const LANE = "test.work";

export function jobSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: jobs`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const claim = (limit = 10, lane = LANE, bootId = BOOT) =>
      at.store.jobs.claim({ bootId, lanes: [{ lane, limit }] });
    const claimOne = async () => {
      const [job] = await claim(1);
      if (!job) throw new Error("no job was claimed");
      return job;
    };
    const stateOf = async (id: string) => (await at.store.jobs.get(id))?.state;

    test("whose a job is, is told without reading it, and of none is nothing", async () => {
      const job = newJob(at.env, { tenant: "acme", plugin: "demo", owner: "plugin:other" });
      await at.store.jobs.enqueue([job]);
      expect(await at.store.jobs.whose(job.id)).toEqual({
        tenant: "acme",
        plugin: "demo",
        handler: job.handler,
        owner: "plugin:other",
      });
      expect(await at.store.jobs.whose("JB_none")).toBeNull();
    });

    test("what was enqueued is given back as it was sent", async () => {
      const payload = new Uint8Array([0, 255, 10, 0]);
      const job = newJob(at.env, {
        payload,
        priority: -3,
        uniqueKey: "k",
        timeoutMs: 1234,
        source: "s",
        owner: "o",
      });
      expect(await at.store.jobs.enqueue([job])).toEqual([{ id: job.id, state: "queued", created: true }]);
      expect(await at.store.jobs.get(job.id)).toMatchObject({
        id: job.id,
        payload,
        priority: -3,
        uniqueKey: "k",
        timeoutMs: 1234,
        state: "queued",
        attempt: 0,
        fence: 0,
        createdAt: at.env.now(),
      });
    });

    test("the same id is enqueued once", async () => {
      const job = newJob(at.env);
      await at.store.jobs.enqueue([job]);
      expect(await at.store.jobs.enqueue([{ ...job, handler: "other" }])).toEqual([
        { id: job.id, state: "queued", created: false },
      ]);
      expect((await at.store.jobs.list({}, {})).items).toHaveLength(1);
    });

    test("a job that is there already is so also behind a row of another kind", async () => {
      const jobs = [newJob(at.env), newJob(at.env), newJob(at.env)];
      await at.store.jobs.enqueue(jobs);
      await at.store.attestations.create([newAttestation(at.env)]);
      const again = await at.store.jobs.enqueue(jobs.slice(2));
      expect(again.map(({ created }) => created)).toEqual([false]);
    });

    test.each([{ tenant: "globex" }, { owner: "plugin:other" }])(
      "an id that a job of somebody else has (%j) is refused, and no job is lost in silence",
      async (whose) => {
        const job = newJob(at.env, { tenant: "acme", owner: "plugin:mine" });
        await at.store.jobs.enqueue([job]);
        const again = [newJob(at.env), { ...job, ...whose }];
        await expect(at.store.jobs.enqueue(again)).rejects.toThrow(`The id "${job.id}" is taken.`);
        expect((await at.store.jobs.list({}, {})).items).toHaveLength(1);
      },
    );

    test("of many jobs, each is written once, in its place and as it was sent, and whose id is taken is said", async () => {
      const before = [newJob(at.env), newJob(at.env)];
      await at.store.jobs.enqueue(before);
      const jobs = Array.from({ length: 137 }, (_, n) =>
        newJob(at.env, {
          payload: new Uint8Array([n]),
          retry: { kind: "fixed", baseMs: n < 50 ? 1_000 : 2_000, maxMs: 9_000 },
          ...(n === 70 && { uniqueKey: "k" }),
          ...(n === 71 && { uniqueKey: "k" }),
          ...(n === 72 && { runAt: at.env.now() + 1 }),
        }),
      );
      const taken = new Map([
        [3, before[0]],
        [60, before[1]],
        [61, jobs[59]], // As one before it in the same call.
        [71, jobs[70]],
      ]);
      const asked = jobs.map((job, n) => ({ ...job, id: n === 71 ? job.id : (taken.get(n)?.id ?? job.id) }));
      const enqueued = await at.store.jobs.enqueue(asked);
      const expected = asked.map(({ id }, n) => ({
        id: taken.get(n)?.id ?? id,
        state: n === 72 ? "scheduled" : "queued",
        created: !taken.has(n),
      }));
      expect(enqueued as unknown[]).toEqual(expected);
      const claimed = await claim(200);
      const own = asked.filter((_, n) => !taken.has(n) && n !== 72);
      expect(claimed.map(({ id, payload, retry }) => ({ id, payload, retry }))).toEqual([
        ...before.map(({ id, payload }) => ({ id, payload, retry: null })),
        ...own.map(({ id, payload, retry = null }) => ({ id, payload, retry })),
      ]);
    });

    test("a unique key holds while its job is active, and no longer", async () => {
      const first = newJob(at.env, { uniqueKey: "k" });
      await at.store.jobs.enqueue([first]);
      const [again] = await at.store.jobs.enqueue([newJob(at.env, { uniqueKey: "k" })]);
      expect(again).toEqual({ id: first.id, state: "queued", created: false });
      await end(at.store, at.env, await claimOne(), COMPLETED);
      const [third] = await at.store.jobs.enqueue([newJob(at.env, { uniqueKey: "k" })]);
      expect(third?.created).toBe(true);
    });

    test("a unique key that is held for a while is held so long, and no shorter", async () => {
      const held = newJob(at.env, { uniqueKey: "k", uniqueForMs: 60_000 });
      await at.store.jobs.enqueue([held]);
      await end(at.store, at.env, await claimOne(), COMPLETED);
      const again = async (job = {}) => {
        const [enqueued] = await at.store.jobs.enqueue([newJob(at.env, { uniqueKey: "k", ...job })]);
        return enqueued;
      };
      expect(await again()).toEqual({ id: held.id, state: "completed", created: false });
      expect((await again({ tenant: "other" }))?.created).toBe(true);
      expect((await again({ uniqueKey: "l" }))?.created).toBe(true);
      await at.env.advance(59_999);
      expect((await again())?.created).toBe(false);
      await at.env.advance(1);
      expect((await again())?.created).toBe(true);
    });

    test.each([
      // is                              runAt offset   state
      ["a job without a time", undefined, "queued"],
      ["a job due now", 0, "queued"],
      ["a job due in the past", -1, "queued"],
      ["a job due in a millisecond", 1, "scheduled"],
    ] as [string, number | undefined, JobState][])("%s", async (_, offset, state) => {
      const runAt = offset === undefined ? undefined : at.env.now() + offset;
      const [made] = await at.store.jobs.enqueue([newJob(at.env, { runAt })]);
      expect(made?.state).toBe(state);
    });

    test("claims go by priority, then by arrival, and each job is handed out once", async () => {
      const ids: string[] = [];
      for (const priority of [5, 0, 5, -1]) {
        const job = newJob(at.env, { priority });
        ids.push(job.id);
        await at.store.jobs.enqueue([job]);
      }
      expect((await claim(3)).map(({ id }) => id)).toEqual([ids[3], ids[1], ids[0]] as string[]);
      expect((await claim(3)).map(({ id }) => id)).toEqual([ids[2]] as string[]);
      expect(await claim(3)).toEqual([]);
    });

    test("a claim takes its lane alone", async () => {
      await at.store.jobs.enqueue([
        newJob(at.env),
        newJob(at.env, { plugin: "alpha" }),
        newJob(at.env, { handler: "b" }),
      ]);
      expect(await claim(10, "nobody")).toEqual([]);
      expect(await claim(10, "alpha/test.work")).toHaveLength(1);
      expect(await at.store.jobs.lanesQueued(2)).toEqual(["b", "test.work"]);
      expect(await at.store.jobs.lanesQueued(1)).toBeNull();
      expect(await at.store.jobs.queuedLanes()).toEqual([
        { lane: "b", count: 1, crowded: 0 },
        { lane: "test.work", count: 1, crowded: 0 },
      ]);
    });

    test("a result counts only from the holder of the present fence", async () => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      const first = await claimOne();
      await end(at.store, at.env, first, { kind: "returned" });
      const second = await claimOne();
      expect(second.fence).toBeGreaterThan(first.fence);
      expect(await end(at.store, at.env, first, COMPLETED)).toBe(false);
      expect(await stateOf(first.id)).toBe("running");
      expect(await end(at.store, at.env, second, COMPLETED)).toBe(true);
      expect(await end(at.store, at.env, second, failed())).toBe(false);
      expect(await stateOf(first.id)).toBe("completed");
    });

    /** The ends of so many claimed jobs, each with what came of it. */
    const manyEnds = async (count: number, gives: (n: number) => Uint8Array | null) => {
      await at.store.jobs.enqueue(Array.from({ length: count }, () => newJob(at.env)));
      const jobs = await claim(count);
      const ended = (n: number) =>
        ({ kind: "completed", result: gives(n), cost: gives(n)?.length ?? 0 }) as const;
      const about = { pluginVersion: "1.2.3", pluginDigest: "abc" };
      return jobs.map((job, n) => settle({ ...job, ...about }, ended(n), { now: at.env.now(), random: 0 }));
    };
    const bytes = (n: number) => new Uint8Array(n).fill(n);
    const nothing = () => null;
    const someBytes = (n: number) => (n % 20 === 19 ? bytes(n) : null);

    test.each([
      ["a result and a cost of its own", bytes],
      ["nothing", nothing],
      ["a result here and there", someBytes],
    ])("many that complete together, with %s, are completed each with what came of it", async (_, gives) => {
      const ends = await manyEnds(75, gives);
      const waits = newJob(at.env);
      await at.store.jobs.enqueue([waits]);
      expect(await at.store.jobs.settle(ends.toReversed())).toEqual(ends.map(() => true));
      for (const [n, { id }] of ends.entries())
        expect(await at.store.jobs.get(id)).toMatchObject({
          state: "completed",
          result: gives(n),
          costActual: gives(n)?.length ?? 0,
          finishedAt: at.env.now(),
          attempt: 1,
          bootId: null,
          pluginVersion: "1.2.3",
          pluginDigest: "abc",
        });
      expect(await stateOf(waits.id)).toBe("queued");
    });

    const late: [string, (end: Settlement) => Settlement][] = [
      ["whose fence has passed", (end) => ({ ...end, fence: end.fence - 1 })],
      ["of a job that is gone, and another has its row", (end) => ({ ...end, id: "JB_gone", startedAt: 0 })],
    ];
    test.each([
      ...late.map(([what, change]) => [what, bytes, change] as const),
      ...late.map(([what, change]) => [`${what}, and gave nothing`, nothing, change] as const),
    ])(
      "of many that complete together, one %s does not count, and the others do",
      async (_, gives, change) => {
        const ends = await manyEnds(75, gives);
        const said = ends.map((end, n) => (n === 40 ? change(end) : end));
        expect(await at.store.jobs.settle(said)).toEqual(ends.map((_, n) => n !== 40));
        for (const [n, { id }] of ends.entries())
          expect(await stateOf(id)).toBe(n === 40 ? "running" : "completed");
      },
    );

    test("of many that complete together, one that had ended does not count, and the others do", async () => {
      const ends = await manyEnds(75, nothing);
      await at.store.jobs.settle(ends.slice(40, 41));
      expect(await at.store.jobs.settle(ends)).toEqual(ends.map((_, n) => n !== 40));
    });

    test("many that complete together do not count when others have them by now", async () => {
      const ends = await manyEnds(75, nothing);
      await at.store.jobs.recover("BT_next");
      expect(await claim(75)).toHaveLength(75);
      expect(await at.store.jobs.settle(ends)).toEqual(ends.map(() => false));
      for (const { id } of ends) expect(await stateOf(id)).toBe("running");
    });

    test("a claim of many takes those that it gives, and no other", async () => {
      const kinds: Partial<NewJob>[] = [
        {},
        { handler: "b" },
        { priority: 1 },
        { runAt: at.env.now() + 1_000 },
        { concurrencyKey: "k" },
        { held: true },
      ];
      const jobs = Array.from({ length: 120 }, (_, n) => newJob(at.env, kinds[n % kinds.length]));
      await at.store.jobs.enqueue(jobs);
      const given: string[] = [];
      for (let some = await claim(9); some.length > 0; some = await claim(9)) {
        given.push(...some.map(({ id }) => id));
        const running = await at.store.jobs.list({ state: "running" }, { limit: 120 });
        expect(running.items.map(({ id }) => id).toSorted()).toEqual(given.toSorted());
      }
      expect(given).toHaveLength(20 + 20 + 1); // Of a key, one at once.
    });

    test("a failed try waits, is promoted when due, and the last one ends the job", async () => {
      await at.store.jobs.enqueue([
        newJob(at.env, { maxAttempts: 2, retry: { kind: "fixed", baseMs: 1000, maxMs: 1000 } }),
      ]);
      const first = await claimOne();
      await end(at.store, at.env, first, failed());
      expect(await stateOf(first.id)).toBe("retrying");
      expect(await at.store.jobs.promote(10)).toEqual({
        count: 0,
        nextDueAt: at.env.now() + 1000,
      });
      await at.env.advance(1000);
      expect(await at.store.jobs.promote(10)).toEqual({ count: 1, nextDueAt: null });
      const second = await claimOne();
      expect(second.attempt).toBe(2);
      await end(at.store, at.env, second, failed({ message: "again" }));
      expect(await at.store.jobs.get(first.id)).toMatchObject({
        state: "failed",
        error: { message: "again", kind: "Error", attempt: 2 },
      });
    });

    test("a job that says no number of tries gets its handler's at the first claim, and keeps it", async () => {
      const [open, own] = [newJob(at.env), newJob(at.env, { maxAttempts: 2 })];
      await at.store.jobs.enqueue([open, own]);
      const tries = async (request: Partial<LaneRequest>) => {
        const jobs = await at.store.jobs.claim({
          bootId: BOOT,
          lanes: [{ lane: LANE, limit: 2, ...request }],
        });
        for (const job of jobs) await end(at.store, at.env, job, { kind: "returned" });
        return jobs.map(({ maxAttempts }) => maxAttempts);
      };
      expect(await tries({ maxAttempts: 7 })).toEqual([7, 2]);
      expect(await tries({ maxAttempts: 9 })).toEqual([7, 2]);
    });

    test.each([
      // ending                                              state        attempt
      ["returned by a shutdown", { kind: "returned" }, "queued", 0],
      ["disowned by its plugin", { kind: "disowned" }, "queued", 0],
      ["snoozed", { kind: "snoozed", delayMs: 5 }, "scheduled", 0],
      ["failed for good", failed({ permanent: true }), "failed", 1],
      ["cancelled", { kind: "cancelled", message: "m" }, "cancelled", 1],
    ] as const)("a job that is %s", async (_, outcome, state, attempt) => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      const job = await claimOne();
      await end(at.store, at.env, job, outcome);
      expect(await at.store.jobs.get(job.id)).toMatchObject({ state, attempt, bootId: null });
    });

    test("a job that kills its process alone is given up after its losses, and spends no tries", async () => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      const seen: JobState[] = [];
      for (let loss = 0; loss <= JOB_LOST_MAX; loss++) {
        await at.env.advance(10_000);
        await at.store.jobs.promote(10);
        const job = await claimOne();
        expect(job.attempt).toBe(1);
        await end(at.store, at.env, job, { kind: "lost", alone: true, message: "exit 139" });
        seen.push((await stateOf(job.id)) ?? "queued");
      }
      expect(seen).toEqual(["queued", "retrying", "retrying", "failed"]);
    });

    test("a job that fell with its neighbours is a suspect, and has lost nothing", async () => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      const job = await claimOne();
      await end(at.store, at.env, job, { kind: "lost", alone: false, message: "exit 139" });
      expect(await at.store.jobs.get(job.id)).toMatchObject({
        state: "queued",
        lost: 0,
        suspect: true,
        attempt: 0,
      });
    });

    test("cancel ends what waits and asks what runs", async () => {
      const [waiting, running] = [newJob(at.env, { handler: "w" }), newJob(at.env)];
      await at.store.jobs.enqueue([waiting, running]);
      const held = await claimOne();
      expect(await at.store.jobs.cancel(waiting.id, "me")).toMatchObject({
        before: "queued",
        job: { state: "cancelled" },
      });
      expect(await at.store.jobs.cancel(running.id, "me")).toMatchObject({
        before: "running",
        job: { cancelRequested: true },
      });
      expect(await at.store.jobs.cancel("JB_none", "me")).toBeNull();
      // It failed instead of stopping: a cancelled job is not tried again.
      await end(at.store, at.env, held, failed());
      expect(await stateOf(running.id)).toBe("cancelled");
      expect(await at.store.jobs.cancel(running.id, "me")).toMatchObject({ before: "cancelled" });
    });

    test("jobs of a dead boot go back in line with their tries, and its late result does not count", async () => {
      await at.store.jobs.enqueue([newJob(at.env), newJob(at.env)]);
      const [lost, cancelled] = await claim(2, LANE, "BT_dead");
      if (!lost || !cancelled) throw new Error("two jobs were enqueued");
      await at.store.jobs.cancel(cancelled.id, "me");
      expect(await at.store.jobs.recover(BOOT)).toEqual([lost.id]);
      expect(await at.store.jobs.get(lost.id)).toMatchObject({ state: "queued", attempt: 0, interrupted: 1 });
      expect(await stateOf(cancelled.id)).toBe("cancelled");
      expect(await end(at.store, at.env, lost, COMPLETED)).toBe(false);
      expect(await at.store.jobs.recover(BOOT)).toEqual([]);
    });

    test("recover leaves the jobs of its own boot alone", async () => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      await claimOne();
      expect(await at.store.jobs.recover(BOOT)).toEqual([]);
    });

    test("progress is kept while the fence holds", async () => {
      await at.store.jobs.enqueue([newJob(at.env)]);
      const job = await claimOne();
      const progress = { current: 1, total: 4, message: "m" };
      await at.store.jobs.progress([
        { id: job.id, fence: job.fence + 1, progress: { ...progress, current: 9 } },
      ]);
      expect((await at.store.jobs.get(job.id))?.progress).toBeNull();
      await at.store.jobs.progress([{ id: job.id, fence: job.fence, progress }]);
      expect((await at.store.jobs.get(job.id))?.progress).toEqual(progress);
    });

    test("one refused write does not undo its neighbours in the group", async () => {
      const good = newJob(at.env);
      const bad = { ...newJob(at.env), maxAttempts: 0 };
      const answers = await Promise.allSettled([at.store.jobs.enqueue([good]), at.store.jobs.enqueue([bad])]);
      expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      expect(await stateOf(good.id)).toBe("queued");
      expect(await at.store.jobs.get(bad.id)).toBeNull();
    });

    test.each([
      ["a cost that is no number", { costActual: Number.NaN }],
      ["a try that begins between two milliseconds", { state: "retrying", runAt: 1_700_000_000_000.5 }],
    ] as [string, Partial<Settlement>][])(
      "an end that cannot be written has failed, and its neighbours end as they did: %s",
      async (_, wrong) => {
        const made = Array.from({ length: 3 }, () => newJob(at.env));
        await at.store.jobs.enqueue(made);
        const ends = (await claim(3)).map((job) => settle(job, COMPLETED, { now: at.env.now(), random: 0 }));
        const [first, second, third] = ends;
        if (!first || !second || !third) throw new Error("three jobs were claimed");
        const settled = await at.store.jobs.settle([first, { ...second, ...wrong }, third]);
        expect(settled).toEqual([true, true, true]);
        expect(await Promise.all(made.map(({ id }) => stateOf(id)))).toEqual([
          "completed",
          "failed",
          "completed",
        ]);
        const { error } = (await at.store.jobs.get(second.id)) ?? {};
        expect(error).toMatchObject({ kind: "broken" });
        expect((await at.store.events.list({}, {})).items).toMatchObject([
          { kind: "job.broken", subject: second.id },
        ]);
      },
    );

    test("a list of what is queued is the same when very many are", async () => {
      const odd = newJob(at.env, { handler: "odd" });
      const many = Array.from({ length: 20_100 }, (_, n) => newJob(at.env, { priority: n % 3 }));
      await at.store.jobs.enqueue([odd, ...many]);
      const [first] = await claim(1);
      const listed = async (filter: JobFilter) =>
        (await at.store.jobs.list(filter, { limit: 3 })).items.map(({ id }) => id);
      const newest = many.slice(-3).toReversed();
      expect(await listed({ state: "queued" })).toEqual(newest.map(({ id }) => id));
      expect(await listed({ state: "queued", handler: LANE })).toEqual(newest.map(({ id }) => id));
      expect(await listed({ state: "queued", handler: "odd" })).toEqual([odd.id]);
      expect(await listed({ state: "running" })).toEqual([first?.id ?? ""]);
    });

    test("lists are pages, newest first, and narrow by state, handler and schedule", async () => {
      for (let i = 0; i < 5; i++)
        await at.store.jobs.enqueue([newJob(at.env, { handler: i % 2 ? "odd" : LANE })]);
      const first = await at.store.jobs.list({}, { limit: 3 });
      const second = await at.store.jobs.list({}, { limit: 3, cursor: first.cursor ?? "" });
      expect(first.items).toHaveLength(3);
      expect(second).toMatchObject({ items: { length: 2 }, cursor: null });
      const seqs = [...first.items, ...second.items].map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.toSorted((a, b) => b - a));
      expect((await at.store.jobs.list({ handler: "odd" }, {})).items).toHaveLength(2);
      await claim(2);
      expect((await at.store.jobs.list({ state: "running" }, {})).items).toHaveLength(2);
      expect((await at.store.jobs.list({ state: "queued" }, {})).items).toHaveLength(3);
      expect((await at.store.jobs.list({ state: "failed" }, {})).items).toEqual([]);
      expect((await at.store.jobs.list({ scheduleId: "SC_none" }, {})).items).toEqual([]);
      expect(await at.store.jobs.counts()).toMatchObject({ queued: 3, running: 2, completed: 0 });
    });

    test("lists and counts know every state, owner and way to name a handler", async () => {
      const owners = ["plugin:p", "plugin:q", "person:operator"];
      const jobs = owners.map((owner) => newJob(at.env, { owner, plugin: owner === "plugin:q" ? "q" : "" }));
      await at.store.jobs.enqueue([...jobs, newJob(at.env, { runAt: at.env.now() + 1 })]);
      const list = async (filter: JobFilter) => (await at.store.jobs.list(filter, {})).items.length;
      expect(await list({ state: "queued", handler: LANE })).toBe(3);
      expect(await list({ state: "queued", handler: LANE, plugin: "q" })).toBe(1);
      expect(await list({ handler: LANE, plugin: "p" })).toBe(0);
      for (const owner of owners) expect(await list({ owner })).toBe(1);
      expect(await list({ owner: "plugin:p", state: "completed" })).toBe(0);
      for (const outcome of [COMPLETED, failed({ permanent: true })])
        await end(at.store, at.env, await claimOne(), outcome);
      await at.store.jobs.cancel(jobs[1]?.id ?? "", "me");
      for (const state of ["completed", "failed", "cancelled", "scheduled"] as const)
        expect([state, await list({ state, handler: LANE })]).toEqual([state, 1]);
      expect(await list({ state: "completed", owner: "plugin:p" })).toBe(1);
      expect(await at.store.jobs.counts()).toEqual({
        scheduled: 1,
        queued: 0,
        running: 0,
        retrying: 0,
        paused: 0,
        completed: 1,
        failed: 1,
        cancelled: 1,
      });
    });

    test.each(["", " ", "x", "-1", "1e3", "0x10", "1.5"])("lists have no cursor %p", async (cursor) => {
      await expect(at.store.jobs.list({}, { cursor })).rejects.toThrow("is not a cursor");
      await expect(at.store.audit.list({ cursor })).rejects.toThrow("is not a cursor");
    });

    test("ids are found by their end or their beginning, and no more than asked for", async () => {
      const ids = ["abc-1", "abc-2", "x-abc", "xyz"];
      await at.store.jobs.enqueue(ids.map((id) => newJob(at.env, { id })));
      expect((await at.store.jobs.find("abc", 10)).toSorted()).toEqual(["abc-1", "abc-2", "x-abc"]);
      expect(await at.store.jobs.find("abc", 2)).toHaveLength(2);
      expect(await at.store.jobs.find("xyz", 2)).toEqual(["xyz"]);
      expect(await at.store.jobs.find("bc", 2)).toEqual(["x-abc"]);
      expect(await at.store.jobs.find("longer than any of them", 2)).toEqual([]);
    });

    test("a page of large jobs ends early, and none is missed", async () => {
      const payload = new Uint8Array(5_000_000);
      await at.store.jobs.enqueue(Array.from({ length: 6 }, () => newJob(at.env, { payload })));
      const seqs: number[] = [];
      const lengths: number[] = [];
      for (let cursor: string | undefined | null; cursor !== null;) {
        const page = await at.store.jobs.list({}, { cursor });
        seqs.push(...page.items.map(({ seq }) => seq));
        lengths.push(page.items.length);
        cursor = page.cursor;
      }
      expect(lengths).toEqual([3, 3]);
      expect(seqs).toEqual([6, 5, 4, 3, 2, 1]);
    });
  });
}
