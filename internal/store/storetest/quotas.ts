/** What every engine promises about quotas of plugins, and about floods of refusals in the audit trail. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Metered, usualQuota } from "../../access/quota.ts";
import { Fault } from "../../base/fault.ts";
import type { Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleChanges, ScheduleRefusal } from "../schedules.ts";
import { newSchedule, type Opened, type OpenStore } from "./fixture.ts";

/** Runs the suite against an engine. */
export function quotaSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: quotas`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const metered = (change: Partial<Metered["quota"]> = {}, tenant = "acme"): Metered => ({
      plugin: "demo",
      tenant,
      quota: { ...usualQuota("guest"), ...change },
    });
    const own = (schedule: Partial<NewSchedule> = {}): NewSchedule =>
      newSchedule(at.env, { tenant: "acme", owner: { kind: "plugin", name: "demo" }, ...schedule });
    const use = () => at.store.schedules.quotaUse(metered());

    /** Makes so many, one after the other. */
    async function make(changes: ScheduleChanges, count: number): Promise<Schedule[]> {
      const made: Schedule[] = [];
      for (let i = 0; i < count; i++) made.push(ok(await changes.create(own())));
      return made;
    }

    test("of two hundred creates at once, exactly fifty are made", async () => {
      const changes = at.store.schedules.within(metered({ scheduleWritesPerMinute: 100_000 }));
      const answers = await Promise.all(Array.from({ length: 200 }, () => changes.create(own())));
      expect(answers.filter((answer) => !("refused" in answer))).toHaveLength(50);
      for (const answer of answers.filter((each) => "refused" in each))
        expect(answer).toEqual({
          refused: "quota",
          exceeded: { limit: "schedules", allows: 50, used: 50 },
        });
      expect(await use()).toMatchObject({ schedules: 50, scheduleWritesPerMinute: 50 });
    });

    test("a deleted schedule makes room, a paused one does not; another tenant has room of its own", async () => {
      const quota = { schedules: 2, scheduleWritesPerMinute: 100 };
      const changes = at.store.schedules.within(metered(quota));
      const [first, second] = await make(changes, 2);
      await changes.pause(second?.id ?? "", { note: "", by: "demo", until: null });
      expect(await changes.create(own())).toMatchObject({ refused: "quota" });
      const other = at.store.schedules.within(metered(quota, "globex"));
      ok(await other.create(own({ tenant: "globex" })));
      await changes.delete(first?.id ?? "", "demo");
      ok(await changes.create(own()));
    });

    test("a name that is taken is said before a quota that is used up", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 1, scheduleWritesPerMinute: 1 }));
      ok(await changes.create(own({ name: "nightly" })));
      expect(await changes.create(own({ name: "nightly" }))).toMatchObject({ refused: "name-taken" });
      expect(await changes.create(own())).toMatchObject({ exceeded: { limit: "schedules" } });
    });

    test("the eleventh change within a minute waits until the first is a minute old, at every border", async () => {
      const changes = at.store.schedules.within(metered());
      await at.env.advance(59_000 - (at.env.now() % 60_000)); // A second before the minute of the clock ends.
      const [first] = await make(changes, 5);
      await at.env.advance(30_000);
      await make(changes, 5);
      const refused = (retryAfterMs: number): ScheduleRefusal => ({
        refused: "quota",
        exceeded: { limit: "scheduleWritesPerMinute", allows: 10, used: 10, retryAfterMs },
      });
      expect(await changes.create(own())).toEqual(refused(30_000));
      await at.env.advance(29_999);
      const { id = "" } = first ?? {};
      expect(await changes.update(id, { description: "x" })).toEqual(refused(1));
      expect(await changes.pause(id, { note: "", by: "demo", until: null })).toEqual(refused(1));
      expect(await changes.resume(id)).toEqual(refused(1));
      expect(await changes.delete(id, "demo")).toEqual(refused(1));
      expect(await changes.apply([])).toEqual(refused(1));
      await at.env.advance(1);
      await make(changes, 5); // The first five have left, all at once.
      expect(await changes.create(own())).toEqual(refused(30_000));
    });

    test("what changes nothing does not count", async () => {
      const changes = at.store.schedules.within(metered({ scheduleWritesPerMinute: 2 }));
      const [made] = await make(changes, 1);
      for (let i = 0; i < 5; i++) {
        expect(await changes.update(made?.id ?? "", {}, 99)).toMatchObject({ refused: "revision" });
        expect(await changes.delete("SC_nobody", "demo")).toEqual({ refused: "not-found" });
      }
      expect(await use()).toMatchObject({ scheduleWritesPerMinute: 1 });
      await make(changes, 1);
    });

    test("a clock that is set back makes nobody wait for more than a minute", async () => {
      const changes = at.store.schedules.within(metered());
      await make(changes, 10);
      at.env.jump(-3_600_000);
      expect(await changes.create(own())).toMatchObject({ exceeded: { retryAfterMs: 60_000 } });
      await at.env.advance(59_999);
      expect(await changes.create(own())).toMatchObject({ exceeded: { retryAfterMs: 1 } });
      await at.env.advance(1);
      await make(changes, 10);
    });

    test("several steps are counted together, and refused together", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 3 }));
      const step = () => ({ kind: "create" as const, schedule: own() });
      expect(await changes.apply([step(), step()])).toBeNull();
      expect(await changes.apply([step(), step()])).toMatchObject({
        exceeded: { limit: "schedules", used: 2 },
      });
      expect(await use()).toMatchObject({ schedules: 2, scheduleWritesPerMinute: 2 });
    });

    test("what is declared counts as schedules, not as changes; too many are refused whole", async () => {
      const changes = at.store.schedules.within(metered({ schedules: 3 }));
      await make(changes, 1);
      const owner = { kind: "plugin", name: "demo" } as const;
      const declared = (count: number) =>
        Array.from({ length: count }, (_, i) => own({ declaredId: `d${i}` }));
      await changes.declare(owner, declared(2));
      await changes.declare(owner, declared(2)); // Again, at the next start.
      expect(await use()).toMatchObject({ schedules: 3, scheduleWritesPerMinute: 1 });
      const fault = await changes.declare(owner, declared(3)).catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Fault);
      expect(fault).toMatchObject({ code: "exhausted", limit: { name: "schedules", allows: 3, used: 4 } });
      expect(await use()).toMatchObject({ schedules: 3 });
      expect(await changes.create(own())).toMatchObject({ exceeded: { limit: "schedules" } });
    });

    test("of a flood of refusals the first twenty of a minute have rows of their own, the others are counted in the last", async () => {
      const { audit } = at.store;
      const refuse = (operation: string, n: number) =>
        audit.add({
          id: `${operation}${n}`,
          principal: "plugin:demo",
          operation,
          subject: `s${n}`,
          allowed: false,
          detail: `no ${n}`,
        });
      for (let i = 1; i <= 500; i++) await refuse("a", i);
      await refuse("b", 1);
      const { items } = await audit.list({ limit: 100 });
      expect(items).toHaveLength(21);
      expect(items[0]).toMatchObject({ operation: "b", count: 1 });
      expect(items[1]).toMatchObject({ id: "a20", subject: "s500", detail: "no 500", count: 481 });
      expect(items.reduce((sum, { count }) => sum + count, 0)).toBe(501);
      await at.env.advance(60_000);
      await refuse("a", 501);
      expect((await audit.list({ limit: 1 })).items).toMatchObject([{ id: "a501", count: 1 }]);
    });
  });
}

function ok(answer: Schedule | ScheduleRefusal): Schedule {
  if ("refused" in answer) throw new Error(JSON.stringify(answer));
  return answer;
}
