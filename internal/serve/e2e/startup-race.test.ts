/**
 * The race at the start: work is there before anybody can do it. Jobs are queued and
 * schedules due while the host is down; then plugins start at once, in no time, in
 * three seconds, in eleven, and never. No job may meet a handler that is missing.
 */
import { expect, test } from "bun:test";
import { type JobShown, Place } from "./host.ts";
import { writePlugin } from "./python.ts";

const CONFIG = `
[plugin]
enabled = ["slow", "mute", "fast", "late"]
bundled = false
startup = "7s"

[slow]
delay = 3000

[mute]
delay = "never"

[late]
delay = 11000
`;
const NAMES = ["slow", "mute", "fast", "late"];
const STORY_LIMIT_MS = 120_000; // It takes some fifteen seconds where nothing else runs.

interface Job extends JobShown {
  createdAt: string;
  startedAt: string | null;
}

interface Step {
  begunAt: number;
  plugins: number;
  /** `plugin handler` of each line between. */
  handlers: string[];
  endedAt: number;
  count: number;
}

test(
  "no job meets a missing handler, none is lost, and each starts after the step that registers its handler",
  async () => {
    await using place = new Place(CONFIG);
    for (const name of NAMES) writePlugin(place, "starter.ts", `${name}.ts`);
    await prepare(place);

    await place.start();
    await expectNothingSpent(place, NAMES);
    for (const name of NAMES) await expectWaiting(place, name, "the host is starting");
    await place.working();

    // One step for the two that made it in time, in the configured order.
    expect(stepsOf(place)).toMatchObject([
      { plugins: 2, handlers: ["slow slow.work", "fast fast.work"], count: 2 },
    ]);
    await allCompleted(place, ["slow", "fast"]);
    await expectNothingSpent(place, ["mute"]);
    for (const name of ["mute", "late"]) expect(await place.plugin(name)).toMatchObject({ state: "late" });
    await expectWaiting(place, "mute", 'no plugin offers "mute.work"');
    await expectWaiting(place, "late", 'no plugin offers "late.work"');

    // A step of its own for the one that settles later.
    await place.host.said(/handler=late\.work[^]*registration complete/);
    const [first, second, ...more] = stepsOf(place);
    expect(second).toMatchObject({ plugins: 1, handlers: ["late late.work"], count: 1 });
    expect(more).toEqual([]);
    await allCompleted(place, ["late"]);
    expect(await place.plugin("late")).toMatchObject({ state: "ready", restarts: 0 });

    await expectStartedAfter(place, ["slow", "fast"], first?.endedAt);
    await expectStartedAfter(place, ["late"], second?.endedAt);
    await expectFiredOnTime(place, first?.endedAt);
    await expectNothingSpent(place, ["mute"]);
    expect(await place.host.stop()).toBe(0); // One that never answered does not hold up the end.
  },
  STORY_LIMIT_MS,
);

/** Three jobs and one due schedule for each, made on the command line while no host runs. */
async function prepare(place: Place): Promise<void> {
  for (const name of NAMES) {
    await place.json("schedule", "create", `${name}-often`, "--handler", `${name}.work`, "--every", "1s");
  }
  for (const name of NAMES) {
    for (const number of [1, 2, 3]) await place.enqueue(`${name}.work`, { number });
  }
  const { schedules } = await place.json<{ schedules: { nextRunAt: string }[] }>("schedule", "list");
  expect(schedules).toHaveLength(NAMES.length);
  const last = Math.max(...schedules.map(({ nextRunAt }) => Date.parse(nextRunAt)));
  await place.until("all schedules to be overdue", async () => Date.now() > last + 1_500);
}

async function jobsOf(place: Place, name: string): Promise<Job[]> {
  return (await place.call<{ jobs: Job[] }>("job.list", { handler: `${name}.work`, limit: 1_000 })).jobs;
}

/** All that was enqueued, and at least one that a schedule made, are there; none was tried, none has an error. */
async function expectNothingSpent(place: Place, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await place.until(`a job of ${name}-often`, async () => (await jobsOf(place, name)).length === 4);
    const jobs = (await jobsOf(place, name)).map(({ state, attempt, error, lost }) => ({
      state,
      attempt,
      error,
      lost,
    }));
    expect(jobs).toEqual(jobs.map(() => ({ state: "queued", attempt: 0, error: null, lost: 0 })));
  }
}

/** Whoever asks why the jobs do not run hears this. */
async function expectWaiting(place: Place, name: string, reason: string): Promise<void> {
  const reasons = (await jobsOf(place, name)).map(({ waiting }) => waiting);
  expect(reasons).toEqual(reasons.map(() => reason));
}

/** Everything that was waiting has run, once. */
async function allCompleted(place: Place, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const waited = (await jobsOf(place, name)).toReversed().slice(0, 4);
    expect(waited.map(({ scheduleId }) => scheduleId !== null)).toEqual([false, false, false, true]);
    for (const { id, payload } of waited) {
      const job = await place.ended(id);
      expect(job).toMatchObject({ state: "completed", attempt: 1, error: null, lost: 0, interrupted: 0 });
      expect(job.result).toEqual({ by: name, payload });
    }
  }
}

async function expectStartedAfter(place: Place, names: readonly string[], instant = 0): Promise<void> {
  for (const name of names) {
    for (const { startedAt } of await jobsOf(place, name)) {
      if (startedAt !== null) expect(Date.parse(startedAt)).toBeGreaterThanOrEqual(instant);
    }
  }
}

/** The barrier holds the workers alone: what was due is in the ledger before any handler is registered. */
async function expectFiredOnTime(place: Place, registeredAt = 0): Promise<void> {
  for (const name of NAMES) {
    const { occurrences } = await place.call<{ occurrences: { outcome: string; decidedAt: string }[] }>(
      "schedule.ledger",
      { id: `${name}-often`, from: "1970-01-01T00:00:00Z" },
    );
    const fired = occurrences.find(({ outcome }) => outcome.startsWith("fired") || outcome === "caught-up");
    expect(Date.parse(fired?.decidedAt ?? "")).toBeLessThan(registeredAt);
  }
}

/** The registration steps in the host's log. Throws when a line stands outside of a step. */
function stepsOf(place: Place): Step[] {
  const steps: Step[] = [];
  for (const line of place.host.text.split("\n")) {
    const [, at = "", message, fields = ""] =
      /^(\S+) info +\[plugin-loader\] (.+?)((?: \w+=\S+)*)$/.exec(line) ?? [];
    if (message === undefined) continue;
    const value = (key: string) => new RegExp(` ${key}=(\\S+)`).exec(fields)?.[1] ?? "";
    const open = steps.find(({ endedAt }) => endedAt === 0);
    if (message === "Registering plugin async handlers with Pulse") {
      expect(open).toBeUndefined();
      steps.push({
        begunAt: Date.parse(at),
        plugins: Number(value("plugins")),
        handlers: [],
        endedAt: 0,
        count: 0,
      });
    } else if (!open) {
      throw new Error(`This line is in no registration step: ${line}`);
    } else if (message === "Registering plugin async handler") {
      open.handlers.push(`${value("plugin")} ${value("handler")}`);
    } else {
      expect(message).toBe("Plugin async handler registration complete");
      open.endedAt = Date.parse(at);
      open.count = Number(value("handlers"));
    }
  }
  return steps;
}
