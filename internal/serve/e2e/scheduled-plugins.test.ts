/**
 * Plugins that are nothing but their schedules, told with the real binary, once in
 * TypeScript and once in Python: what they declare, what a run is told, an outage,
 * what people and new declarations change, and cleanup.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FakedClock } from "./faked-clock.ts";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writePlugin } from "./python.ts";

const MINUTE = 60_000;
/** Long before the next minute, and too late for the last one. */
const START = Date.UTC(2030, 0, 15, 12, 0, 5);
const OUTAGE = 124 * MINUTE;
const STORY_LIMIT_MS = 180_000; // It takes some twenty seconds where nothing else runs.

interface Shown {
  id: string;
  name: string;
  declaredId: string | null;
  state: string;
  owner: string;
  everyMs: number | null;
  cron: string[] | null;
  timezone: string;
  missed: string;
  priority: number;
  description: string;
  payload: unknown;
  revision: number;
  runCount: number;
  pause: { by: string } | null;
}

interface Run extends JobShown {
  trigger: string;
  declaredId: string;
  occurrence: string;
  runCount: number;
  catchup: boolean;
  result: Record<string, unknown> | null;
}

test.each(["steward.ts", "steward.py"])(
  "%s: declared, run, missed, changed by people and by its author, and cleaned up",
  async (file) => {
    await using place = new Place(`[plugin]\nenabled = ["steward"]\nbundled = false\n`);
    writePlugin(place, file);
    const clock = new FakedClock(place, START);
    const steward = new Steward(place, clock);
    await steward.start();
    await declaresThree(steward);
    await runsKnowThemselves(steward);
    await outageIsMadeUpFor(steward);
    await peopleAreRespected(steward);
    await authorsChangeWhatTheyChange(steward);
    await cleansUpWhenTheHostEnds(steward);
  },
  STORY_LIMIT_MS,
);

/** The plugin as a person sees it. */
class Steward {
  readonly place: Place;
  readonly clock: FakedClock;

  constructor(place: Place, clock: FakedClock) {
    this.place = place;
    this.clock = clock;
  }

  async start(): Promise<void> {
    await this.place.start({ vars: { PATH: PYTHON_PATH, ...this.clock.vars } });
    await this.place.working();
  }

  async restart(): Promise<void> {
    await this.place.json("plugin", "restart", "steward");
  }

  /** Its schedules, by the id under which they are declared. */
  async schedules(): Promise<Record<string, Shown>> {
    const { schedules } = await this.place.call<{ schedules: Shown[] }>("schedule.list", { deleted: true });
    return Object.fromEntries(schedules.map((schedule) => [schedule.declaredId ?? schedule.name, schedule]));
  }

  async schedule(declaredId: string): Promise<Shown> {
    const found = (await this.schedules())[declaredId];
    if (!found) throw new Error(`There is no schedule ${declaredId}.`);
    return found;
  }

  /** Its completed runs of one schedule, oldest first. */
  async runs(declaredId: string): Promise<Run[]> {
    const { id } = await this.schedule(declaredId);
    const { jobs } = await this.place.call<{ jobs: Run[] }>("job.list", { scheduleId: id, limit: 1_000 });
    return jobs
      .filter(({ state, trigger }) => state === "completed" && trigger === "schedule")
      .toSorted((a, b) => a.runCount - b.runCount);
  }

  /** Says what it declares from its next start on. */
  plan(schedules: readonly object[]): void {
    this.place.write("plugins-data/steward/plan.json", JSON.stringify(schedules));
  }

  get cleanups(): number {
    const file = join(this.place.home, "plugins-data/steward/cleanups.txt");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").length : 0;
  }
}

async function declaresThree(steward: Steward): Promise<void> {
  const { often, minutely, hourly } = await steward.schedules();
  const same = { owner: "plugin:steward", state: "active", revision: 1 };
  expect(often).toMatchObject({ ...same, everyMs: 1_000, payload: { n: 1 }, missed: "latest", priority: 5 });
  expect(often).toMatchObject({ name: "often", description: "As often as possible" });
  expect(minutely).toMatchObject({ ...same, cron: ["* * * * *"], timezone: "Europe/Berlin", missed: "all" });
  expect(minutely?.priority).toBe(-1);
  expect(hourly).toMatchObject({ ...same, cron: ["@hourly"], timezone: "UTC", missed: "latest" });
}

async function runsKnowThemselves(steward: Steward): Promise<void> {
  const { place } = steward;
  await place.until("three runs", async () => (await steward.runs("often")).length >= 3);
  const { id } = await steward.schedule("often");
  const runs = await steward.runs("often");
  runs.forEach((run, index) => {
    const { occurrence } = run;
    const told = { scheduleId: id, declaredId: "often", occurrence, runCount: index + 1, catchup: false };
    expect(run).toMatchObject(told);
    expect(run.result).toEqual({ ...told, tenant: null, payload: { n: 1 } });
  });
  // A person's retry stands for the same run.
  const { id: again } = await place.json<JobShown>("job", "retry", runs[1]?.id ?? "");
  expect((await place.ended(again)).result).toEqual(runs[1]?.result);
  const { stdout } = await place.cli(["job", "show", runs[0]?.id ?? ""]);
  expect(stdout).toMatch(/^declared +often$/m);
  expect(stdout).toMatch(/^run +1$/m);
}

