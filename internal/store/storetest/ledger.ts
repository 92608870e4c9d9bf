/** What every engine promises about the ledger's own affairs: what was planned when, what is old, what is broken. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule } from "../store.ts";
import { newSchedule, type Opened, type OpenStore } from "./fixture.ts";

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
  });
}
