/** What every engine promises about several changes that are made together. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleStep } from "../schedules.ts";
import { newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const MINUTE = 60_000;

export function applySuite(engine: string, open: OpenStore): void {
  describe(`${engine}: changes made together`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const make = async (change: Partial<NewSchedule>): Promise<Schedule> => {
      const made = await at.store.schedules.create(newSchedule(at.env, change));
      if ("refused" in made) throw new Error(made.refused);
      return made;
    };
    const create = (change: Partial<NewSchedule>): ScheduleStep => ({
      kind: "create",
      schedule: newSchedule(at.env, change),
    });
    const all = async () => {
      const { items } = await at.store.schedules.list({ deleted: true }, {});
      return items.toSorted((a, b) => (a.name < b.name ? -1 : 1)); // Ids of one millisecond have no order.
    };
    const found = ({ id, revision, state }: Schedule) => ({ id, revision, state });

    test("creates, changes, pauses, resumes and deletes in one go", async () => {
      const a = await make({ name: "a" });
      const b = await make({ name: "b", paused: { note: "n", by: "me" } });
      const c = await make({ name: "c" });
      const until = at.env.now() + 10 * MINUTE;
      const answer = await at.store.schedules.apply([
        create({ name: "d", paused: { note: "why", by: "file:x", until }, runCount: 7 }),
        {
          kind: "change",
          ...found(a),
          change: { description: "new" },
          pause: { note: "p", by: "me", until },
        },
        { kind: "change", ...found(b), pause: null },
        { kind: "delete", ...found(c), by: "me" },
      ]);
      expect(answer).toBeNull();
      expect(await all()).toMatchObject([
        { name: "a", state: "paused", description: "new", revision: 2, pause: { until } },
        { name: "b", state: "active", revision: 1 },
        { name: "c", state: "deleted" },
        { name: "d", state: "paused", runCount: 7, pause: { note: "why", by: "file:x", until } },
      ]);
      await at.env.advance(11 * MINUTE);
      await at.store.schedules.fire({ nodeId: await at.store.nodes.nodeId(), limit: 100 });
      expect((await at.store.schedules.named("d"))[0]).toMatchObject({ state: "active" });
    });

    test.each([
      ["the name of another", "name-taken", () => [create({ name: "new" }), create({ name: "a" })]],
      [
        "a revision that is no more",
        "revision",
        (a: Schedule) => [create({ name: "new" }), { kind: "delete", ...found(a), revision: 9, by: "me" }],
      ],
      [
        "a state that is no more",
        "revision",
        (a: Schedule) => [
          create({ name: "new" }),
          { kind: "change", ...found(a), state: "paused", pause: null },
        ],
      ],
      [
        "one that does not exist",
        "not-found",
        (a: Schedule) => [create({ name: "new" }), { kind: "delete", ...found(a), id: "SC_none", by: "me" }],
      ],
    ] as [string, string, (a: Schedule) => ScheduleStep[]][])(
      "nothing is done when a step has %s",
      async (_, refused, steps) => {
        const a = await make({ name: "a" });
        expect(await at.store.schedules.apply(steps(a))).toMatchObject({ refused });
        expect(await all()).toEqual([a]);
      },
    );

    test("of two that were thought of at the same time, one is refused as a whole", async () => {
      const a = await make({ name: "a" });
      const steps = (description: string): ScheduleStep[] => [
        create({ name: description }),
        { kind: "change", ...found(a), change: { description } },
      ];
      const answers = await Promise.all([
        at.store.schedules.apply(steps("one")),
        at.store.schedules.apply(steps("two")),
      ]);
      expect(answers).toMatchObject([null, { refused: "revision" }]);
      expect(await all()).toMatchObject([{ name: "a", description: "one" }, { name: "one" }]);
    });

    test("a blackout that is set in the same go does not stand in the way of its schedules", async () => {
      const blackout = { name: "fair", timezone: "UTC", description: "", ranges: [] };
      await at.store.blackouts.set(blackout);
      const a = await make({ name: "a", policy: { ...POLICY_DEFAULT, blackoutNames: ["fair"] } });
      const ranges = [{ from: "2100-01-01", to: "2100-01-02", note: "" }];
      const answer = await at.store.schedules.apply([
        { kind: "blackout", blackout: { ...blackout, ranges } },
        { kind: "change", ...found(a), change: { description: "new" } },
      ]);
      expect(answer).toBeNull();
      expect(await all()).toMatchObject([{ description: "new", revision: 3, policy: { blackouts: [{}] } }]);
    });
  });
}
