/**
 * Kill loop: a host under load is killed at random moments and started again, many
 * times. Sometimes its keeper dies, sometimes the host, sometimes both at once.
 * Afterwards the accounts of clients, plugins and database must agree.
 */
import { pick, seededRandom } from "../../schedule/expressions.ts";
import {
  type Books,
  brokenPromises,
  compareOccurrences,
  lostJobs,
  overlappingRuns,
  readBooks,
  reopenedJobs,
  type Rhythm,
  tornBatches,
} from "./kill-check.ts";
import { Load } from "./kill-load.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

export interface KillLoopOptions {
  kills: number;
  seed: number;
}

/** What came out of it. Every list but `readyMs` must be empty. */
export interface KillLoopReport {
  kills: number;
  acknowledged: number;
  lost: string[];
  occurrences: number;
  twice: string[];
  missing: string[];
  orphans: string[];
  /** Promises that were broken in any other way. */
  broken: string[];
  /** How long each start took until the host was ready, the first included. */
  readyMs: number[];
  /** Attempts that were cut short by a kill: without any, nothing was proved. */
  cut: number;
}

const SCHEDULES = 20;
const EVERY_MS = 1_000;
const JOBS_PER_SECOND = 500;
const JOB_MS = 300;
const KILL_FROM_MS = 200; // After the host was ready.
const KILL_UNTIL_MS = 3_000;
const GONE_MS = 2_000; // What a dead host has started is gone after this, or this long after the next start.
const QUIET_MS = 2 * EVERY_MS; // After the last kill: the occurrences that are compared are accounted for by then.
const DRAIN_LIMIT_MS = 300_000;
const HANDLERS = ["witness.work", "scribe.work"] as const;

/** Kills and checks. Throws only when the host does not start any more, or does not come to an end. */
export async function killLoop({ kills, seed }: KillLoopOptions): Promise<KillLoopReport> {
  await using witnesses = new Witnesses();
  return await new KillLoop(witnesses, seed).run(kills); // Awaited here: the folder goes with the function.
}

class KillLoop {
  readonly #witnesses: Witnesses;
  readonly #random: () => number;
  readonly #load: Load;
  readonly #rhythms: Rhythm[] = [];
  readonly #readyMs: number[] = [];
  readonly #orphans: string[] = [];
  readonly #broken: string[] = [];
  #books: Books | null = null;

  constructor(witnesses: Witnesses, seed: number) {
    this.#witnesses = witnesses;
    this.#random = seededRandom(seed);
    const random = seededRandom(seed + 1);
    const options = { random, handlers: HANDLERS, jobsPerSecond: JOBS_PER_SECOND, jobMs: JOB_MS };
    this.#load = new Load(witnesses.place, options);
  }

  async run(kills: number): Promise<KillLoopReport> {
    const stop = new AbortController();
    await this.#start();
    for (let i = 0; i < SCHEDULES; i++) this.#rhythms.push(await this.#makeSchedule(i));
    const loading = this.#load.run(stop.signal);
    for (let kill = 0; kill < kills; kill++) {
      const waitMs = KILL_FROM_MS + this.#random() * (KILL_UNTIL_MS - KILL_FROM_MS);
      await Bun.sleep(waitMs); // The moment of the kill is what is varied.
      await this.#kill();
    }
    const until = Date.now();
    await Bun.sleep(QUIET_MS);
    stop.abort();
    await loading;
    await this.#end();
    return this.#report(kills, until);
  }

