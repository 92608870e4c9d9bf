/**
 * What becomes of occurrences at whose time no host was there, told with the real
 * binary: it is stopped, its clock is turned, and it is started again.
 */
import { expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { FakedClock } from "./faked-clock.ts";
import { type JobShown, Place } from "./host.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Long before the next minute, and too late for the last one. */
const START = Date.UTC(2030, 0, 15, 12, 0, 5);
const STORY_LIMIT_MS = 120_000; // It takes a few seconds where nothing else runs.

interface Row {
  occurrence: string;
  lastOccurrence: string;
  outcome: string;
  count: number;
  jobId: string | null;
}

interface ScheduledJob extends JobShown {
  occurrence: string;
  catchup: boolean;
}

/** Behind the hour, and behind the week, that is told of. */
const END = START + HOUR + 30 * SECOND;
const WEEK = START + 7 * DAY + 10 * MINUTE;

/** An hour without a host, for a schedule of each minute: 60 occurrences. */
const AN_HOUR = [
  // policy    runs   of which          what the ledger says
  {
    missed: "skip",
    runs: [],
    rows: { "skipped-missed": 60 },
    first: /^It was missed, because no host was there, and not made up for \(missed: skip/,
  },
  {
    missed: "latest",
    runs: ["13:00"],
    rows: { coalesced: 59, "caught-up": 1 },
    first: /^It was missed; one run stands for all that were missed \(missed: latest\): job JB_/,
  },
  {
    missed: "earliest",
    runs: ["12:01"],
    rows: { "caught-up": 1, "skipped-missed": 59 },
    first: /^It was missed and made up for 59m\S+ later \(missed: earliest\); job JB_\w+ completed/,
  },
  {
    missed: "all",
    runs: ["12:51", "12:52", "12:53", "12:54", "12:55", "12:56", "12:57", "12:58", "12:59", "13:00"],
    rows: { "skipped-missed": 50, "caught-up": 10 },
    first: /^It was missed, because no host was there, and not made up for \(missed: all/,
  },
];

test(
  "after an hour off, a schedule of each minute runs as its policy says, and every occurrence has its row",
  async () => {
    await using place = await beating();
    const clock = new FakedClock(place, START);
    await start(place, clock);
    for (const { missed } of AN_HOUR)
      await place.call("schedule.create", { name: missed, handler: "shell.beat", cron: "* * * * *", missed });
    await place.call("schedule.create", { name: "paused", handler: "shell.beat", cron: "* * * * *" });
    await place.call("schedule.pause", { id: "paused", until: "2030-01-15T12:30:00Z" });
    await place.host.stop();

    clock.set(START + HOUR);
    await start(place, clock);
    for (const { missed, runs, rows, first } of AN_HOUR) {
      await settled(place, missed);
      const ledger = await ledgerOf(place, missed);
      expect([missed, tally(ledger)]).toEqual([missed, rows]);
      isWhole(ledger, MINUTE);
      const jobs = await jobsOf(place, missed);
      expect(jobs.map(({ occurrence }) => occurrence.slice(11, 16)).toSorted()).toEqual(runs);
      expect(jobs.every(({ catchup, state }) => catchup && state === "completed")).toBe(true);
      const explained = await place.call<{ sentence: string }>("schedule.explain", {
        id: missed,
        at: "2030-01-15T12:01:00Z",
      });
      expect(explained.sentence).toMatch(first);
    }
    // A pause that ended meanwhile ended at its moment; what came after it was missed.
    await settled(place, "paused");
    const paused = await ledgerOf(place, "paused");
    expect(tally(paused)).toEqual({ paused: 30, coalesced: 29, "caught-up": 1 });
    isWhole(paused, MINUTE);
    expect((await place.cli(["schedule", "verify", "--all"])).stdout).toContain("dup=0 gap=0 overdue=0");
  },
  STORY_LIMIT_MS,
);

test(
  "a copy of the data folder that is a week old starts nothing that is later than its greatest lateness",
  async () => {
    await using place = await beating();
    const clock = new FakedClock(place, START);
    await start(place, clock);
    for (const missed of ["latest", "all"])
      await place.call("schedule.create", { name: missed, handler: "shell.beat", every: "1h", missed });
    await place.call("schedule.create", {
      name: "weeks",
      handler: "shell.beat",
      every: "1h",
      missed: "all",
      maxLateness: "12h",
      missedWindow: "30d",
    });
    // Two that are open when the copy is made: a job that waits for its handler, and an occurrence behind it.
    await place.call("schedule.create", {
      name: "open",
      handler: "nobody.there",
      every: "2s",
      overlap: "buffer-all",
      missed: "skip",
    });
    await place.until(
      "an occurrence that waits",
      async () => "pending" in tally(await ledgerOf(place, "open")),
    );
    await place.host.stop();

    await using restored = new Place();
    rmSync(restored.home, { recursive: true });
    cpSync(place.home, restored.home, { recursive: true });
    const later = new FakedClock(restored, START + 7 * DAY + 5 * MINUTE);
    await start(restored, later);
    for (const [name, latenessMax] of [
      ["latest", DAY],
      ["all", DAY],
      ["weeks", 12 * HOUR],
    ] as const) {
      await settled(restored, name, WEEK);
      const ledger = await ledgerOf(restored, name, WEEK);
      isWhole(ledger, HOUR);
      expect(tally(ledger)["expired"]).toBe((7 * DAY - latenessMax) / HOUR);
      const jobs = await jobsOf(restored, name, WEEK);
      expect(jobs).toHaveLength(name === "latest" ? 1 : 10);
      const oldest = Math.min(...jobs.map(({ occurrence }) => Date.parse(occurrence)));
      expect(oldest).toBeGreaterThan(START + 7 * DAY - latenessMax);
    }
    // What was open has expired: the job that nobody had started, and who stood in line behind it.
    const waited = await restored.until("the end of the job that waited", async () => {
      const job = (await jobsOf(restored, "open", WEEK)).at(-1);
      return job?.state === "failed" && job;
    });
    expect(waited.error?.kind).toBe("expired");
    await restored.until("the end of what stood in line", async () => {
      const [job, waiting] = await ledgerOf(restored, "open", WEEK);
      return job?.outcome === "fired" && waiting?.outcome === "expired";
    });
    expect((await restored.cli(["schedule", "verify", "--all"])).stdout).toContain("dup=0 gap=0");
  },
  STORY_LIMIT_MS,
);

async function beating(): Promise<Place> {
  const place = new Place();
  place.write("beat.sh", "exit 0\n");
  await place.cli(["handler", "create", "--file", "beat.sh"]);
  return place;
}

async function start(place: Place, clock: FakedClock): Promise<void> {
  await place.start({ vars: clock.vars });
  await place.working();
}

/** Resolves when nothing of a schedule is open any more. */
async function settled(place: Place, name: string, to = END): Promise<void> {
  await place.until(`all of ${name} to be over`, async () => {
    const ledger = await ledgerOf(place, name, to);
    const jobs = await jobsOf(place, name, to);
    const over = jobs.every(({ state }) => state === "completed");
    return over && ledger.length > 0 && ledger.every(({ outcome }) => outcome !== "pending");
  });
}

/** What became of the occurrences before `to`: while a busy machine looks, others are due. */
async function ledgerOf(place: Place, id: string, to = END): Promise<Row[]> {
  const span = { id, to: new Date(to).toISOString(), limit: 1_000 };
  return (await place.call<{ occurrences: Row[] }>("schedule.ledger", span)).occurrences;
}

async function jobsOf(place: Place, name: string, to = END): Promise<ScheduledJob[]> {
  const { id } = await place.call<{ id: string }>("schedule.show", { id: name });
  const { jobs } = await place.call<{ jobs: ScheduledJob[] }>("job.list", { scheduleId: id, limit: 1_000 });
  return jobs.filter(({ occurrence }) => Date.parse(occurrence) < to);
}

/** How many occurrences ended in which way. */
function tally(rows: readonly Row[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, count } of rows) counts[outcome] = (counts[outcome] ?? 0) + count;
  return counts;
}

/** Every occurrence from the first row to the last stands in the ledger once. */
function isWhole(rows: readonly Row[], everyMs: number): void {
  let next = Date.parse(rows[0]?.occurrence ?? "");
  for (const { occurrence, lastOccurrence, count } of rows) {
    expect(Date.parse(occurrence)).toBe(next);
    expect(Date.parse(lastOccurrence)).toBe(next + (count - 1) * everyMs);
    next += count * everyMs;
  }
}