/** Keeper, host and plugin are killed at once; two hours later they are back. */
async function outageIsMadeUpFor(steward: Steward): Promise<void> {
  const { place, clock } = steward;
  await place.host.crash();
  expect(steward.cleanups).toBe(0); // Nobody was there to ask for it.
  clock.turn(OUTAGE);
  await steward.start();
  const before = (await steward.runs("often")).length;
  await place.until("ten minutes made up for", async () => (await steward.runs("minutely")).length >= 10);
  await place.until("the hour made up for", async () => (await steward.runs("hourly")).length === 1);
  await place.until("more runs", async () => (await steward.runs("often")).length >= before + 3);

  const minutely = (await steward.runs("minutely")).slice(0, 10);
  const last = Math.floor(clock.now() / MINUTE) * MINUTE;
  expect(minutely.map(({ runCount }) => runCount)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  for (const { catchup, result } of minutely) expect([catchup, result?.["catchup"]]).toEqual([true, true]);
  const instants = minutely.map(({ occurrence }) => Date.parse(occurrence));
  expect(instants).toEqual(instants.map((_, index) => (instants[0] ?? 0) + index * MINUTE));
  expect(last - (instants.at(-1) ?? 0)).toBeLessThanOrEqual(MINUTE); // The latest ten.

  const [hour] = await steward.runs("hourly");
  expect(hour?.result).toMatchObject({ catchup: true, runCount: 1, occurrence: "2030-01-15T14:00:00.000Z" });

  const often = await steward.runs("often");
  expect(often.map(({ runCount }) => runCount)).toEqual(often.map((_, index) => index + 1));
}

/** What a person pauses, deletes or makes stays as it is, however often the plugin declares its own. */
async function peopleAreRespected(steward: Steward): Promise<void> {
  const { place } = steward;
  await place.json("schedule", "pause", "often", "--note", "too loud");
  await place.json("schedule", "delete", "hourly", "--yes");
  await place.json("schedule", "create", "extra", "--handler", "steward.run", "--every", "1h");
  const making = await place.enqueue("steward.run", { make: "made" });
  expect(await place.ended(making)).toMatchObject({ state: "completed" });
  const before = await settled(steward);
  for (let times = 1; times <= 2; times++) {
    await steward.restart();
    expect(await settled(steward)).toEqual(before);
    expect(steward.cleanups).toBe(times);
  }
  expect(before["often"]).toMatchObject({ state: "paused", revision: 1 });
  expect(before["hourly"]).toMatchObject({ state: "deleted" });
  expect(before["extra"]).toMatchObject({ state: "active", owner: "person:operator" });
  expect(before["made"]).toMatchObject({ state: "active", owner: "plugin:steward" }); // At run time.
}

/** A new list changes what it says otherwise, and nothing else; the old list brings back what it had. */
async function authorsChangeWhatTheyChange(steward: Steward): Promise<void> {
  const before = await settled(steward);
  const often = { id: "often", when: "2s", payload: { n: 1 }, description: "As often as possible" };
  const plan = [often, { id: "hourly", when: "@hourly" }, { id: "new", when: "1h" }];
  steward.plan(plan);
  await steward.restart();
  const after = await settled(steward);
  expect(after).toMatchObject({
    often: { ...before["often"], everyMs: 2_000, revision: 2 }, // Paused still.
    minutely: { state: "deleted" },
    hourly: before["hourly"],
    extra: before["extra"],
    made: before["made"],
    new: { state: "active", everyMs: 3_600_000 },
  });
  steward.plan([
    ...plan,
    { id: "minutely", when: "* * * * *", timezone: "Europe/Berlin", missed: "all", priority: -1 },
  ]);
  await steward.restart();
  expect(await settled(steward)).toMatchObject({ ...after, minutely: before["minutely"] ?? {} });

  steward.plan([...plan, { id: "bad", when: "61 * * * *" }]);
  expect((await steward.place.cli(["plugin", "restart", "steward"])).code).toBe(1);
  const { state, reason } = await steward.place.plugin("steward");
  expect({ state, reason }).toEqual({
    state: "failed",
    reason: expect.stringContaining('Schedule "bad" ("61 * * * *"): when: '),
  });
  const { stdout } = await steward.place.cli(["plugin", "list"]);
  expect(stdout).toContain('Schedule "bad" ("61 * * * *"): when: ');
  expect(steward.place.host.text).toContain('Plugin steward does not start: Schedule "bad"');
  expect(await settled(steward)).toMatchObject({ ...after, minutely: before["minutely"] ?? {} });
  steward.plan(plan);
  await steward.restart();
}

async function cleansUpWhenTheHostEnds(steward: Steward): Promise<void> {
  const before = steward.cleanups;
  await steward.place.json("plugin", "stop", "steward");
  expect(steward.cleanups).toBe(before + 1);
  await steward.place.json("plugin", "start", "steward");
  await steward.place.until(
    "the plugin to be ready",
    async () => (await steward.place.plugin("steward")).state === "ready",
  );
  expect(await steward.place.host.stop()).toBe(0);
  expect(steward.cleanups).toBe(before + 2);
}

/** What is not the runs' affair. */
async function settled(steward: Steward): Promise<Record<string, object>> {
  const entries = Object.entries(await steward.schedules()).map(([declaredId, schedule]) => {
    const { id, state, owner, everyMs, cron, payload, revision, priority, pause } = schedule;
    return [
      declaredId,
      { id, state, owner, everyMs, cron, payload, revision, priority, pausedBy: pause?.by },
    ];
  });
  return Object.fromEntries(entries);
}
