/** What every engine promises about the ledger's own affairs: what was planned when, what is old, what is broken. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule } from "../schedules.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import { newJob, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

export function ledgerSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: the ledger`, () => {
    let at: Opened;
    let nodeId: string;
    let start: number;
    beforeEach(async () => {
      at = await open();
      nodeId = await at.store.nodes.nodeId();
      start = at.env.now();
    });
    afterEach(() => at.close());

    const create = async (change: Partial<NewSchedule> = {}): Promise<Schedule> => {
      const made = await at.store.schedules.create(newSchedule(at.env, change));
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const tick = async (ms: number) => {
      await at.env.advance(ms);
      await at.store.schedules.fire({ nodeId, limit: 100 });
    };
    /** Terms as [node, since in seconds, interval in seconds or null]. */
    const terms = async (id: string) => {
      const cursors = await at.store.ledger.history(id);
      return cursors.flatMap((cursor) =>
        cursor.terms.map(({ since, definition }) => [
          cursor.node,
          (since - start) / SECOND,
          definition?.spec.kind === "every" ? definition.spec.everyMs / SECOND : null,
        ]),
      );
    };

    /** Prunes to the end. Returns how many rows went. */
    const prune = async (kind: { prune(request: PruneRequest): Promise<Pruned> }, before: number) => {
      let removed = 0;
      for (let cursor: string | null | undefined; cursor !== null;) {
        const step: Pruned = await kind.prune({ before, cursor });
        removed += step.removed;
        cursor = step.cursor;
      }
      return removed;
    };
    const occurrences = async (id: string) => {
      const { items } = await at.store.schedules.ledger(id, {}, { limit: 1_000 });
      return items.map(({ occurrence }) => (occurrence - start) / MINUTE);
    };

    test("schedules of a node have their turn in a crowd of common ones, and the other way round", async () => {
      for (const crowd of ["require-global", "node-local"] as const) {
        const one = crowd === "node-local" ? "require-global" : "node-local";
        for (let i = 0; i < 6; i++) await create({ locking: crowd });
        const { id } = await create({ locking: one });
        await at.env.advance(MINUTE);
        const { settled, jobs } = await at.store.schedules.fire({ nodeId, limit: 4 });
        expect(settled).toBe(4);
        expect(jobs.map(({ scheduleId }) => scheduleId)).toContain(id);
        for (const schedule of (await at.store.schedules.list({}, { limit: 100 })).items)
          await at.store.schedules.delete(schedule.id, "me");
      }
    });

    test("a term begins with every change of what is planned, and with no other", async () => {
      const { id } = await create();
      await tick(10 * SECOND);
      await at.store.schedules.update(id, { description: "said otherwise" });
      await at.store.schedules.update(id, { spec: { kind: "every", everyMs: HOUR } });
      await tick(10 * SECOND);
      await at.store.schedules.delete(id, "me");
      expect(await terms(id)).toEqual([
        ["", 0, 60],
        ["", 10, 3_600],
        ["", 20, null],
      ]);
    });

    test("a clock that went back does not take the beginning of a term with it", async () => {
      const { id } = await create();
      await tick(10 * MINUTE);
      at.env.jump(-5 * MINUTE);
      await at.store.schedules.update(id, { spec: { kind: "every", everyMs: HOUR } });
      expect(await terms(id)).toEqual([
        ["", 0, 60],
        ["", 600, 3_600],
      ]);
    });

    test("a pause ends no term; the last allowed run does, at that run", async () => {
      const { id } = await create({ policy: { ...POLICY_DEFAULT, runsMax: 1 } });
      await at.store.schedules.pause(id, { note: "", by: "me", until: null });
      await tick(90 * SECOND);
      await at.store.schedules.resume(id);
      await tick(45 * SECOND);
      expect(await at.store.schedules.get(id)).toMatchObject({ state: "finished" });
      expect(await terms(id)).toEqual([
        ["", 0, 60],
        ["", 120, null],
      ]);
    });

    test("a schedule that becomes node-local leaves the common cursor, which plans nothing any more", async () => {
      const { id } = await create();
      await tick(10 * SECOND);
      await at.store.schedules.update(id, { locking: "node-local" });
      expect(await terms(id)).toEqual([
        ["", 0, 60],
        ["", 10, null],
        [nodeId, 10, 60],
      ]);
    });

    test("what is not declared for a while plans nothing meanwhile", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = newSchedule(at.env, { owner, declaredId: "d" });
      const [made] = await at.store.schedules.declare(owner, [declared]);
      await tick(10 * SECOND);
      await at.store.schedules.declare(owner, []);
      await tick(HOUR);
      await at.store.schedules.declare(owner, [declared]);
      expect(await terms(made?.id ?? "")).toEqual([
        ["", 0, 60],
        ["", 10, null],
        ["", 3_610, 60],
      ]);
    });

    test("old rows go, schedule by schedule, and how far they went is remembered", async () => {
      const policy = { ...POLICY_DEFAULT, overlap: "allow" as const };
      const [one, other] = [await create({ policy }), await create({ policy })];
      for (let i = 0; i < 5; i++) await tick(MINUTE);
      for (const { id } of (await at.store.jobs.list({}, { limit: 100 })).items)
        await at.store.jobs.cancel(id, "me");
      await tick(0);
      expect(await at.store.ledger.horizon()).toBeNull();
      expect(await prune(at.store.ledger, start)).toBe(0);
      await at.env.advance(HOUR);
      expect(await prune(at.store.ledger, at.env.now())).toBe(10);
      expect(await occurrences(one.id)).toEqual([]);
      expect(await occurrences(other.id)).toEqual([]);
      const horizon = at.env.now();
      await prune(at.store.ledger, start);
      expect(await at.store.ledger.horizon()).toBe(horizon);
    });

    test("a row that is open stays, and so do a range that is not over and a row whose job is younger", async () => {
      const { id } = await create({ policy: { ...POLICY_DEFAULT, overlap: "buffer-one" } });
      await tick(MINUTE);
      await tick(MINUTE);
      await tick(MINUTE);
      await at.store.schedules.pause(id, { note: "", by: "me", until: null });
      await at.env.advance(10 * MINUTE);
      await at.store.schedules.resume(id);
      expect(await occurrences(id)).toEqual([1, 2, 3, 4]);
      expect(await prune(at.store.ledger, start + 9 * MINUTE)).toBe(2);
      expect(await occurrences(id)).toEqual([1, 4]);
      for (const job of (await at.store.jobs.list({}, {})).items) await at.store.jobs.cancel(job.id, "me");
      expect(await prune(at.store.ledger, start + 9 * MINUTE)).toBe(0);
      expect(await prune(at.store.ledger, at.env.now() + 1)).toBe(2);

      const waits = await create({ policy: { ...POLICY_DEFAULT, overlap: "buffer-one" } });
      await tick(MINUTE);
      await tick(MINUTE);
      await prune(at.store.ledger, at.env.now() + HOUR);
      const { items } = await at.store.schedules.ledger(waits.id, {}, {});
      expect(items.map(({ outcome }) => outcome)).toEqual(["fired", "pending"]);
    });

    test("many rows go in steps, each of which says where the next one goes on", async () => {
      const policy = { ...POLICY_DEFAULT, overlap: "skip" as const };
      const { id } = await create({ policy, spec: { kind: "every", everyMs: SECOND } });
      for (let i = 0; i < 350; i++) await tick(SECOND);
      const first = await at.store.ledger.prune({ before: at.env.now() + 1 });
      expect(first.cursor).not.toBeNull();
      expect(first.removed).toBeLessThan(349);
      await prune(at.store.ledger, at.env.now() + 1);
      expect(await occurrences(id)).toHaveLength(1); // Its job has not ended.
    });

    test("of the audit trail and of events the oldest go; of boots, those that are dead and hold nothing", async () => {
      const { audit, events, nodes, jobs } = at.store;
      const entry = { id: "", principal: "", operation: "", subject: "", allowed: true, detail: "" };
      const event = { kind: "clock.suspect", subject: "", message: "", data: {} } as const;
      const lease = { nodeId, version: "1", leaseMs: SECOND, seen: true };
      await jobs.enqueue([newJob(at.env)]);
      for (const bootId of ["BT_holds", "BT_dead"]) {
        await audit.add(entry);
        await events.add(event);
        await nodes.renew({ ...lease, bootId });
        await jobs.claim({ bootId, lanes: [{ lane: "test.work", limit: 1 }] });
        await at.env.advance(HOUR);
      }
      for (const kind of [audit, events]) {
        expect(await prune(kind, start)).toBe(0);
        expect(await prune(kind, start + HOUR)).toBe(1);
        expect((await kind.list({}, {})).items).toHaveLength(1);
      }
      expect(await prune(nodes, at.env.now())).toBe(1);
      expect(await jobs.recover("BT_new")).toHaveLength(1);
      expect(await prune(nodes, at.env.now())).toBe(1);
    });
  });
}
