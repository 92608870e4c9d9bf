/** What every engine promises about definitions that were in force once: how long they are kept, and which never go. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { knownAfter } from "../../schedule/terms.ts";
import { Verification } from "../../schedule/verify.ts";
import type { NewSchedule, ScheduleChange } from "../schedules.ts";
import type { Pruned } from "../prune.ts";
import { newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

export function definitionSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: what schedules were before`, () => {
    let at: Opened;
    let nodeId: string;
    let start: number;
    beforeEach(async () => {
      at = await open();
      nodeId = await at.store.nodes.nodeId();
      start = at.env.now();
    });
    afterEach(() => at.close());

    const create = async (change: Partial<NewSchedule> = {}): Promise<string> => {
      const made = await at.store.schedules.create(newSchedule(at.env, change));
      if ("refused" in made) throw new Error(made.refused);
      return made.id;
    };
    const every = (everyMs: number): ScheduleChange => ({ spec: { kind: "every", everyMs } });
    const tick = async (ms: number, times = 1) => {
      for (let i = 0; i < times; i++) {
        await at.env.advance(ms);
        await at.store.schedules.fire({ nodeId, limit: 100 });
        for (const { id } of (await at.store.jobs.list({ state: "queued" }, {})).items)
          await at.store.jobs.cancel(id, "me");
      }
    };
    const step = (before: number, cursor?: string) => at.store.ledger.pruneDefinitions({ before, cursor });
    /** Prunes to the end. Returns how many went, in how many steps. */
    const prune = async (before: number) => {
      let [removed, steps] = [0, 0];
      for (let cursor: string | null | undefined; cursor !== null; steps++) {
        const done: Pruned = await step(before, cursor);
        removed += done.removed;
        cursor = done.cursor;
      }
      return { removed, steps };
    };
    /** Terms as [node, since in minutes, interval in seconds, null for nothing, "?" for unknown]. */
    const terms = async (id: string) => {
      const cursors = await at.store.ledger.history(id);
      return cursors.flatMap((cursor) =>
        cursor.terms.map(({ since, definition, forgotten }) => [
          cursor.node,
          (since - start) / MINUTE,
          forgotten ? "?" : definition?.spec.kind === "every" ? definition.spec.everyMs / SECOND : null,
        ]),
      );
    };
    const verify = async (id: string) => {
      const [horizon, { items }] = [
        await at.store.ledger.horizon(),
        await at.store.schedules.ledger(id, {}, { limit: 1_000 }),
      ];
      const sums = { planned: 0, gap: 0, dup: 0 };
      for (const { node, accountedUntil, terms: of } of await at.store.ledger.history(id)) {
        const from = Math.max(horizon ?? start, knownAfter(of) ?? start);
        const { tzdata } = at.store.ledger;
        const verification = new Verification({
          terms: of,
          accountedUntil: accountedUntil ?? from,
          from,
          tzdata,
        });
        for (const row of items.filter((item) => item.node === node)) verification.row(row);
        const { planned, gap, dup } = verification.end();
        sums.planned += planned;
        sums.gap += gap;
        sums.dup += dup;
      }
      return sums;
    };

    test("those whose time lies before the ledger go, and what the ledger has is held against the others", async () => {
      const id = await create();
      await tick(MINUTE, 10);
      await at.store.schedules.update(id, every(2 * MINUTE));
      await tick(MINUTE, 10);
      await at.store.schedules.update(id, every(5 * MINUTE));
      await tick(MINUTE, 10);
      const before = start + 15 * MINUTE;
      expect(await prune(before)).toMatchObject({ removed: 0 }); // The ledger is still whole.
      await at.store.ledger.prune({ before });
      expect(await prune(before)).toMatchObject({ removed: 1 });
      expect(await terms(id)).toEqual([
        ["", 0, "?"],
        ["", 10, 120],
        ["", 20, 300],
      ]);
      expect(await verify(id)).toMatchObject({ planned: 5, gap: 0, dup: 0 });
      await at.store.ledger.prune({ before: at.env.now() });
      expect(await prune(at.env.now())).toMatchObject({ removed: 1 });
      expect(await terms(id)).toEqual([
        ["", 0, "?"],
        ["", 20, 300],
      ]);
      expect(await prune(at.env.now() + HOUR)).toMatchObject({ removed: 0 });
    });

    test("a time in which nothing was planned is known as long as the ledger reaches into it", async () => {
      const id = await create();
      await tick(MINUTE, 2);
      await at.store.schedules.update(id, { locking: "node-local" });
      await tick(MINUTE, 2);
      const before = at.env.now() - MINUTE;
      await at.store.ledger.prune({ before });
      await prune(before);
      expect(await terms(id)).toEqual([
        ["", 0, "?"],
        ["", 2, null],
        [nodeId, 2, 60],
      ]);
      expect(await verify(id)).toMatchObject({ planned: 1, gap: 0, dup: 0 });
    });

    test("of one that is changed all the time the newest stay, and what is older is not judged", async () => {
      const id = await create();
      await tick(MINUTE, 3);
      const instants = Array.from({ length: 1_000 }, (_, i) => start + 1_000 * HOUR + i);
      for (let i = 0; i < 400; i++) {
        await at.env.advance(MINUTE);
        await at.store.schedules.update(id, {
          spec: { kind: "at", instants: [...instants, start + HOUR * 2_000 + i] },
        });
      }
      await at.env.advance(MINUTE);
      await at.store.schedules.update(id, every(MINUTE));
      await tick(MINUTE, 3);
      const { removed, steps } = await prune(start);
      expect(removed).toBeWithin(50, 300); // 14 KB each, and 4 MiB of them stay.
      expect(steps).toBeGreaterThan(1);
      const [history] = await at.store.ledger.history(id);
      expect(history?.terms).toHaveLength(403 - removed);
      expect(history?.terms[0]).toMatchObject({ since: start, forgotten: true });
      expect(knownAfter(history?.terms ?? [])).toBe(start + (3 + removed) * MINUTE);
      expect((await at.store.schedules.ledger(id, {}, {})).items.length).toBeGreaterThan(5);
      expect(await verify(id)).toMatchObject({ gap: 0, dup: 0 });
      expect(await prune(start)).toMatchObject({ removed: 0 });
    });

    test("four thousand stay however small they are, and the one in force whatever its number", async () => {
      const [id, other] = [await create(), await create()];
      await Promise.all(
        Array.from({ length: 4_050 }, (_, i) => at.store.schedules.update(id, { description: String(i) })),
      );
      expect(await terms(id)).toEqual([["", 0, 60]]); // The first one is in force: the others say the same of when.
      expect(await prune(start)).toMatchObject({ removed: 50 });
      expect(await terms(id)).toEqual([["", 0, 60]]);
      await at.env.advance(MINUTE);
      await at.store.schedules.update(id, every(HOUR));
      expect(await prune(start)).toMatchObject({ removed: 2 });
      expect(await terms(id)).toEqual([
        ["", 0, "?"],
        ["", 1, 3_600],
      ]);
      expect(await terms(other)).toEqual([["", 0, 60]]);
    });
  });
}
