/**
 * Kill mid-commit: strace kills the host at the moment at which it is about to write
 * or to sync for the N-th time. Whatever it had acknowledged by then must be there
 * afterwards, and nothing else may be halfway.
 *
 * The host runs without its keeper, so that the database's process is the one that
 * is traced. A small N kills while the database is being made.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../schedule/expressions.ts";
import type { RunningHost } from "./host.ts";
import {
  type Books,
  brokenPromises,
  compareOccurrences,
  lostJobs,
  readBooks,
  type Rhythm,
  tornBatches,
} from "./kill-check.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

export interface CommitKillsOptions {
  /** How many moments are tried, half of them at a sync and half at a write. */
  points: number;
  seed: number;
}

export interface CommitKillsReport {
  points: number;
  /** Points at which the host did die; the others lay beyond the end of the story. */
  met: number;
  acknowledged: number;
  occurrences: number;
  /** What is wrong, each with its point. */
  broken: string[];
}

/** One thing that a client asks for. */
interface Step {
  /** What it is about: a later step about the same changes what must hold. */
  subject: string;
  operation: string;
  input: object;
  /** True when the database says so too. */
  holds(books: Books): boolean;
}

/** What a client knows when the host is dead. */
interface Told {
  acknowledged: Step[];
  /** The one that was never answered. */
  open: Step | null;
  rhythms: Rhythm[];
}

const CALLS = ["fsync", "pwrite64"] as const;
const ROUNDS = 10;
const BATCH_JOBS = 5;
const STEP_PAUSE_MS = 20; // Slow enough that the ticker, claims and settlements have commits of their own in between.
const EVERY_MS = 1_000;
const START_WORDS = ["--no-keeper"];

/** Tries the points. Throws where there is no strace, and when a host does not start again. */
export async function killMidCommit({ points, seed }: CommitKillsOptions): Promise<CommitKillsReport> {
  requireStrace();
  const random = seededRandom(seed);
  const calls = await countCalls();
  const report: CommitKillsReport = { points, met: 0, acknowledged: 0, occurrences: 0, broken: [] };
  for (let point = 0; point < points; point++) {
    const call = CALLS[point % CALLS.length] ?? "fsync";
    // Spread over the whole story, and random within each piece of it.
    const share = (point - (point % CALLS.length) + random() * CALLS.length) / points;
    await tryPoint(call, 1 + Math.floor(share * calls[call]), report);
  }
  return report;
}

/** One line with the figures. */
export function commitKillsLine({
  points,
  met,
  acknowledged,
  occurrences,
  broken,
}: CommitKillsReport): string {
  return [
    `mid-commit kills: ${points} points`,
    `${met} met`,
    `${acknowledged} acknowledged`,
    `${occurrences} occurrences`,
    `${broken.length} promises broken`,
  ].join(", ");
}

function requireStrace(): void {
  if (Bun.which("strace")) return;
  throw new Error(
    "strace is not installed; it kills the host at a chosen write. On Debian: apt-get install strace",
  );
}

/** How often a host that is not disturbed does each call, from its start to the end of the story. */
async function countCalls(): Promise<Record<(typeof CALLS)[number], number>> {
  await using witnesses = new Witnesses({ python: false, children: false });
  const trace = join(witnesses.place.home, "trace");
  const host = await witnesses.place.start({ words: START_WORDS, under: ["strace", ...flags(trace)] });
  await tell(witnesses);
  const text = readFileSync(trace, "utf8");
  await host.killHost(); // A signal would go to strace.
  const count = (call: string) => text.split("\n").filter((line) => line.includes(`${call}(`)).length;
  return { fsync: count("fsync"), pwrite64: count("pwrite64") };
}

function flags(trace: string): string[] {
  return ["-f", "-qq", "-e", `trace=${CALLS.join(",")}`, "-o", trace];
}

async function tryPoint(call: string, at: number, report: CommitKillsReport): Promise<void> {
  await using witnesses = new Witnesses({ python: false, children: false });
  const { place } = witnesses;
  const point = `${call} ${at}`;
  const inject = ["-e", `inject=${call}:signal=SIGKILL:when=${at}`];
  const under = ["strace", ...flags("/dev/null"), ...inject];
  let told: Told = { acknowledged: [], open: null, rhythms: [] };
  const host = await startOrDie(witnesses, under);
  if (host) {
    told = await tell(witnesses);
    const lives = (await place.call("host.status").catch(() => null)) !== null;
    if (lives) await host.killHost();
    else report.met++;
    await host.process.exited;
    const books = readBooks(place.home);
    report.broken.push(...differences(books, told).map((text) => `${point}: ${text}`));
  } else report.met++;
  const after = await goOn(witnesses, told);
  report.broken.push(...after.broken.map((text) => `${point}, started again: ${text}`));
  report.acknowledged += told.acknowledged.length;
  report.occurrences += after.occurrences;
}

