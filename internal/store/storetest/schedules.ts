/** What every engine promises about schedules and their ledger. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  type OccurrenceOutcome,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
} from "../../schedule/schedule.ts";
import type { NewSchedule, ScheduleChange, ScheduleRefusal } from "../schedules.ts";
import { COMPLETED, end, newSchedule, type Opened, type OpenStore } from "./fixture.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

export function scheduleSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: schedules`, () => {
    let at: Opened;
    let nodeId: string;
    beforeEach(async () => {
      at = await open();
      nodeId = await at.store.nodes.nodeId();
    });
    afterEach(() => at.close());

    const made = (answer: Schedule | ScheduleRefusal): Schedule => {
      if ("refused" in answer) throw new Error(`refused: ${answer.refused}`);
      return answer;
    };
    const create = async (change: Partial<NewSchedule> = {}) =>
      made(await at.store.schedules.create(newSchedule(at.env, change)));
    const fire = () => at.store.schedules.fire({ nodeId, limit: 100 });
    /** Runs and completes whatever is queued, so that nothing overlaps. */
    const finishJobs = async () => {
      const jobs = await at.store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 100 }] });
      for (const job of jobs) await end(at.store, at.env, job, COMPLETED);
      return jobs;
    };
    /** The ledger as [offset from the start in seconds, outcome, count]. */
    const ledger = async (id: string, start: number) => {
      const { items } = await at.store.schedules.ledger(id, {}, { limit: 1000 });
      return items.map((row): [number, OccurrenceOutcome, number] => [
        (row.occurrence - start) / SECOND,
        row.outcome,
        row.count,
      ]);
    };
    const policy = (change: Partial<Policy>): Policy => ({ ...POLICY_DEFAULT, ...change });

    test("whose a schedule is, is told without reading it, and of none is nothing", async () => {
      const { id, tenant, owner } = await create({ tenant: "acme" });
      expect(await at.store.schedules.whose(id)).toEqual({ tenant, owner });
      expect(await at.store.schedules.whose("SC_none")).toBeNull();
    });

    test("what was created is given back, with its next run one interval later", async () => {
      const schedule = await create({
        name: "nightly",
        payload: new Uint8Array([1, 255]),
        metadata: { glyph: "7" },
      });
      expect(schedule).toMatchObject({
        name: "nightly",
        payload: new Uint8Array([1, 255]),
        metadata: { glyph: "7" },
        state: "active",
        revision: 1,
        nextRunAt: at.env.now() + MINUTE,
      });
      expect(await at.store.schedules.get(schedule.id)).toEqual(schedule);
      expect(await at.store.schedules.named("nightly")).toEqual([schedule]);
    });

    test("a name is taken among its owner's schedules until it is deleted", async () => {
      const first = await create({ name: "a" });
      expect(await at.store.schedules.create(newSchedule(at.env, { name: "a" }))).toMatchObject({
        refused: "name-taken",
      });
      await create({ name: "a", owner: { kind: "plugin", name: "p" } });
      await at.store.schedules.delete(first.id, "me");
      await create({ name: "a" });
      expect(await at.store.schedules.named("a")).toHaveLength(2);
    });

    test("an occurrence becomes one ledger row, one job and the next instant together", async () => {
      const start = at.env.now();
      const schedule = await create({ payload: new Uint8Array([7]) });
      expect(await fire()).toMatchObject({ settled: 0, jobs: [], nextDueAt: start + MINUTE });
      await at.env.advance(MINUTE);
      const fired = await fire();
      expect(fired).toMatchObject({
        settled: 1,
        nextDueAt: start + 2 * MINUTE,
        jobs: [{ occurrence: start + MINUTE }],
      });
      expect(await fire()).toMatchObject({ settled: 0, jobs: [] });
      expect(await at.store.jobs.get(fired.jobs[0]?.id ?? "")).toMatchObject({
        scheduleId: schedule.id,
        occurrence: start + MINUTE,
        trigger: "schedule",
        payload: new Uint8Array([7]),
        catchup: false,
      });
      expect(await ledger(schedule.id, start)).toEqual([[60, "fired", 1]]);
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({
        runCount: 1,
        lastJobId: fired.jobs[0]?.id,
      });
    });

    test("two schedules for one handler are two schedules, each with its payload", async () => {
      await create({ payload: new Uint8Array([1]) });
      await create({ payload: new Uint8Array([2]), spec: { kind: "every", everyMs: 30 * SECOND } });
      await at.env.advance(MINUTE);
      await fire();
      expect((await finishJobs()).map(({ payload }) => payload[0]).sort()).toEqual([1, 2]);
    });

    test("an occurrence that meets an open run is skipped, and says which run", async () => {
      const start = at.env.now();
      const schedule = await create();
      await at.env.advance(MINUTE);
      const jobId = (await fire()).jobs[0]?.id;
      await at.env.advance(MINUTE);
      await fire();
      await finishJobs();
      await at.env.advance(MINUTE);
      await fire();
      expect(await ledger(schedule.id, start)).toEqual([
        [60, "fired", 1],
        [120, "skipped-overlap", 1],
        [180, "fired", 1],
      ]);
      expect((await at.store.schedules.ledger(schedule.id, {}, {})).items[1]).toMatchObject({
        relatedJobId: jobId,
        jobId: null,
      });
    });

    test.each([
      // policy                      late by       rows
      ["latest", {}, 500, [[60, "fired", 1]]],
      ["latest", {}, 30 * SECOND, [[60, "fired-late", 1]]],
      [
        "latest",
        {},
        HOUR,
        [
          [60, "coalesced", 60],
          [3660, "fired", 1],
        ],
      ],
      [
        "latest",
        {},
        HOUR - 30 * SECOND,
        [
          [60, "coalesced", 59],
          [3600, "caught-up", 1],
        ],
      ],
      ["skip", { missed: "skip" }, HOUR - 30 * SECOND, [[60, "skipped-missed", 60]]],
      [
        "skip, and back in time for the next one",
        { missed: "skip" },
        HOUR + 500,
        [
          [60, "skipped-missed", 60],
          [3660, "fired", 1],
        ],
      ],
      ["skip, but a minute is no outage", { missed: "skip" }, 59 * SECOND, [[60, "fired-late", 1]]],
      [
        "earliest",
        { missed: "earliest", overlap: "allow" },
        HOUR - 30 * SECOND,
        [
          [60, "caught-up", 1],
          [120, "skipped-missed", 59],
        ],
      ],
      [
        "latest, beyond the window",
        { missedWindowMs: 10 * MINUTE, overlap: "allow" },
        HOUR,
        [
          [60, "skipped-missed", 51],
          [3120, "coalesced", 9],
          [3660, "fired", 1],
        ],
      ],
      [
        "nothing older than the allowed lateness, were it seconds",
        { latenessMaxMs: 10 * SECOND },
        30 * SECOND,
        [[60, "expired", 1]],
      ],
      [
        "nothing older than the allowed lateness",
        { latenessMaxMs: 10 * MINUTE },
        HOUR,
        [
          [60, "expired", 51],
          [3120, "coalesced", 9],
          [3660, "fired", 1],
        ],
      ],
    ] as [string, Partial<Policy>, number, [number, OccurrenceOutcome, number][]][])(
      "missed: %s %p late by %p ms",
      async (_, change, lateMs, rows) => {
        const start = at.env.now();
        const schedule = await create({ policy: policy(change) });
        await at.env.advance(MINUTE + lateMs);
        await fire();
        expect(await ledger(schedule.id, start)).toEqual(rows);
      },
    );

    test("a daily schedule that was missed by hours catches up once, and says so", async () => {
      const start = at.env.now();
      const schedule = await create({ spec: { kind: "every", everyMs: DAY } });
      await at.env.advance(2 * DAY + 5 * HOUR);
      const fired = await fire();
      expect(fired.jobs).toHaveLength(1);
      expect(await at.store.jobs.get(fired.jobs[0]?.id ?? "")).toMatchObject({
        catchup: true,
        occurrence: start + 2 * DAY,
      });
      expect(await ledger(schedule.id, start)).toEqual([
        [86_400, "expired", 1],
        [172_800, "caught-up", 1],
      ]);
    });

    test("three days of half minutes are two rows and a run, and none is unaccounted for", async () => {
      const start = at.env.now();
      const schedule = await create({ spec: { kind: "every", everyMs: 30 * SECOND } });
      await at.env.advance(3 * DAY);
      await fire();
      const rows = await ledger(schedule.id, start);
      expect(rows.reduce((sum, [, , count]) => sum + count, 0)).toBe((3 * DAY) / (30 * SECOND));
      expect(rows.length).toBeLessThan(6);
    });

    test("a pause is recorded, and the next run is after the resume", async () => {
      const start = at.env.now();
      const schedule = await create();
      await at.env.advance(90 * SECOND);
      const paused = made(
        await at.store.schedules.pause(schedule.id, { note: "vacation", by: "me", until: null }),
      );
      expect(paused).toMatchObject({
        state: "paused",
        nextRunAt: null,
        pause: { note: "vacation", by: "me" },
      });
      await at.env.advance(5 * MINUTE);
      expect(await fire()).toMatchObject({ jobs: [], nextDueAt: null });
      const resumed = made(await at.store.schedules.resume(schedule.id));
      expect(resumed).toMatchObject({ state: "active", pause: null, nextRunAt: start + 7 * MINUTE });
      expect(await ledger(schedule.id, start)).toEqual([
        [60, "fired-late", 1],
        [120, "paused", 5],
      ]);
      const { items } = await at.store.schedules.ledger(schedule.id, {}, {});
      expect(items.map(({ note }) => note)).toEqual(["", "vacation (by me)"]);
    });

    test("a deleted schedule cannot be changed, and its ledger stays", async () => {
      const schedule = await create();
      await at.env.advance(MINUTE);
      await fire();
      expect(made(await at.store.schedules.delete(schedule.id, "me"))).toMatchObject({
        state: "deleted",
        nextRunAt: null,
      });
      for (const answer of [
        await at.store.schedules.resume(schedule.id),
        await at.store.schedules.update(schedule.id, { description: "x" }),
        await at.store.schedules.delete(schedule.id, "me"),
      ]) {
        expect(answer).toMatchObject({ refused: "deleted" });
      }
      await at.env.advance(HOUR);
      expect((await fire()).jobs).toEqual([]);
      expect((await at.store.schedules.ledger(schedule.id, {}, {})).items).toHaveLength(1);
      expect(await at.store.schedules.pause("SC_none", { note: "", by: "", until: null })).toEqual({
        refused: "not-found",
      });
    });

    test("an update without a change of time keeps the next run to the millisecond", async () => {
      const schedule = await create();
      await at.env.advance(17_123);
      const updated = made(
        await at.store.schedules.update(schedule.id, { description: "d", payload: new Uint8Array([1]) }),
      );
      expect(updated).toMatchObject({ nextRunAt: schedule.nextRunAt, revision: 2, description: "d" });
    });

    test("a new interval is anchored at the update", async () => {
      const schedule = await create();
      await at.env.advance(17_000);
      const updated = made(
        await at.store.schedules.update(schedule.id, { spec: { kind: "every", everyMs: 10_000 } }),
      );
      expect(updated.nextRunAt).toBe(at.env.now() + 10_000);
    });

    test("an update against an old revision is refused", async () => {
      const schedule = await create();
      await at.store.schedules.update(schedule.id, { description: "a" }, 1);
      expect(await at.store.schedules.update(schedule.id, { description: "b" }, 1)).toMatchObject({
        refused: "revision",
      });
    });

    test("instants that are all over finish the schedule", async () => {
      const now = at.env.now();
      const schedule = await create({
        spec: { kind: "at", instants: [now + SECOND, now + MINUTE] },
        policy: policy({ overlap: "allow" }),
      });
      await at.env.advance(SECOND);
      await fire();
      await at.env.advance(MINUTE);
      await fire();
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({
        state: "finished",
        nextRunAt: null,
        runCount: 2,
      });
    });

    test("the last of the allowed runs finishes the schedule", async () => {
      const schedule = await create({ policy: policy({ runsMax: 2, overlap: "allow" }) });
      for (let i = 0; i < 4; i++) {
        await at.env.advance(MINUTE);
        await fire();
      }
      expect(await at.store.schedules.get(schedule.id)).toMatchObject({ state: "finished", runCount: 2 });
    });

    test.each([
      // was missed by   limit before, after
      [0, 3, 1],
      [HOUR, 3, 1],
      [HOUR, null, 1],
    ])(
      "a limit that is set below the runs so far ends it, missed by %p ms",
      async (missedMs, before, after) => {
        const schedule = await create({ policy: policy({ runsMax: before, overlap: "allow" }) });
        for (let i = 0; i < 2; i++) {
          await at.env.advance(MINUTE);
          await fire();
        }
        const change = { policy: policy({ runsMax: after, overlap: "allow" }) };
        const updated = made(await at.store.schedules.update(schedule.id, change));
        expect(updated).toMatchObject({ state: "finished", nextRunAt: null });
        await at.env.advance(MINUTE + missedMs);
        expect((await fire()).jobs).toEqual([]);
      },
    );

    test.each([
      ["changed", (id: string) => at.store.schedules.update(id, { spec: { kind: "every", everyMs: HOUR } })],
      ["deleted", (id: string) => at.store.schedules.delete(id, "me")],
    ])("an occurrence whose jitter is not over when its schedule is %s has its row", async (_, act) => {
      const start = at.env.now();
      const schedule = await create({ policy: policy({ jitterMs: 59 * SECOND }) });
      const fired = await fire();
      const effectiveAt = fired.nextDueAt ?? start;
      expect(effectiveAt).toBeGreaterThan(start + MINUTE + 1);
      await at.env.advance(MINUTE + 1);
      made(await act(schedule.id));
      expect(await ledger(schedule.id, start)).toEqual([[60, "deleted", 1]]);
    });

    test("what was declared and is no longer has no occurrences after its last run", async () => {
      const owner = { kind: "plugin", name: "p" } as const;
      const declared = newSchedule(at.env, { owner, declaredId: "a", policy: policy({ runsMax: 1 }) });
      await at.store.schedules.declare(owner, [declared]);
      const start = at.env.now();
      const [schedule] = (await at.store.schedules.list({ owner }, {})).items;
      await at.env.advance(MINUTE + 30 * SECOND);
      await at.store.schedules.declare(owner, []);
      expect(await ledger(schedule?.id ?? "", start)).toEqual([[60, "fired-late", 1]]);
    });

    test("a clock that goes back repeats nothing", async () => {
      const start = at.env.now();
      const schedule = await create({ policy: policy({ overlap: "allow" }) });
      for (const jump of [0, -2 * HOUR, 0]) {
        at.env.jump(jump);
        await at.env.advance(MINUTE);
        await fire();
      }
      at.env.jump(2 * HOUR);
      await fire();
      const rows = await ledger(schedule.id, start);
      expect(new Set(rows.map(([occurrence]) => occurrence)).size).toBe(rows.length);
      expect(rows.map(([occurrence]) => occurrence)).toEqual(
        rows.map(([occurrence]) => occurrence).toSorted((a, b) => a - b),
      );
    });

    test("those that call endpoints of a plugin are found, whoever's they are, while they are active", async () => {
      const calls = (endpoint: string) => ({ target: { kind: "endpoint", endpoint } }) as const;
      const first = await create({ ...calls("demo/POST /a"), tenant: "acme" });
      const second = await create({ ...calls("demo/GET /@b"), tenant: "acme", name: "b" });
      await create({ ...calls("demo/POST /a"), tenant: "globex" });
      await create({ ...calls("demo-2/POST /a"), tenant: "acme" });
      await create({ target: { kind: "handler", handler: "demo/demo.x" }, tenant: "acme" });
      const callers = async () => {
        const found = await at.store.schedules.callers({ plugin: "demo", tenant: "acme" });
        return found.map(({ id }) => id).toSorted();
      };
      expect(await callers()).toEqual([first.id, second.id].toSorted());
      await at.store.schedules.pause(first.id, { note: "", by: "me", until: null });
      expect(await callers()).toEqual([second.id]);
    });

    test("lists are pages, oldest first, without deleted ones unless asked", async () => {
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        await at.env.advance(1);
        ids.push((await create({ target: { kind: "handler", handler: i < 2 ? "a" : "b" } })).id);
      }
      await at.store.schedules.delete(ids[4] ?? "", "me");
      const first = await at.store.schedules.list({}, { limit: 3 });
      const second = await at.store.schedules.list({}, { limit: 3, cursor: first.cursor ?? "" });
      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(ids.slice(0, 4));
      expect(second.cursor).toBeNull();
      expect((await at.store.schedules.list({ handler: "a" }, {})).items).toHaveLength(2);
      expect((await at.store.schedules.list({ state: "deleted" }, {})).items).toHaveLength(1);
      expect(await at.store.schedules.counts()).toEqual({ active: 4, paused: 0, finished: 0, deleted: 1 });
    });

    test("a schedule that becomes node-local leaves its common cursor, and the other way round", async () => {
      const schedule = await create({ policy: policy({ overlap: "allow" }) });
      for (const locking of ["node-local", "require-global"] as const) {
        await at.store.schedules.update(schedule.id, { locking });
        await at.env.advance(MINUTE);
        expect((await fire()).jobs).toHaveLength(1);
      }
      await at.store.schedules.pause(schedule.id, { note: "", by: "me", until: null });
      await at.env.advance(2 * MINUTE);
      await at.store.schedules.resume(schedule.id);
      const { items } = await at.store.schedules.ledger(schedule.id, {}, {});
      expect(items.map(({ node, outcome, count }) => [node, outcome, count])).toEqual([
        [nodeId, "fired", 1],
        ["", "fired", 1],
        ["", "paused", 2],
      ]);
    });

    test("the soonest come first, and what will not run is left out", async () => {
      const at30 = await create({ spec: { kind: "every", everyMs: 30 * SECOND } });
      const at10 = await create({ spec: { kind: "every", everyMs: 10 * SECOND } });
      const paused = await create({ spec: { kind: "every", everyMs: SECOND } });
      await create();
      await at.store.schedules.pause(paused.id, { note: "", by: "me", until: null });
      expect((await at.store.schedules.upcoming(2)).map(({ id }) => id)).toEqual([at10.id, at30.id]);
    });

    test.each([
      // what is changed while it is paused
      ["its words", { description: "d" }],
      ["its time", { spec: { kind: "every", everyMs: 30 * SECOND } }],
      ["its blackouts", { policy: { ...POLICY_DEFAULT, blackouts: [{ from: 0, to: 1, note: "" }] } }],
    ] as [string, ScheduleChange][])(
      "a pause with an end keeps it while %s is changed: it ends then, and not before",
      async (_, change) => {
        const blackouts = [{ from: at.env.now() + HOUR, to: at.env.now() + 2 * HOUR, note: "" }];
        const { id } = await create({ policy: policy({ blackouts }) });
        const until = at.env.now() + 10 * MINUTE;
        await at.store.schedules.pause(id, { note: "", by: "me", until });
        await at.env.advance(5 * MINUTE);
        expect(made(await at.store.schedules.update(id, change))).toMatchObject({ state: "paused" });
        await fire();
        expect(await at.store.schedules.get(id)).toMatchObject({ state: "paused", pause: { until } });
        await at.env.advance(5 * MINUTE);
        expect(await fire()).toMatchObject({ jobs: [] });
        const { state, nextRunAt } = (await at.store.schedules.get(id)) ?? {};
        expect(state).toBe("active");
        expect(nextRunAt).toBeGreaterThan(until);
        expect(nextRunAt).toBeLessThanOrEqual(until + MINUTE);
      },
    );

    test("a range is found from inside of it, also behind a blackout", async () => {
      const start = at.env.now();
      const blackouts = [{ from: start + 10 * MINUTE, to: start + 20 * MINUTE, note: "" }];
      const { id } = await create({ policy: policy({ blackouts }) });
      await at.env.advance(HOUR);
      await fire();
      const { items } = await at.store.schedules.ledger(id, { from: start + 30 * MINUTE }, {});
      expect(items.map(({ outcome }) => outcome)).toEqual(["coalesced", "fired"]);
    });

    test("runs that are made up for do not wait for a clock that was set back", async () => {
      const spec = { kind: "every", everyMs: HOUR } as const;
      await create({ spec });
      await at.env.advance(HOUR + 2 * MINUTE);
      await fire();
      at.env.jump(-2 * HOUR);
      await create({ spec });
      await at.env.advance(HOUR + 2 * MINUTE);
      const { jobs } = await fire();
      expect(jobs).toHaveLength(1);
      expect(await at.store.jobs.get(jobs[0]?.id ?? "")).toMatchObject({ catchup: true, state: "queued" });
    });

    test("a span of the ledger begins with the range that reaches into it, and pages miss nothing", async () => {
      const start = at.env.now();
      const { id } = await create({ policy: policy({ overlap: "allow" }) });
      await at.env.advance(HOUR);
      await fire();
      await at.env.advance(MINUTE);
      await fire();
      const offsets = async (range: { from?: number; to?: number }, cursor?: string) => {
        const page = await at.store.schedules.ledger(id, range, { limit: 1, cursor });
        const rest: number[] = page.cursor === null ? [] : await offsets(range, page.cursor);
        return [...page.items.map(({ occurrence }) => (occurrence - start) / MINUTE), ...rest];
      };
      expect(await offsets({})).toEqual([1, 60, 61]);
      expect(await offsets({ from: start + 30 * MINUTE })).toEqual([1, 60, 61]);
      expect(await offsets({ from: start + 60 * MINUTE })).toEqual([60, 61]);
      expect(await offsets({ from: start + 30 * MINUTE, to: start + 60 * MINUTE })).toEqual([1]);
      expect(await offsets({ from: start + 62 * MINUTE })).toEqual([]);
      expect(await offsets({ to: start })).toEqual([]);
    });

    test("the end of the ledger comes first where no span is wanted, each page oldest first", async () => {
      const start = at.env.now();
      const { id } = await create({ policy: policy({ overlap: "allow" }) });
      for (let minute = 1; minute <= 5; minute++) {
        await at.env.advance(MINUTE);
        await fire();
      }
      const page = async (cursor?: string) => {
        const { items, cursor: older } = await at.store.schedules.ledgerEnd(id, { limit: 2, cursor });
        return { minutes: items.map(({ occurrence }) => (occurrence - start) / MINUTE), older };
      };
      const newest = await page();
      const middle = await page(newest.older ?? "");
      const oldest = await page(middle.older ?? "");
      expect([newest, middle, oldest].map(({ minutes }) => minutes)).toEqual([[4, 5], [2, 3], [1]]);
      expect(oldest.older).toBeNull();
    });

    test.each(["", "x", "12", "@", "1e3@", "0x10@"])("a ledger has no cursor %p", async (cursor) => {
      const { id } = await create();
      await expect(at.store.schedules.ledger(id, {}, { cursor })).rejects.toThrow("is not a cursor");
      await expect(at.store.schedules.ledgerEnd(id, { cursor })).rejects.toThrow("is not a cursor");
    });

    test("a schedule that leaves its cursor while it is paused wakes up once", async () => {
      const schedule = await create();
      const until = at.env.now() + 90 * SECOND;
      await at.store.schedules.pause(schedule.id, { note: "", by: "me", until });
      await at.store.schedules.update(schedule.id, { locking: "node-local" });
      await at.env.advance(2 * MINUTE);
      expect((await fire()).jobs).toHaveLength(1);
    });

    test("one that becomes node-local, or common again, behind a clock that was set back repeats nothing", async () => {
      const { id } = await create({ policy: policy({ overlap: "allow" }) });
      for (const locking of ["node-local", "require-global", "node-local"] as const) {
        for (let minute = 0; minute < 5; minute++) {
          await at.env.advance(MINUTE);
          await fire();
        }
        at.env.jump(-3 * MINUTE);
        await at.store.schedules.update(id, { locking });
      }
      await at.env.advance(5 * MINUTE);
      await fire();
      const { items } = await at.store.schedules.ledger(id, {}, {});
      const instants = items.map(({ occurrence }) => occurrence);
      expect(new Set(instants).size).toBe(instants.length);
      expect(new Set(items.map(({ node }) => node))).toEqual(new Set(["", nodeId]));
    });

    test("a node-local schedule keeps a row per node", async () => {
      const schedule = await create({ locking: "node-local" });
      await at.env.advance(MINUTE);
      await fire();
      expect((await at.store.schedules.ledger(schedule.id, {}, {})).items).toMatchObject([
        { node: nodeId, outcome: "fired" },
      ]);
    });
  });
}