  async #start(): Promise<void> {
    const from = performance.now();
    await this.#witnesses.place.start({ vars: WITNESS_VARS });
    this.#readyMs.push(performance.now() - from);
  }

  async #makeSchedule(index: number): Promise<Rhythm> {
    const overlaps = index % 2 === 0;
    const { id, createdAt } = await this.#witnesses.place.call<{ id: string; createdAt: string }>(
      "schedule.create",
      {
        name: `rhythm-${index}`,
        handler: HANDLERS[index % 4 < 3 ? 0 : 1],
        every: `${EVERY_MS}ms`,
        overlap: overlaps ? "allow" : "skip",
        payload: { ms: Math.floor(this.#random() * JOB_MS) },
      },
    );
    return { id, anchor: Date.parse(createdAt), everyMs: EVERY_MS, overlaps };
  }

  /** Kills in one of three manners, looks at what is left, and starts again. */
  async #kill(): Promise<void> {
    const { place } = this.#witnesses;
    const manner = pick(this.#random, ["keeper", "host", "both"]);
    const { exitCode, signalCode } = place.host.process;
    if (exitCode !== null || signalCode !== null) {
      throw new Error(`It ended by itself with ${signalCode ?? exitCode}:\n${place.host.text.slice(-4_000)}`);
    }
    const before = this.#witnesses.processes();
    if (manner === "keeper") await place.host.kill();
    else if (manner === "host") await place.host.killHost();
    else await place.host.crash();
    // Who survives ends the rest; where nobody does, the next host does it.
    if (manner !== "both") await this.#expectGone(before, `its ${manner} was killed`);
    this.#look();
    await this.#start();
    if (manner === "both") await this.#expectGone(before, "both were killed and it was started again");
  }

  async #expectGone(pids: readonly number[], when: string): Promise<void> {
    for (const pid of await this.#witnesses.orphans(pids, GONE_MS))
      this.#orphans.push(`${pid}, after ${when}`);
  }

  /** What must be true at any moment. */
  #look(): void {
    const acknowledged = this.#load.acknowledged(); // First: what is acknowledged later may be missing.
    const books = readBooks(this.#witnesses.place.home);
    this.#broken.push(...brokenPromises(this.#books, books, acknowledged));
    this.#books = books;
  }

  /** Lets everything run out, and ends the host as one asks for it. */
  async #end(): Promise<void> {
    const { place } = this.#witnesses;
    for (const { id } of this.#rhythms) await place.call("schedule.pause", { id });
    await place.until(
      "all jobs to end",
      async () => {
        const { jobs } = await place.call<{ jobs: Record<string, number> }>("host.status");
        const open = ["scheduled", "queued", "running", "retrying", "paused"];
        return open.every((state) => jobs[state] === 0);
      },
      DRAIN_LIMIT_MS,
    );
    const pids = this.#witnesses.processes();
    const code = await place.host.stop();
    if (code !== 0) this.#broken.push(`it ended with ${code}: ${place.host.text.slice(-1_000)}`);
    await this.#expectGone(pids, "it was asked to end");
    this.#look();
  }

  #report(kills: number, until: number): KillLoopReport {
    const books = this.#books;
    if (!books) throw new Error("Nobody has looked yet.");
    const lines = this.#witnesses.lines();
    const acknowledged = this.#load.acknowledged();
    const occurrences = compareOccurrences(books, this.#rhythms, { until, lines });
    const starts = lines.filter(({ what }) => what === "start").length;
    const ends = lines.filter(({ what }) => what === "end").length;
    return {
      kills,
      acknowledged: acknowledged.length,
      lost: lostJobs(books, acknowledged, lines),
      occurrences: occurrences.expected,
      twice: occurrences.twice,
      missing: occurrences.missing,
      orphans: this.#orphans,
      broken: [
        ...this.#broken,
        ...reopenedJobs(books, lines),
        ...tornBatches(books, this.#load.givenUp()),
        ...overlappingRuns(this.#rhythms, lines),
        ...occurrences.stray.map((key) => `${key} is not on the grid of its schedule`),
      ],
      readyMs: this.#readyMs,
      cut: starts - ends,
    };
  }
}

/** One line with the figures. */
export function killLoopLine(report: KillLoopReport): string {
  const { kills, acknowledged, occurrences, lost, twice, missing, orphans, broken, cut, readyMs } = report;
  const sorted = readyMs.toSorted((a, b) => a - b);
  const ready = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return [
    `kill loop: ${kills} kills`,
    `${acknowledged} jobs acknowledged`,
    `${lost.length} lost`,
    `${occurrences} occurrences`,
    `${twice.length} twice`,
    `${missing.length} missing`,
    `${orphans.length} orphans`,
    `${broken.length} other promises broken`,
    `${cut} attempts cut short`,
    `ready again in ${ready(0.5)} ms (at most ${ready(1)} ms)`,
  ].join(", ");
}

/** Everything that is wrong, as sentences. */
export function killLoopTrouble({ lost, twice, missing, orphans, broken }: KillLoopReport): string[] {
  return [
    ...lost.map((text) => `lost: ${text}`),
    ...twice.map((text) => `twice: ${text}`),
    ...missing.map((text) => `missing: ${text}`),
    ...orphans.map((text) => `orphan: ${text}`),
    ...broken.map((text) => `broken: ${text}`),
  ];
}
