/**
 * A clock that is set while the host runs, or between two of its lives: nothing fires
 * twice, nothing is lost beyond the policy, and what the host says of it can be read.
 */
import { expect, test } from "bun:test";
import { FakedClock } from "./faked-clock.ts";
import { Place } from "./host.ts";
import { writePlugin } from "./python.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Long before the next minute, and too late for the last one. */
const START = Date.UTC(2030, 0, 15, 12, 0, 3);
const STORY_LIMIT_MS = 120_000; // It takes some ten seconds where nothing else runs.
const CONFIG = `[plugin]\nenabled = ["ticks"]\nbundled = false\n`;

interface Row {
  occurrence: string;
  lastOccurrence: string;
  outcome: string;
  count: number;
  jobId: string | null;
  decidedAt: string;
}

interface Shown {
  id: string;
  nextRunAt: string;
  runCount: number;
}

test(
  "a clock that is set an hour forward and two hours back repeats nothing and leaves nothing out",
  async () => {
    await using place = new Place(CONFIG);
    writePlugin(place, "ticks.ts");
    const clock = new FakedClock(place, START);
    await start(place, clock);
    await create(place, { name: "seconds", every: "1s" });
    await create(place, { name: "minutes", cron: "* * * * *" });
    await create(place, { name: "missing", cron: "* * * * *", missed: "all", overlap: "allow" });
    const everyMs = { seconds: SECOND, minutes: MINUTE, missing: MINUTE, local: 2 * SECOND };
    const names = ["seconds", "minutes", "missing", "local"] as const;
    await more(place, { seconds: 2, local: 1 });
    let next = await grown(place, names);

    const missed = await runsOf(place, names);
    clock.turn(HOUR);
    await place.host.said(/the clock went forward, or the machine slept, by 1h: what was missed/);
    await haveRun(place, missed);
    next = await grown(place, names, next);
    expect(tally(await ledgerOf(place, "minutes"))).toMatchObject({ coalesced: 59, "caught-up": 1 });
    await place.until("all that is made up for", async () => {
      const { pending, "skipped-missed": left } = tally(await ledgerOf(place, "missing"));
      return pending === undefined && left === 50;
    });

    // Back behind where it began: nothing is due for two hours, and nothing that has run runs again.
    clock.turn(-2 * HOUR);
    await place.host.said(/the clock went back by 2h: nothing runs twice, .* after 2030-01-15T13:/);
    await nothingRuns(place, names);
    next = await grown(place, names, next);
    const last = (await ledgerOf(place, "minutes")).at(-1)?.occurrence ?? "";
    expect((await explain(place, "minutes", last)).sentence).toContain("The clock was set back since");
    expect((await place.cli(["doctor"])).stdout).toContain(
      "it was set back; schedules go on after 2030-01-15T13:",
    );

    await isVerified(place);

    const stopped = await runsOf(place, names);
    clock.turn(2 * HOUR + MINUTE);
    await haveRun(place, stopped);
    await grown(place, names, next);
    for (const name of names) await isWhole(place, name, everyMs[name]);
    await isVerified(place);
  },
  STORY_LIMIT_MS,
);

