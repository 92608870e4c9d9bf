/** What every engine promises about named blackouts, and about the schedules that observe them. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Fault } from "../../base/fault.ts";
import type { BlackoutRange } from "../../schedule/named-blackout.ts";
import { POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule } from "../schedules.ts";
import { newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export function blackoutSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: named blackouts`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const iso = (ms: number) => new Date(ms).toISOString();
    const range = (fromMs: number, toMs: number, note = ""): BlackoutRange => {
      const now = at.env.now();
      return { from: iso(now + fromMs), to: iso(now + toMs), note };
    };
    const set = (name: string, ...ranges: BlackoutRange[]) =>
      at.store.blackouts.set({ name, timezone: "UTC", description: "", ranges });
    const observing = (...blackoutNames: string[]): Partial<NewSchedule> => ({
      policy: { ...POLICY_DEFAULT, blackoutNames },
    });
    const create = async (change: Partial<NewSchedule>): Promise<Schedule> => {
      const made = await at.store.schedules.create(newSchedule(at.env, change));
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const get = async (id: string): Promise<Schedule> => {
      const found = await at.store.schedules.get(id);
      if (!found) throw new Error("it is gone");
      return found;
    };
    const pass = async (minutes: number) => {
      for (let i = 0; i < minutes; i++) {
        await at.env.advance(MINUTE);
        await at.store.schedules.fire({ nodeId: await at.store.nodes.nodeId(), limit: 100 });
      }
    };
    const outcomes = async (id: string) =>
      (await at.store.schedules.ledger(id, {}, { limit: 1000 })).items.map(
        ({ outcome, count, note }) => `${outcome} ${count}${note && ` (${note})`}`,
      );

    test("a list keeps what was written, and comes by name", async () => {
      const dates = { from: "2026-12-24", to: "2026-12-26", note: "Christmas" };
      const made = await at.store.blackouts.set({
        name: "holidays",
        timezone: "Europe/Amsterdam",
        description: "ours",
        ranges: [dates],
      });
      expect(made).toMatchObject({ created: true, schedules: 0, blackout: { name: "holidays" } });
      await set("audit");
      expect(await at.store.blackouts.get("holidays")).toMatchObject({
        ranges: [dates],
        description: "ours",
      });
      const { items } = await at.store.blackouts.list({});
      expect(items.map(({ name }) => name)).toEqual(["audit", "holidays"]);
      expect(await at.store.blackouts.get("nothing")).toBeNull();
      expect(await at.store.blackouts.delete("nothing")).toBeNull();
    });

    test("nothing fires in it, and the ledger says which it was", async () => {
      await set("fair", range(2 * MINUTE, 5 * MINUTE, "opening"), range(6 * MINUTE, 7 * MINUTE));
      const { id } = await create(observing("fair"));
      await pass(8);
      expect(await outcomes(id)).toEqual([
        "fired 1",
        "blackout 3 (fair: opening)",
        "skipped-overlap 1",
        "blackout 1 (fair)",
        "skipped-overlap 1",
        "skipped-overlap 1",
      ]);
    });

    test("a change accounts for what has passed, and changes all who observe it, nobody else", async () => {
      await set("fair", range(MINUTE, HOUR));
      const own = { from: at.env.now() + 2 * HOUR, to: at.env.now() + 3 * HOUR, note: "own" };
      const policy = { ...POLICY_DEFAULT, blackoutNames: ["fair"], blackouts: [own] };
      const { id, anchor } = await create({ policy });
      const other = await create({});
      await pass(30);
      expect(await outcomes(id)).toEqual([]);
      const before = await get(other.id);
      expect(await set("fair", range(10 * MINUTE, 20 * MINUTE))).toMatchObject({
        created: false,
        schedules: 1,
      });
      expect(await outcomes(id)).toEqual(["blackout 30 (fair)"]);
      expect(await get(id)).toMatchObject({ revision: 2, anchor, nextRunAt: at.env.now() + MINUTE });
      expect((await get(id)).policy.blackouts).toHaveLength(2);
      expect((await get(id)).policy.blackouts).toContainEqual(own);
      expect(await get(other.id)).toEqual(before);
      await pass(1);
      expect(await outcomes(id)).toEqual(["blackout 30 (fair)", "fired 1"]);
    });

    test("setting what it is already changes no schedule", async () => {
      const fair = range(HOUR, 2 * HOUR);
      await set("fair", fair);
      const { id } = await create(observing("fair"));
      const before = await get(id);
      await at.env.advance(1_000);
      expect(await set("fair", fair)).toMatchObject({ created: false, schedules: 0 });
      expect(await get(id)).toEqual(before);
    });

    test("one in use is not deleted; one that only deleted schedules observed is", async () => {
      await set("fair", range(HOUR, 2 * HOUR));
      const { id } = await create({ ...observing("fair"), name: "poll" });
      expect(await at.store.blackouts.delete("fair")).toEqual({ inUse: [{ id, name: "poll" }] });
      expect(await at.store.blackouts.usersOf("fair", 10)).toEqual([{ id, name: "poll" }]);
      await at.store.schedules.delete(id, "me");
      expect(await at.store.blackouts.usersOf("fair", 10)).toEqual([]);
      expect(await at.store.blackouts.delete("fair")).toMatchObject({ name: "fair" });
      expect(await at.store.blackouts.get("fair")).toBeNull();
    });

    test("who no longer names it is not changed with it", async () => {
      await set("fair", range(HOUR, 2 * HOUR));
      const { id } = await create(observing("fair"));
      const policy = { ...(await get(id)).policy, blackoutNames: [], blackouts: [] };
      await at.store.schedules.update(id, { policy });
      expect(await set("fair", range(HOUR, 3 * HOUR))).toMatchObject({ schedules: 0 });
      expect(await get(id)).toMatchObject({ revision: 2, policy: { blackouts: [] } });
    });

    test("a name that nobody has set is refused, and nothing is written", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const wanted = newSchedule(at.env, { ...observing("nothing"), owner, declaredId: "a" });
      const well = newSchedule(at.env, { owner, declaredId: "b" });
      const { id, policy } = await create({});
      const attempts = [
        () => at.store.schedules.create(wanted),
        () => at.store.schedules.declare(owner, [well, wanted]),
        () => at.store.schedules.update(id, { policy: { ...policy, blackoutNames: ["nothing"] } }),
      ];
      for (const attempt of attempts) {
        const fault = await attempt().catch((error: unknown) => error);
        expect(fault).toBeInstanceOf(Fault);
        expect(String(fault)).toContain('there is no blackout "nothing"');
      }
      const { items } = await at.store.schedules.list({ deleted: true }, {});
      expect(items).toMatchObject([{ id, revision: 1 }]);
    });

    test("a declaration that repeats itself changes nothing, also after its blackout has changed", async () => {
      const owner = { kind: "file", name: "qntx.toml" } as const;
      const declare = async () =>
        at.store.schedules.declare(owner, [
          newSchedule(at.env, { ...observing("fair"), owner, declaredId: "a" }),
        ]);
      await set("fair", range(HOUR, 2 * HOUR));
      expect(await declare()).toMatchObject([{ change: "created" }]);
      expect(await declare()).toMatchObject([{ change: "unchanged" }]);
      await set("fair", range(HOUR, 3 * HOUR));
      expect(await declare()).toMatchObject([{ change: "unchanged" }]);
      await at.store.schedules.declare(owner, []);
      await at.store.blackouts.delete("fair");
      await set("fair", range(HOUR, 3 * HOUR));
      expect(await declare()).toMatchObject([{ change: "revived" }]);
      expect(await set("fair", range(HOUR, 4 * HOUR))).toMatchObject({ schedules: 1 });
    });
  });
}
