/**
 * What every engine promises where a plugin keeps the locks of occurrences: each waits
 * for its lock, closes once, and never runs without it.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type Locking,
  type OccurrenceOutcome,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
  type Spec,
} from "../../schedule/schedule.ts";
import type { LockWait } from "../locks.ts";
import { COMPLETED, end, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

export function lockedScheduleSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: schedules that are locked elsewhere`, () => {
    let at: Opened;
    let nodeId: string;
    beforeEach(async () => {
      at = await open({ locksBy: { plugin: "locks" } });
      nodeId = await at.store.nodes.nodeId();
    });
    afterEach(() => at.close());

    const create = async (
      change: Partial<Policy> & { locking?: Locking; spec?: Spec; name?: string } = {},
    ): Promise<Schedule> => {
      const {
        locking = "require-global",
        spec = { kind: "every", everyMs: MINUTE },
        name = "",
        ...policy
      } = change;
      const made = await at.store.schedules.create(
        newSchedule(at.env, { policy: { ...POLICY_DEFAULT, ...policy }, spec, locking, name }),
      );
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const tick = async (ms: number) => {
      await at.env.advance(ms);
      return at.store.schedules.fire({ nodeId, limit: 100 });
    };
    const waits = () => at.store.schedules.lockWaits(1_000);
    const answer = (otherNode: string | null, of: readonly LockWait[]) =>
      at.store.schedules.lockAnswers(of.map((wait) => ({ ...wait, otherNode })));
    const grant = async (of?: readonly LockWait[]) => answer(null, of ?? (await waits()));
    const rows = async (id: string) => (await at.store.schedules.ledger(id, {}, { limit: 1_000 })).items;
    const outcomes = async (id: string): Promise<OccurrenceOutcome[]> =>
      (await rows(id)).map(({ outcome }) => outcome);
    const claim = () => at.store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 100 }] });
    const jobs = async (scheduleId: string) => (await at.store.jobs.list({ scheduleId }, {})).items;

    test("an occurrence waits for its lock, and has no job before", async () => {
      const schedule = await create({ name: "nightly" });
      expect(await tick(MINUTE)).toMatchObject({ settled: 1, jobs: [], asked: 1 });
      expect(await outcomes(schedule.id)).toEqual(["pending"]);
      const [wait, ...others] = await waits();
      expect(others).toEqual([]);
      expect(wait).toMatchObject({ scheduleId: schedule.id, node: "" });
      expect(wait?.key).toBe(
        `schedule//person:operator/nightly/${new Date(wait?.occurrence ?? 0).toISOString()}`,
      );
      expect(wait?.ttlMs).toBeGreaterThan(POLICY_DEFAULT.latenessMaxMs);
      expect(await jobs(schedule.id)).toEqual([]);
    });

    test("with the lock it runs, once, whatever else is answered", async () => {
      const schedule = await create();
      await tick(MINUTE);
      const asked = await waits();
      const fired = await grant(asked);
      expect(fired.jobs).toHaveLength(1);
      expect(await outcomes(schedule.id)).toEqual(["fired"]);
      expect(await waits()).toEqual([]);
      expect((await grant(asked)).jobs).toEqual([]);
      expect((await answer("node ND_b has its lock", asked)).jobs).toEqual([]);
      expect(await outcomes(schedule.id)).toEqual(["fired"]);
      expect(await jobs(schedule.id)).toHaveLength(1);
    });

    test("one that another node has is over, and says whose it is", async () => {
      const schedule = await create();
      await tick(MINUTE);
      expect((await answer("node ND_b has its lock", await waits())).jobs).toEqual([]);
      expect(await rows(schedule.id)).toMatchObject([
        { outcome: "other-node", jobId: null, note: "node ND_b has its lock" },
      ]);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ runCount: 0, state: "active" });
    });

    test("the schedule goes on while an occurrence waits", async () => {
      const schedule = await create({ overlap: "allow" });
      await tick(MINUTE);
      await tick(30 * SECOND);
      await tick(30 * SECOND);
      expect(await outcomes(schedule.id)).toEqual(["pending", "pending"]);
      expect((await grant()).jobs).toHaveLength(2);
    });

    test("a lock that comes late makes a late run, and one that comes after a minute a run that is made up for", async () => {
      const schedule = await create({ spec: { kind: "every", everyMs: HOUR }, overlap: "allow" });
      await tick(HOUR);
      await at.env.advance(30 * SECOND);
      await grant();
      await tick(HOUR - 30 * SECOND);
      await at.env.advance(5 * MINUTE);
      const [run] = (await grant()).jobs;
      expect(await outcomes(schedule.id)).toEqual(["fired-late", "caught-up"]);
      expect(await at.store.jobs.get(run?.id ?? "")).toMatchObject({ catchup: true });
    });

    test.each([
      // mode          what becomes of the second, whose lock is given while the first runs
      ["skip", "skipped-overlap"],
      ["allow", "fired"],
      ["buffer-one", "pending"],
      ["cancel-other", "pending"],
      ["terminate-other", "fired"],
    ] as [Policy["overlap"], OccurrenceOutcome][])(
      "with its lock it meets the open run: %s",
      async (overlap, second) => {
        const schedule = await create({ overlap });
        await tick(MINUTE);
        const [first] = (await grant()).jobs;
        const [running] = await claim();
        await tick(MINUTE);
        await grant();
        expect(await outcomes(schedule.id)).toEqual(["fired", second]);
        expect(await waits()).toEqual([]);
        if (second !== "pending") return;
        expect((await rows(schedule.id))[1]).toMatchObject({ relatedJobId: first?.id, note: "" });
        if (running) await end(at.store, at.env, running, COMPLETED);
        await tick(SECOND);
        expect(await outcomes(schedule.id)).toEqual(["fired", "fired"]);
      },
    );

    test("the last run that is allowed, which ends the one before it, leaves nothing due", async () => {
      const schedule = await create({ overlap: "terminate-other", runsMax: 2 });
      await tick(MINUTE);
      await grant();
      await tick(MINUTE);
      await grant();
      expect(await outcomes(schedule.id)).toEqual(["fired", "fired"]);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished", nextRunAt: null });
      expect(await tick(MINUTE)).toMatchObject({ settled: 0, nextDueAt: null });
    });

    test("one that takes the place of a run that had not begun is due at once, and that is said", async () => {
      await create({ overlap: "cancel-other" });
      await tick(MINUTE);
      await grant(); // Nobody claims its job.
      await tick(MINUTE);
      const { nextDueAt } = await grant();
      expect(nextDueAt).toBeLessThanOrEqual(at.env.now());
      expect((await tick(0)).jobs).toHaveLength(1);
    });

    test("a run is named that stood in the way", async () => {
      const schedule = await create();
      await tick(MINUTE);
      const [first] = (await grant()).jobs;
      await tick(MINUTE);
      await grant();
      expect((await rows(schedule.id))[1]).toMatchObject({
        outcome: "skipped-overlap",
        relatedJobId: first?.id,
      });
    });

    test("why it waits is said on the row, and forgotten when it does not any more", async () => {
      const schedule = await create();
      await tick(MINUTE);
      await at.store.schedules.noteLockWaits("locks: Connection refused");
      expect(await rows(schedule.id)).toMatchObject([
        { outcome: "pending", note: "locks: Connection refused" },
      ]);
      await grant();
      expect(await rows(schedule.id)).toMatchObject([{ outcome: "fired", note: "" }]);
    });

    test.each([
      // missed      after five minutes without an answer                       and what may still run
      ["latest", ["coalesced", "coalesced", "coalesced", "coalesced", "pending"], 1],
      ["skip", ["skipped-missed", "skipped-missed", "skipped-missed", "skipped-missed", "pending"], 1],
      ["earliest", ["pending", "skipped-missed", "skipped-missed", "skipped-missed", "pending"], 2],
      ["all", ["skipped-missed", "pending", "pending", "pending", "pending"], 4],
    ] as [Policy["missed"], OccurrenceOutcome[], number][])(
      "those that wait as long as a missed one go by the policy: %s",
      async (missed, expected, runs) => {
        const schedule = await create({ missed, missedMax: 3, overlap: "allow" });
        for (let i = 0; i < 5; i++) await tick(MINUTE);
        await tick(SECOND); // The one before the last is more than a minute late now.
        expect(await outcomes(schedule.id)).toEqual(expected);
        await grant();
        await at.store.jobs.promote(100);
        let made = 0;
        for (let claimed = await claim(); claimed.length > 0; claimed = await claim()) {
          made += claimed.length;
          for (const job of claimed) await end(at.store, at.env, job, COMPLETED);
          await tick(SECOND);
          await at.store.jobs.promote(100);
        }
        expect(made).toBe(runs);
        expect(await outcomes(schedule.id)).not.toContain("pending");
      },
    );

    test("what is later than anything may start has expired, though it was never answered", async () => {
      const schedule = await create({ latenessMaxMs: 10 * SECOND });
      await tick(MINUTE);
      await tick(10 * SECOND);
      expect(await outcomes(schedule.id)).toEqual(["pending"]);
      await tick(1);
      expect(await outcomes(schedule.id)).toEqual(["expired"]);
      expect((await grant()).jobs).toEqual([]);
    });

    test("a lock that is given too late for anything starts nothing", async () => {
      const schedule = await create({ latenessMaxMs: 10 * SECOND });
      await tick(MINUTE);
      const asked = await waits();
      await at.env.advance(11 * SECOND);
      expect((await grant(asked)).jobs).toEqual([]);
      expect(await outcomes(schedule.id)).toEqual(["expired"]);
    });

    test("missed occurrences ask for their locks as well", async () => {
      const schedule = await create();
      await tick(10 * MINUTE + 30 * SECOND);
      expect(await outcomes(schedule.id)).toEqual(["coalesced", "pending"]);
      await grant();
      expect(await outcomes(schedule.id)).toEqual(["coalesced", "caught-up"]);
    });

    test("of the runs that it may have, those that wait are counted, and given back when another node has them", async () => {
      const schedule = await create({ runsMax: 1, overlap: "allow" });
      await tick(MINUTE);
      await tick(MINUTE);
      expect(await outcomes(schedule.id)).toEqual(["pending"]);
      await answer("another node has its lock", await waits());
      expect(await outcomes(schedule.id)).toEqual(["other-node", "pending"]);
      expect((await grant()).jobs).toHaveLength(1);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished", runCount: 1 });
    });

    test("a last occurrence that another node has finishes the schedule", async () => {
      const schedule = await create({ spec: { kind: "at", instants: [at.env.now() + MINUTE] } });
      await tick(MINUTE);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "active" });
      await answer("another node has its lock", await waits());
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished" });
    });

    test("a pause ends the waiting, and an answer that comes after it changes nothing", async () => {
      const schedule = await create();
      await tick(MINUTE);
      const asked = await waits();
      await at.store.schedules.pause(schedule.id, { note: "", by: "me", until: null });
      expect(await outcomes(schedule.id)).toEqual(["paused"]);
      expect((await grant(asked)).jobs).toEqual([]);
      await at.store.schedules.delete(schedule.id, "me");
      expect((await grant(asked)).jobs).toEqual([]);
      expect(await outcomes(schedule.id)).not.toContain("fired");
    });

    test("those whose time has just come are asked for first, then the oldest", async () => {
      await create({ spec: { kind: "every", everyMs: 10 * SECOND } });
      for (let i = 0; i < 4; i++) await tick(10 * SECOND);
      const order = (await waits()).map(({ occurrence }) => (at.env.now() - occurrence) / SECOND);
      expect(order).toEqual([0, 30, 20, 10]);
      expect(await at.store.schedules.lockWaits(2)).toEqual((await waits()).slice(0, 2));
    });

    test("node-local schedules ask nobody", async () => {
      const schedule = await create({ locking: "node-local" });
      expect((await tick(MINUTE)).jobs).toHaveLength(1);
      expect(await outcomes(schedule.id)).toEqual(["fired"]);
    });

    test("intervals run on a grid that is the same everywhere, and keep it when the interval changes", async () => {
      const schedule = await create({ spec: { kind: "every", everyMs: 7 * SECOND } });
      const local = await create({ spec: { kind: "every", everyMs: 7 * SECOND }, locking: "node-local" });
      expect((schedule.nextRunAt ?? 1) % (7 * SECOND)).toBe(0);
      expect(local.anchor).toBe(at.env.now());
      await at.env.advance(3 * SECOND);
      const after = await at.store.schedules.update(schedule.id, {
        spec: { kind: "every", everyMs: 11 * SECOND },
      });
      expect("nextRunAt" in after && (after.nextRunAt ?? 1) % (11 * SECOND)).toBe(0);
    });

    test("a declared interval that was made on another grid moves to the common one", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = newSchedule(at.env, {
        owner,
        declaredId: "d",
        spec: { kind: "every", everyMs: 7 * SECOND },
      });
      await at.store.schedules.declare(owner, [{ ...declared, anchor: at.env.now() + 1 }]);
      expect(await at.store.schedules.declare(owner, [declared])).toMatchObject([{ change: "updated" }]);
      expect(await at.store.schedules.declare(owner, [declared])).toMatchObject([{ change: "unchanged" }]);
      const [schedule] = (await at.store.schedules.list({ owner }, {})).items;
      expect((schedule?.nextRunAt ?? 1) % (7 * SECOND)).toBe(0);
    });

    test("where nobody keeps locks, what needs one is refused, and each node runs the rest by itself", async () => {
      await at.close();
      at = await open({ locksBy: "none" });
      nodeId = await at.store.nodes.nodeId();
      await expect(create({ locking: "require-global" })).rejects.toThrow("locking: require-global needs");
      const schedule = await create({ locking: "prefer-global" });
      await expect(at.store.schedules.update(schedule.id, { locking: "require-global" })).rejects.toThrow(
        "locking: require-global needs",
      );
      await tick(MINUTE);
      expect(await outcomes(schedule.id)).toEqual(["fired"]);
    });
  });
}
