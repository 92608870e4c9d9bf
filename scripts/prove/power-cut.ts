/**
 * Power cut: a host lives under load while everything is noted that it writes, syncs and
 * says. Then the power goes at many moments of that life, each time with another part
 * of what was not synced, and what is left must have everything that was said. On some
 * of what is left a host is started; and the next life begins on one of them, so that
 * the power also goes while a host recovers.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { seededRandom } from "../../internal/schedule/expressions.ts";
import {
  brokenPromises,
  compareOccurrences,
  lostJobs,
  readBooks,
  type Rhythm,
} from "../../internal/serve/e2e/kill-check.ts";
import type { Line } from "../../internal/serve/e2e/witnesses.ts";
import { Disk, type Manner, MANNERS } from "./power-disk.ts";
import { judge, Told } from "./power-judge.ts";
import { Ground, type Life, live, type Step } from "./power-life.ts";
import type { Event } from "./power-trace.ts";

export interface PowerCutOptions {
  /** How often the power goes, over all lives. */
  images: number;
  /** On how many of them a host is started. */
  reopened: number;
  lives: number;
  loadMs: number;
  seed: number;
  /** Another build of the program. */
  program?: string;
}

export interface PowerCutReport {
  images: number;
  reopened: number;
  /** What a host found when it was started: jobs that were running as the power went. */
  healed: number;
  /** Jobs and other changes that somebody had read an answer to. */
  acknowledged: number;
  events: number;
  syncs: number;
  /** Pages that were copied into the database, by checkpoints. */
  copied: number;
  /** Compared with arithmetic, on what a host was started on. */
  occurrences: number;
  /** Each with its moment: */
  lost: string[];
  corrupt: string[];
  twice: string[];
  /** Promises that were broken when a host was started on what was left. */
  broken: string[];
  /** The oldest line of a job that was lost. */
  logsLostMs: number;
}

/** Lives, cuts and looks. Throws where there is no strace, and when a trace cannot be read. */
export async function cutPower(options: PowerCutOptions): Promise<PowerCutReport> {
  await using proof = new Proof(options);
  return await proof.run(); // Awaited here: its folders go with the function.
}

/** Where the power goes: behind so many events of a life. */
interface Cut {
  after: number;
  manner: Manner;
  reopens: boolean;
  /** The next life begins on what it leaves. */
  isHeir: boolean;
}

class Proof implements AsyncDisposable {
  readonly #options: PowerCutOptions;
  readonly #random: () => number;
  readonly #report: PowerCutReport;
  #ground = new Ground();
  /** Of the lives that the ground has behind it. */
  #told = new Told();
  readonly #steps: Step[] = [];
  readonly #batches: string[][] = [];
  readonly #rhythms: Rhythm[] = [];
  #lines: Line[] = [];

  constructor(options: PowerCutOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { images, reopened } = options;
    const none = {
      healed: 0,
      acknowledged: 0,
      events: 0,
      syncs: 0,
      copied: 0,
      occurrences: 0,
      logsLostMs: 0,
    };
    this.#report = { images, reopened, ...none, lost: [], corrupt: [], twice: [], broken: [] };
  }