test(
  "a clock that jumps by more than a day is not believed until a person says that it is right",
  async () => {
    await using place = new Place(CONFIG);
    writePlugin(place, "ticks.ts");
    const clock = new FakedClock(place, START);
    await start(place, clock);
    await create(place, { name: "seconds", every: "1s" });
    await more(place, { seconds: 1 });

    clock.turn(25 * HOUR);
    await place.host.said(/the clock is not believed/);
    await nothingRuns(place, ["seconds", "local"]);
    const { code, stdout } = await place.cli(["doctor"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong +clock +the clock went forward by 1d1h at once/m);
    expect(stdout).toMatch(/^ok +schedules/m);
    expect((await place.cli(["status"])).stdout).toContain("the clock went forward by 1d1h");

    const confirmed = await place.cli(["doctor", "--confirm-clock"]);
    expect(confirmed).toMatchObject({ code: 0, stderr: "" });
    await place.host.said(/the clock is believed again/);
    await more(place, { seconds: 1, local: 1 });
    expect(tally(await ledgerOf(place, "seconds"))["expired"]).toBeGreaterThan(3_000);
    await isWhole(place, "seconds", SECOND);
    await isWhole(place, "local", 2 * SECOND);
    await isVerified(place);
  },
  STORY_LIMIT_MS,
);

test(
  "a host that starts before the last time it recorded waits, and goes on at once when the clock is back",
  async () => {
    await using place = new Place(CONFIG);
    writePlugin(place, "ticks.ts");
    const clock = new FakedClock(place, START);
    await start(place, clock);
    await create(place, { name: "seconds", every: "1s" });
    await more(place, { seconds: 1 });
    await place.host.stop();

    clock.turn(-HOUR);
    await start(place, clock);
    await place.host.said(/the clock is not believed.*recorded already/);
    await nothingRuns(place, ["seconds", "local"]);
    const { code, stdout } = await place.cli(["doctor"]);
    expect([code, stdout]).toEqual([1, expect.stringContaining("was recorded already")]);

    clock.turn(HOUR);
    await place.host.said(/the clock is believed again/);
    await more(place, { seconds: 2, local: 1 });
    await isWhole(place, "seconds", SECOND);
  },
  STORY_LIMIT_MS,
);

async function start(place: Place, clock: FakedClock): Promise<void> {
  await place.start({ vars: clock.vars });
  await place.working();
}

async function create(place: Place, schedule: object): Promise<void> {
  await place.call("schedule.create", { handler: "ticks.tick", ...schedule });
}

/** A schedule by its name, or the one that the plugin declares. */
async function show(place: Place, name: string): Promise<Shown> {
  const { schedules } = await place.call<{
    schedules: (Shown & { name: string; declaredId: string | null })[];
  }>("schedule.list");
  const found = schedules.find((schedule) => (schedule.declaredId ?? schedule.name) === name);
  if (!found) throw new Error(`There is no schedule ${name}.`);
  return found;
}

async function ledgerOf(place: Place, name: string): Promise<Row[]> {
  const { id } = await show(place, name);
  return (await place.call<{ occurrences: Row[] }>("schedule.ledger", { id, limit: 1_000 })).occurrences;
}

async function explain(place: Place, name: string, at: string): Promise<{ sentence: string }> {
  const { id } = await show(place, name);
  return place.call("schedule.explain", { id, at });
}

type Runs = Record<string, number>;

async function runsOf(place: Place, names: readonly string[]): Promise<Runs> {
  const shown = await Promise.all(names.map((name) => show(place, name)));
  return Object.fromEntries(names.map((name, i) => [name, shown[i]?.runCount ?? 0]));
}

/** Resolves when each schedule has run more often than that. */
async function haveRun(place: Place, runs: Runs): Promise<void> {
  for (const [name, count] of Object.entries(runs))
    await place.until(`a run of ${name}`, async () => (await show(place, name)).runCount > count);
}

/** Resolves when schedules have run so many times more from now on. */
async function more(place: Place, times: Runs): Promise<void> {
  const runs = await runsOf(place, Object.keys(times));
  for (const [name, count] of Object.entries(times)) runs[name] = (runs[name] ?? 0) + count - 1;
  await haveRun(place, runs);
}

async function nothingRuns(place: Place, names: readonly string[]): Promise<void> {
  const runs = await runsOf(place, names);
  await Bun.sleep(3 * SECOND); // There is no event to wait for when nothing must happen.
  expect(await runsOf(place, names)).toEqual(runs);
}

/** When each fires next. It never goes back, whatever the clock does. */
async function grown(
  place: Place,
  names: readonly string[],
  before: readonly number[] = [],
): Promise<number[]> {
  const shown = await Promise.all(names.map((name) => show(place, name)));
  const next = shown.map(({ nextRunAt }) => Date.parse(nextRunAt));
  for (const [i, at] of next.entries()) expect(at, names[i]).toBeGreaterThanOrEqual(before[i] ?? 0);
  return next;
}

async function isVerified(place: Place): Promise<void> {
  const { stdout } = await place.cli(["schedule", "verify", "--all"]);
  expect(stdout).toContain("dup=0 gap=0");
}

/** Every occurrence stands in the ledger once, and each that fired has the one job that there is for it. */
async function isWhole(place: Place, name: string, everyMs: number): Promise<void> {
  const rows = await ledgerOf(place, name);
  let next = Date.parse(rows[0]?.occurrence ?? "");
  for (const { occurrence, lastOccurrence, count } of rows) {
    expect([name, Date.parse(occurrence)]).toEqual([name, next]);
    expect(Date.parse(lastOccurrence)).toBe(next + (count - 1) * everyMs);
    next += count * everyMs;
  }
  const { id } = await show(place, name);
  const { jobs } = await place.call<{ jobs: { id: string; occurrence: string }[] }>("job.list", {
    scheduleId: id,
    limit: 1_000,
  });
  const made = jobs.filter(({ occurrence }) => Date.parse(occurrence) < next);
  expect(made.map((job) => job.id).toSorted()).toEqual(rows.flatMap(({ jobId }) => jobId ?? []).toSorted());
}

function tally(rows: readonly Row[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, count } of rows) counts[outcome] = (counts[outcome] ?? 0) + count;
  return counts;
}
