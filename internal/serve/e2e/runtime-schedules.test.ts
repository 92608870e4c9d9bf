/**
 * Schedules that a plugin makes at run time, one for each glyph that somebody
 * activates: told twice, by a stranger in Python who knows the protocol alone,
 * and by a plugin with our SDK. The same story must hold for both.
 */
import { expect, test } from "bun:test";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writePlugin, writeStranger } from "./python.ts";

interface Shown {
  id: string;
  state: string;
  handler: string;
  everyMs: number;
  payload: unknown;
  metadata: Record<string, string>;
  pause: { note: string; by: string; at: string } | null;
  owner: string;
  nextRunAt: string | null;
  runCount: number;
  revision: number;
}

interface Row {
  occurrence: string;
  outcome: string;
  jobId: string | null;
  lastOccurrence: string;
  count: number;
}

const CONFIG = `[plugin]\nenabled = ["poller"]\nbundled = false\n`;
const A = { glyph: "glyph-a", interval: 1, payload: { url: "https://a.example/feed", keys: ["ä", 1.5] } };
const B = { glyph: "glyph-b", interval: 2, payload: { url: "https://b.example/feed", keys: [] } };
const STORY_LIMIT_MS = 120_000; // It takes some twenty seconds where nothing else runs.

/** What each of them can say when it pauses: QNTX's PauseSchedule has no note. */
const TELLERS = [
  { teller: "stock gRPC in Python", note: "", write: (place: Place) => writeStranger(place, "poller") },
  {
    teller: "the TypeScript SDK",
    note: "the feed moved",
    write: (place: Place) => writePlugin(place, "poller.ts"),
  },
];

test.each(TELLERS)(
  "a plugin's schedules fire, pause, outlive their hosts and end as its users say, with $teller",
  async ({ write, note }) => {
    await using place = new Place(CONFIG);
    write(place);
    await start(place);

    // Activate: two glyphs, one handler, two schedules.
    const a = await ask(place, "activate", A);
    const b = await ask(place, "activate", B);
    expect(a).not.toBe(b);
    expect(await scheduleInAttestation(place, "glyph-a")).toBe(a);
    expect(await scheduleInAttestation(place, "glyph-b")).toBe(b);
    await fires(place, a, 2);
    await fires(place, b, 2);
    expect(await payloadsOf(place, a)).toEqual([A.payload]);
    expect(await payloadsOf(place, b)).toEqual([B.payload]);

    // Pause: by the id from the attestation; the other goes on.
    expect(await ask(place, "pause", { glyph: "glyph-a", note })).toBe(a);
    const paused = await show(place, a);
    expect(paused).toMatchObject({ state: "paused", pause: { note, by: "plugin:poller" }, nextRunAt: null });
    await fires(place, b, 2);
    expect((await show(place, a)).runCount).toBe(paused.runCount);

    // Both are killed at once, then the host alone: everything is as it was.
    const before = { a: paused, b: await show(place, b) };
    await place.host.crash();
    await start(place);
    await isAsBefore(place, before);
    await fires(place, b, 1);
    await place.host.killHost();
    await start(place);
    await isAsBefore(place, before);
    await fires(place, b, 1);

    // Resume and Delete.
    await ask(place, "resume", { glyph: "glyph-a" });
    await fires(place, a, 2);
    await ask(place, "delete", { glyph: "glyph-b" });
    const deleted = await show(place, b);
    expect(deleted).toMatchObject({ state: "deleted", nextRunAt: null });
    await fires(place, a, 3); // Longer than b's interval.
    expect((await show(place, b)).runCount).toBe(deleted.runCount);

    await isAllVisible(place, a, b);
    await accountsForEverything(place, a, A);
    await accountsForEverything(place, b, B);
  },
  STORY_LIMIT_MS,
);

async function start(place: Place): Promise<void> {
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
}

/** Presses a button of the plugin. Returns the id of the schedule that it is about. */
async function ask(place: Place, button: string, body: object): Promise<string> {
  return (await place.post<{ schedule: string }>(`/api/poller/${button}`, body)).schedule;
}

function show(place: Place, id: string): Promise<Shown> {
  return place.call<Shown>("schedule.show", { id });
}

async function jobsOf(place: Place, scheduleId: string): Promise<(JobShown & { occurrence: string })[]> {
  return (
    await place.call<{ jobs: (JobShown & { occurrence: string })[] }>("job.list", { scheduleId, limit: 1000 })
  ).jobs;
}