  async run(): Promise<PowerCutReport> {
    const { lives, loadMs, program } = this.#options;
    for (let n = 1; n <= lives; n++) {
      const disk = new Disk(this.#ground.disk); // As it is before the host starts.
      const life = await live(this.#ground, { name: `p${n}`, loadMs, program });
      this.#steps.push(...life.steps);
      this.#batches.push(...life.batches);
      this.#rhythms.push(...life.rhythms);
      await this.#cut(life, disk, this.#choose(life, n));
    }
    return this.#report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ground[Symbol.asyncDispose]();
  }

  /** Half of the moments are anywhere, half of them right behind something that was said. */
  #choose({ events }: Life, n: number): Cut[] {
    const { images, reopened, lives } = this.#options;
    const share = (of: number) => Math.floor((of * n) / lives) - Math.floor((of * (n - 1)) / lives);
    const count = share(images);
    const says = events.flatMap(({ kind }, index) => (kind === "say" ? [index + 1] : []));
    const heir = this.#below(count);
    const opens = Math.ceil(count / Math.max(1, share(reopened)));
    return Array.from({ length: count }, (_, index) => ({
      after: index % 2 === 0 ? 1 + this.#below(events.length) : (says[this.#below(says.length)] ?? 1),
      manner: MANNERS[Math.floor(index / 2) % MANNERS.length] ?? "torn",
      reopens: reopened > 0 && index % opens === 0,
      isHeir: index === heir,
    })).toSorted((a, b) => a.after - b.after);
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  /** Follows a life and cuts it; the next one begins on what one of the cuts has left. */
  async #cut(life: Life, disk: Disk, cuts: readonly Cut[]): Promise<void> {
    const told = new Told(this.#told);
    let position = 0;
    const followUntil = (end: number) => {
      for (const event of life.events.slice(position, end)) {
        disk.follow(event);
        told.follow(event);
        this.#count(event);
      }
      position = end;
    };
    let next: { ground: Ground; told: Told; lines: Line[] } | null = null;
    for (const cut of cuts) {
      followUntil(cut.after);
      const at = life.events[cut.after - 1]?.at ?? 0;
      const lines = [...this.#lines, ...life.lines.filter((line) => line.at <= at)];
      const ground = new Ground();
      disk.leave(ground.disk, cut.manner, this.#random);
      this.#judge(ground, { life, told, cut, at });
      if (cut.reopens && !cut.isHeir) {
        const wrong = await this.#reopen(ground, { told, lines }).catch((error: unknown) => [String(error)]);
        const where = `${life.name}, started behind event ${cut.after}, ${cut.manner}`;
        this.#report.broken.push(...wrong.map((text) => `${where}: ${text}`));
      }
      if (cut.isHeir) next = { ground, told: new Told(told), lines };
      else await ground[Symbol.asyncDispose]();
    }
    followUntil(life.events.length);
    this.#expectTold(life, told);
    if (!next) return;
    await this.#ground[Symbol.asyncDispose]();
    this.#ground = next.ground;
    this.#told = next.told;
    this.#lines = next.lines;
  }

  #judge(ground: Ground, { life, told, cut, at }: { life: Life; told: Told; cut: Cut; at: number }): void {
    const { lost, corrupt, twice, logsLostMs } = judge(ground.data, {
      told,
      steps: this.#steps,
      batches: this.#batches,
      logs: life.logs,
      token: life.token,
      at,
    });
    const moment = (text: string) => `${life.name}, behind event ${cut.after}, ${cut.manner}: ${text}`;
    this.#report.lost.push(...lost.map(moment));
    this.#report.corrupt.push(...corrupt.map(moment));
    this.#report.twice.push(...twice.map(moment));
    this.#report.logsLostMs = Math.max(this.#report.logsLostMs, logsLostMs);
  }

  /** Starts a host on what is left, lets it do what is to be done, and holds everything together. */
  async #reopen(ground: Ground, { told, lines }: { told: Told; lines: Line[] }): Promise<string[]> {
    const wrong: string[] = [];
    const until = Date.now();
    const host = await ground.start();
    const { schedules: there } = await ground.call<Schedules>("schedule.list", { limit: SCHEDULES_MAX });
    const rhythms = this.#rhythms.filter((rhythm) => there.some(({ id }) => id === rhythm.id));
    await ground.place.until("the ticker to catch up and all jobs to end", async () => {
      const { schedules } = await ground.call<Schedules>("schedule.list", { limit: SCHEDULES_MAX });
      const isBehind = schedules.some(
        ({ nextRunAt }) => nextRunAt !== null && Date.parse(nextRunAt) <= until,
      );
      const { jobs } = await ground.call<{ jobs: Record<string, number> }>("host.status");
      return !isBehind && ["queued", "running", "retrying"].every((state) => jobs[state] === 0);
    });
    const verdict = await ground.call<{ ok: boolean }>("schedule.verify", { limit: SCHEDULES_MAX });
    if (!verdict.ok) wrong.push(`the ledger is not as planned: ${JSON.stringify(verdict)}`);
    process.kill(host.process.pid, "SIGTERM");
    if ((await host.process.exited) !== 0) wrong.push(`the host ended badly: ${host.text.slice(-1_000)}`);
    this.#report.healed += Number(/queued again count=(\d+)/.exec(host.text)?.[1] ?? 0);
    const books = readBooks(ground.data);
    const jobs = [...told.jobs];
    const all = [...lines, ...ground.lines()];
    const { twice, missing, stray, expected } = compareOccurrences(books, rhythms, { until, lines: all });
    this.#report.occurrences += expected;
    this.#report.twice.push(...twice);
    const ran = jobs.filter((id) => books.jobs.get(id)?.state !== "cancelled" && !id.endsWith("-later"));
    return [
      ...wrong,
      ...brokenPromises(null, books, jobs),
      ...lostJobs(books, ran, all),
      ...missing,
      ...stray,
    ];
  }

  /** A trace that lacks an answer that somebody had read would prove too little. */
  #expectTold({ acknowledged, steps, name }: Life, told: Told): void {
    const lacks = acknowledged.filter((id) => !told.jobs.has(id));
    for (const [subject, own] of Map.groupBy(steps, (step) => step.subject))
      if (told.answers(subject) !== own.length) lacks.push(subject);
    if (lacks.length > 0)
      throw new Error(`${name}: the trace does not say when these were answered: ${lacks.join(", ")}`);
    this.#report.acknowledged += acknowledged.length + steps.length;
  }

  #count(event: Event): void {
    this.#report.events++;
    if (event.kind === "sync") this.#report.syncs++;
    if (event.kind === "write" && event.path.endsWith("/qntx.db")) this.#report.copied++;
  }
}

interface Schedules {
  schedules: { id: string; nextRunAt: string | null }[];
}

/** A copy of the program whose commits do not wait for the disk: the words of one setting are changed in it, in place. */
export function withNormal(program: string, path: string): string {
  const bytes = readFileSync(program);
  let count = 0;
  for (let at = bytes.indexOf(FULL); at !== -1; at = bytes.indexOf(FULL, at), count++)
    bytes.write(NORMAL, at);
  if (count === 0) throw new Error(`${program} does not contain ${FULL}: there is nothing to change.`);
  writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

const FULL = "PRAGMA synchronous = FULL";
const NORMAL = "PRAGMA synchronous = 1   "; // As long, so that nothing else moves.
const SCHEDULES_MAX = 500;

/** One line with the figures. */
export function powerCutLine(report: PowerCutReport): string {
  const { images, events, syncs, acknowledged, reopened, healed, occurrences, lost, corrupt, twice, broken } =
    report;
  return [
    `power cuts: ${images} images of ${events} writes, syncs and answers`,
    `${syncs} syncs`,
    `${acknowledged} acknowledged`,
    `${lost.length} lost`,
    `${corrupt.length} corrupt`,
    `${reopened} started again`,
    `${healed} jobs healed`,
    `${occurrences} occurrences`,
    `${twice.length} twice`,
    `${broken.length} other promises broken`,
    `${Math.round(report.logsLostMs)} ms of logs lost at most`,
  ].join(", ");
}
