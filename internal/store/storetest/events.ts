/** What every engine promises about events. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { EVENTS_MAX, type NewEvent } from "../../event/event.ts";
import { POLICY_DEFAULT } from "../../schedule/schedule.ts";
import type { EventFilter } from "../events.ts";
import { end, failed, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

export function eventSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: events`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const add = (event: Partial<NewEvent> = {}) =>
      at.store.events.add({
        kind: "plugin.failed",
        subject: "echo",
        message: "It fell.",
        data: {},
        ...event,
      });
    const subjects = async (filter: EventFilter) => {
      const { items } = await at.store.events.list(filter, { limit: 100 });
      return items.map(({ subject }) => subject);
    };

    test("the number of an event never comes back, also when all events were old and are gone: followers ask behind it", async () => {
      await add();
      const { seq } = await add();
      await at.store.events.prune({ before: at.env.now() + 1 });
      expect(await subjects({})).toEqual([]);
      await add({ subject: "new" });
      expect(await subjects({ after: seq })).toEqual(["new"]);
    });

    test("an event is written with its time and comes back as it was", async () => {
      const data = { reason: "gone", tries: 5, final: true, next: null };
      const event = await add({ data });
      expect(event).toMatchObject({ kind: "plugin.failed", at: at.env.now(), data });
      expect(event.id).toStartWith("EV_");
      expect((await at.store.events.list({}, {})).items).toEqual([event]);
    });

    test.each([
      // filter                                               subjects
      [{}, ["c", "b", "a"]],
      [{ kind: "plugin.failed" }, ["c", "a"]],
      [{ subject: "b" }, ["b"]],
      [{ kind: "plugin.failed", subject: "b" }, []],
      [{ after: 0 }, ["a", "b", "c"]],
      [{ after: 1, kind: "plugin.failed" }, ["c"]],
      [{ after: 1, subject: "b" }, ["b"]],
      [{ after: 3 }, []],
    ] as [EventFilter, string[]][])("the list of %j", async (filter, expected) => {
      await add({ subject: "a" });
      await add({ subject: "b", kind: "plugin.recovered" });
      await add({ subject: "c" });
      expect(await subjects(filter)).toEqual(expected);
    });

    test.each([
      ["newest first", {}, ["c", "b", "a"]],
      ["oldest first, behind one", { after: 0 }, ["a", "b", "c"]],
    ] as [string, EventFilter, string[]][])(
      "pages go on where they ended, %s",
      async (_, filter, expected) => {
        for (const subject of ["a", "b", "c"]) await add({ subject });
        const first = await at.store.events.list(filter, { limit: 2 });
        const cursor = first.cursor ?? "";
        const second = await at.store.events.list(filter, { limit: 2, cursor });
        expect([...first.items, ...second.items].map(({ subject }) => subject)).toEqual(expected);
        expect(second.cursor).toBeNull();
      },
    );

    test("the newest are kept", async () => {
      const first = await add();
      const rest = Array.from({ length: EVENTS_MAX }, () => add());
      await Promise.all(rest);
      const { items } = await at.store.events.list({ after: 0 }, { limit: 1 });
      expect(items[0]?.seq).toBe(first.seq + 1);
    }, 30_000);

    test("a schedule that pauses itself says so in the write that pauses it", async () => {
      const policy = { ...POLICY_DEFAULT, pauseAfterFailures: 1, maxAttempts: 1 };
      const schedule = newSchedule(at.env, { name: "report", policy });
      await at.store.schedules.create(schedule);
      await at.env.advance(60_000);
      await at.store.schedules.fire({ nodeId: await at.store.nodes.nodeId(), limit: 10 });
      const lanes = [{ lane: "test.work", limit: 1 }];
      const [job] = await at.store.jobs.claim({ bootId: "BT_x", lanes });
      if (!job) throw new Error("no job was claimed");
      await end(at.store, at.env, job, failed({ permanent: true }));
      expect((await at.store.events.list({ subject: schedule.id }, {})).items).toMatchObject([
        {
          kind: "schedule.paused-by-failures",
          message: "Schedule report is paused: its run failed.",
          data: { failures: 1, jobId: job.id },
        },
      ]);
    });
  });
}