/** Resolves when so many more jobs of the schedule have completed. */
async function fires(place: Place, id: string, times: number): Promise<void> {
  const completed = async () => (await jobsOf(place, id)).filter(({ state }) => state === "completed").length;
  const before = await completed();
  await place.until(`${times} more jobs of ${id}`, async () => (await completed()) >= before + times);
}

/** The different payloads and results of the schedule's completed jobs. */
async function payloadsOf(place: Place, id: string): Promise<unknown[]> {
  const texts = (await jobsOf(place, id))
    .filter(({ state }) => state === "completed")
    .flatMap(({ payload, result }) => [JSON.stringify(payload), JSON.stringify(result)]);
  return [...new Set(texts)].map((text): unknown => JSON.parse(text));
}

async function scheduleInAttestation(place: Place, glyph: string): Promise<unknown> {
  const { attestations } = await place.call<{ attestations: { attributes: Record<string, unknown> }[] }>(
    "ats.query",
    { subjects: [glyph], predicates: ["polls-by"] },
  );
  expect(attestations).toHaveLength(1);
  return attestations[0]?.attributes["schedule_id"];
}

/** Nothing that a person or the plugin said has changed; what has run since is the schedule's own affair. */
async function isAsBefore(place: Place, before: { a: Shown; b: Shown }): Promise<void> {
  expect(await show(place, before.a.id)).toEqual(before.a);
  const { id, state, handler, everyMs, payload, metadata, owner, revision } = before.b;
  const b = await show(place, id);
  expect(b).toMatchObject({ id, state, handler, everyMs, payload, metadata, owner, revision });
  const grid = Date.parse(b.nextRunAt ?? "") - Date.parse(before.b.nextRunAt ?? "");
  expect(grid % everyMs).toBe(0); // The next run lies on the grid of before.
  expect(grid).toBeGreaterThanOrEqual(0);
}

/** What a person sees on the command line. */
async function isAllVisible(place: Place, a: string, b: string): Promise<void> {
  const { schedules } = await place.json<{ schedules: Shown[] }>("schedule", "list", "--deleted");
  const seen = schedules.map(({ id, state, handler, everyMs, payload, metadata, owner }) => {
    return { id, state, handler, everyMs, payload, metadata, owner };
  });
  const same = { handler: "poller.poll", owner: "plugin:poller" };
  expect(seen.toSorted((one, other) => one.everyMs - other.everyMs)).toEqual([
    { ...same, id: a, state: "active", everyMs: 1_000, payload: A.payload, metadata: { glyph: "glyph-a" } },
    { ...same, id: b, state: "deleted", everyMs: 2_000, payload: B.payload, metadata: { glyph: "glyph-b" } },
  ]);
  expect(await place.json("schedule", "show", a)).toMatchObject({ id: a, pause: null });
  const { jobs } = await place.json<{ jobs: JobShown[] }>("job", "list", "--handler", "poller.poll");
  expect(new Set(jobs.map(({ scheduleId }) => scheduleId))).toEqual(new Set([a, b]));
  const { stdout } = await place.cli([
    "job",
    "logs",
    jobs.findLast(({ scheduleId }) => scheduleId === a)?.id ?? "",
  ]);
  expect(stdout).toContain(`polled ${A.payload.url}`);
}

/** Every occurrence from the first to the last stands in the ledger once, and each that fired has one job. */
async function accountsForEverything(
  place: Place,
  id: string,
  { interval }: { interval: number },
): Promise<void> {
  const { occurrences: rows } = await place.json<{ occurrences: Row[] }>("schedule", "ledger", id, "--all");
  expect(rows.length).toBeGreaterThan(5);
  let next = Date.parse(rows[0]?.occurrence ?? "");
  for (const row of rows) {
    expect(Date.parse(row.occurrence), `${row.outcome} follows without gap or double`).toBe(next);
    expect(Date.parse(row.lastOccurrence)).toBe(next + (row.count - 1) * interval * 1_000);
    next += row.count * interval * 1_000;
  }
  const fired = rows.filter(({ jobId }) => jobId !== null);
  const jobs = await jobsOf(place, id);
  expect(jobs).toHaveLength(fired.length);
  const occurrenceOf = new Map(jobs.map((job) => [job.id, job.occurrence]));
  expect(fired.map(({ jobId }) => occurrenceOf.get(jobId ?? ""))).toEqual(
    fired.map(({ occurrence }) => occurrence),
  );
}
