/** What every engine promises about schedules that are declared: by a plugin, or in a file. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { HeldJob } from "../../job/job.ts";
import { POLICY_DEFAULT, type Schedule } from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleRefusal } from "../schedules.ts";
import { COMPLETED, end, failed, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const MINUTE = 60_000;

export function declarationSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: declared schedules`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const made = (answer: Schedule | ScheduleRefusal): Schedule => {
      if ("refused" in answer) throw new Error(`refused: ${answer.refused}`);
      return answer;
    };
    const create = async (change: Partial<NewSchedule> = {}) =>
      made(await at.store.schedules.create(newSchedule(at.env, change)));
    const fire = async () => at.store.schedules.fire({ nodeId: await at.store.nodes.nodeId(), limit: 100 });

    test("declaring again changes only what changed, and respects people", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = (declaredId: string, change: Partial<NewSchedule> = {}) =>
        newSchedule(at.env, { owner, declaredId, ...change });
      const changes = async (...list: NewSchedule[]) =>
        (await at.store.schedules.declare(owner, list)).map(
          ({ declaredId, change }) => `${declaredId} ${change}`,
        );

      expect(await changes(declared("a"), declared("b"), declared("c"))).toEqual([
        "a created",
        "b created",
        "c created",
      ]);
      const runtime = await create({ owner, name: "made at run time" });
      const before = (await at.store.schedules.list({ owner }, {})).items;
      await at.env.advance(20_000);
      expect(await changes(declared("a"), declared("b"), declared("c"))).toEqual([
        "a unchanged",
        "b unchanged",
        "c unchanged",
      ]);
      expect((await at.store.schedules.list({ owner }, {})).items).toEqual(before);

      const idOf = (declaredId: string) =>
        before.find((schedule) => schedule.declaredId === declaredId)?.id ?? "";
      await at.store.schedules.pause(idOf("a"), { note: "", by: "me", until: null });
      await at.store.schedules.delete(idOf("b"), "me");
      const every = { kind: "every", everyMs: 5_000 } as const;
      expect(await changes(declared("a"), declared("b"), declared("c", { spec: every }))).toEqual([
        "a unchanged",
        "b unchanged",
        "c updated",
      ]);
      expect(await changes(declared("a"))).toEqual(["a unchanged", "c deleted"]);
      expect(await changes(declared("a"), declared("c"))).toEqual(["a unchanged", "c revived"]);
      const states = (await at.store.schedules.list({ owner, deleted: true }, {})).items.map(
        ({ declaredId, state }) => [declaredId, state],
      );
      expect(Object.fromEntries(states)).toEqual({ a: "paused", b: "deleted", c: "active", "": "active" });
      expect(await at.store.schedules.get(runtime.id)).toMatchObject({ state: "active" });
    });

    test("a declaration that repeats itself leaves what is due to the ticker, which knows whether the clock is believed", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = newSchedule(at.env, { owner, declaredId: "a" });
      const [first] = await at.store.schedules.declare(owner, [declared]);
      await at.env.advance(3_600_000);
      await at.store.schedules.declare(owner, [declared]);
      const rows = async () => (await at.store.schedules.ledger(first?.id ?? "", {}, {})).items.length;
      expect(await rows()).toBe(0);
      await fire();
      expect(await rows()).toBeGreaterThan(0);
    });

    test("a declaration that repeats itself changes nothing, whatever its bytes are kept in", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = (payload: Uint8Array) =>
        newSchedule(at.env, { owner, declaredId: "a", payload, metadata: { a: "b" } });
      const changes = async (payload: Uint8Array) =>
        (await at.store.schedules.declare(owner, [declared(payload)])).map(({ change }) => change);
      expect(await changes(Buffer.from([1, 2]))).toEqual(["created"]);
      expect(await changes(Buffer.from([1, 2]))).toEqual(["unchanged"]);
      expect(await changes(new Uint8Array([1, 2]))).toEqual(["unchanged"]);
      expect(await changes(Buffer.from([1, 3]))).toEqual(["updated"]);
    });

    test.each([
      // declared first, then      a person meanwhile    declared again     it is
      [false, null, true, "paused"],
      [true, null, false, "active"],
      [true, "resume", true, "active"],
      [false, "pause", false, "paused"],
      [true, "pause", false, "paused"],
      [true, "resume", false, "active"],
      [false, "undeclare", true, "paused"],
      [true, "undeclare", false, "active"],
      [false, "pause and undeclare", false, "paused"],
    ] as const)(
      "a declaration that says paused: %p, a person: %p, then paused: %p, is %s",
      async (first, person, again, state) => {
        const owner = { kind: "file", name: "qntx.toml" } as const;
        const by = "file:qntx.toml";
        const declare = (paused: boolean) =>
          at.store.schedules.declare(owner, [
            newSchedule(at.env, { owner, declaredId: "a", paused: paused ? { note: "declared", by } : null }),
          ]);
        const [made] = await declare(first);
        const id = made?.id ?? "";
        if (person?.startsWith("pause"))
          await at.store.schedules.pause(id, { note: "", by: "person:me", until: null });
        if (person === "resume") await at.store.schedules.resume(id);
        if (person?.endsWith("undeclare")) await at.store.schedules.declare(owner, []);
        for (let i = 0; i < 2; i++) {
          await at.env.advance(10 * MINUTE);
          await declare(again);
          await fire();
          expect(await at.store.schedules.get(id)).toMatchObject({ state });
        }
        const { nextRunAt } = (await at.store.schedules.get(id)) ?? {};
        expect(nextRunAt !== null).toBe(state === "active");
      },
    );

    test("each run carries its number, and it stays: over tries, a host that dies, an outage, a new declaration", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declare = (missed: "all" | "latest") =>
        at.store.schedules.declare(owner, [
          newSchedule(at.env, { owner, declaredId: "a", policy: { ...POLICY_DEFAULT, missed } }),
        ]);
      const claim = (bootId: string) =>
        at.store.jobs.claim({ bootId, lanes: [{ lane: "test.work", limit: 10 }] });
      const numbers = (jobs: readonly HeldJob[]) =>
        jobs.map(({ runCount, declaredId, catchup }) => [runCount, declaredId, catchup]);

      await declare("all");
      await at.env.advance(MINUTE);
      await fire();
      const [first] = await claim("BT_1");
      expect(numbers([first as HeldJob])).toEqual([[1, "a", false]]);
      await end(at.store, at.env, first as HeldJob, failed());
      await at.env.advance(10_000);
      await at.store.jobs.promote(10);
      expect(numbers(await claim("BT_1"))).toEqual([[1, "a", false]]);
      await at.store.jobs.recover("BT_2");
      const [again] = await claim("BT_2");
      expect(numbers([again as HeldJob])).toEqual([[1, "a", false]]);
      await end(at.store, at.env, again as HeldJob, COMPLETED);

      await at.env.advance(3 * MINUTE);
      const caughtUp: HeldJob[] = [];
      for (let turn = 0; turn < 8; turn++) {
        await fire();
        await at.env.advance(100);
        await at.store.jobs.promote(10);
        for (const job of await claim("BT_2")) {
          caughtUp.push(job);
          await end(at.store, at.env, job, COMPLETED);
        }
      }
      expect(caughtUp.map(({ runCount }) => runCount)).toEqual([2, 3, 4]);
      expect(caughtUp[0]).toMatchObject({ declaredId: "a", catchup: true });
      await declare("latest");
      await at.env.advance(MINUTE);
      await fire();
      expect(numbers(await claim("BT_2"))).toEqual([[5, "a", false]]);
    });

    test("of schedules that are due at the same moment, those with the lower priority come first", async () => {
      const made = async (priority: number) => create({ policy: { ...POLICY_DEFAULT, priority } });
      const ids = [(await made(5)).id, (await made(-5)).id, (await made(0)).id, (await made(7)).id];
      const [five = "", minus = "", zero = "", seven = ""] = ids;
      const changed = { policy: { ...POLICY_DEFAULT, priority: -6 } };
      for (const order of [
        [minus, zero, five, seven],
        [seven, minus, zero, five],
      ]) {
        await at.env.advance(MINUTE);
        const nodeId = await at.store.nodes.nodeId();
        const fired: string[] = [];
        while (fired.length < 4) {
          const step = await at.store.schedules.fire({ nodeId, limit: 1 });
          fired.push(...step.jobs.map(({ scheduleId }) => scheduleId));
        }
        expect(fired).toEqual(order);
        for (const job of await at.store.jobs.claim({
          bootId: "BT_1",
          lanes: [{ lane: "test.work", limit: 10 }],
        }))
          await end(at.store, at.env, job, COMPLETED);
        await at.store.schedules.update(seven, changed);
      }
    });

    test("a declared schedule is found by its owner and its id, also when it is deleted", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const [change] = await at.store.schedules.declare(owner, [
        newSchedule(at.env, { owner, declaredId: "a" }),
      ]);
      await create({ owner, name: "a" });
      const found = async (declaredId: string, name = "p", tenant = "") =>
        (await at.store.schedules.declaredAs({ kind: "plugin", name }, declaredId, tenant))?.id ?? null;
      expect(await found("a")).toBe(change?.id ?? "");
      await at.store.schedules.delete(change?.id ?? "", "me");
      expect(await found("a")).toBe(change?.id ?? "");
      for (const nobody of [found(""), found("b"), found("a", "q"), found("a", "p", "t")])
        expect(await nobody).toBeNull();
    });

    test("a declared schedule gives way to a name that is taken, and keeps giving way", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const runtime = await create({ owner, name: "sync" });
      const declared = newSchedule(at.env, { owner, declaredId: "sync", name: "sync" });
      const declare = async (...list: NewSchedule[]) =>
        (await at.store.schedules.declare(owner, list)).map(({ change }) => change);
      expect(await declare(declared)).toEqual(["created"]);
      expect(await declare(declared)).toEqual(["unchanged"]);
      expect(await at.store.schedules.named("sync")).toMatchObject([{ id: runtime.id }]);
      const other = newSchedule(at.env, { owner, declaredId: "other", name: "other" });
      await declare(declared, other);
      await declare(declared);
      await create({ owner, name: "other" });
      expect(await declare(declared, other)).toEqual(["unchanged", "revived"]);
      expect(await at.store.schedules.named("other")).toHaveLength(1);
    });
  });
}