/** Null when it was killed before it was ready. */
async function startOrDie(witnesses: Witnesses, under: readonly string[]): Promise<RunningHost | null> {
  try {
    return await witnesses.place.start({ words: START_WORDS, under });
  } catch (error) {
    if (witnesses.place.host.process.signalCode === "SIGKILL") return null;
    throw error;
  }
}

/** Does the whole story, as far as the host lives. */
async function tell({ place }: Witnesses): Promise<Told> {
  const told: Told = { acknowledged: [], open: null, rhythms: [] };
  try {
    const input = { name: "rhythm", handler: "witness.work", every: `${EVERY_MS}ms` };
    const { id, createdAt } = await place.call<{ id: string; createdAt: string }>("schedule.create", input);
    told.rhythms.push({ id, anchor: Date.parse(createdAt), everyMs: EVERY_MS, overlaps: false });
    for (const step of story()) {
      told.open = step;
      await place.call(step.operation, step.input);
      told.acknowledged.push(step);
      told.open = null;
      await Bun.sleep(STEP_PAUSE_MS);
    }
  } catch {
    // It is dead.
  }
  return told;
}

function story(): Step[] {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  return Array.from({ length: ROUNDS }, (_, round) => {
    const jobs = batchIds(round).map((id) => ({ id, handler: "witness.work", payload: { ms: 5 } }));
    const later = `later-${round}`;
    const name = `schedule-${round}`;
    const job = (operation: string, input: object, state: string): Step => ({
      subject: later,
      operation,
      input,
      holds: (books) => books.jobs.get(later)?.state === state,
    });
    const schedule = (verb: string, state: string, input: object = { id: name }): Step => ({
      subject: name,
      operation: `schedule.${verb}`,
      input,
      holds: (books) => books.schedules.get(name) === state,
    });
    return [
      {
        subject: `batch-${round}`,
        operation: "job.enqueueMany",
        input: { jobs },
        holds: (books: Books) => jobs.every(({ id }) => books.jobs.has(id)),
      },
      job("job.enqueue", { id: later, handler: "witness.work", runAt: inAnHour }, "scheduled"),
      schedule("create", "active", { name, handler: "witness.work", every: "1h" }),
      schedule("pause", "paused"),
      job("job.cancel", { id: later }, "cancelled"),
      schedule("resume", "active"),
      ...(round % 2 === 0 ? [schedule("delete", "deleted")] : []),
    ];
  }).flat();
}

function batchIds(round: number): string[] {
  return Array.from({ length: BATCH_JOBS }, (_, index) => `b${round}.${index}`);
}

/** What was acknowledged and is not so. Of a subject whose last step is open, either answer is right. */
function differences(books: Books, { acknowledged, open }: Told): string[] {
  const last = new Map(acknowledged.map((step) => [step.subject, step]));
  const wrong = [...last.values()].filter((step) => step.subject !== open?.subject && !step.holds(books));
  const batches = Array.from({ length: ROUNDS }, (_, round) => batchIds(round));
  return [
    ...brokenPromises(null, books, []),
    ...tornBatches(books, batches),
    ...wrong.map(({ operation, subject }) => `${operation} of ${subject} was acknowledged and is not there`),
  ];
}

/** Starts the host again, lets it do what is left, and compares everything once more. */
async function goOn(witnesses: Witnesses, told: Told): Promise<{ broken: string[]; occurrences: number }> {
  const { place } = witnesses;
  const until = Date.now();
  await place.start({ vars: WITNESS_VARS });
  for (const { id } of told.rhythms) {
    await place.until("the ticker to catch up", async () => {
      const { nextRunAt } = await place.call<{ nextRunAt: string }>("schedule.show", { id });
      return Date.parse(nextRunAt) > until;
    });
  }
  await place.until("all jobs to end", async () => {
    const { jobs } = await place.call<{ jobs: Record<string, number> }>("host.status");
    return ["queued", "running", "retrying"].every((state) => jobs[state] === 0);
  });
  await place.host.crash();
  const books = readBooks(place.home);
  const lines = witnesses.lines();
  const batches = told.acknowledged.filter(({ operation }) => operation === "job.enqueueMany");
  const ids = batches.flatMap(({ subject }) => batchIds(Number(subject.slice("batch-".length))));
  const { expected, twice, missing, stray } = compareOccurrences(books, told.rhythms, { until, lines });
  const occurrences = [...twice, ...missing, ...stray];
  return {
    broken: [...differences(books, told), ...lostJobs(books, ids, lines), ...occurrences],
    occurrences: expected,
  };
}
