/**
 * Lock loop: two hosts that share nothing but a Redis server have the same schedules.
 * Both are killed at random moments and started again, and so is the server. Over
 * both stores each occurrence must have become one job, and run; whoever did not
 * run it must have recorded it as the other node's.
 */
import { RedisServer } from "../../bundled/redis-lock/redis-server.ts";
import { pick, seededRandom } from "../../schedule/expressions.ts";
import { type Books, readBooks } from "./kill-check.ts";
import { type Line, Witnesses } from "./witnesses.ts";

export interface LockLoopOptions {
  schedules: number;
  /** How long hosts are killed. */
  seconds: number;
  /** How often the lock server goes away meanwhile. */
  outages: number;
  seed: number;
}

/** What came out of it. Every list must be empty. */
export interface LockLoopReport {
  occurrences: number;
  /** Jobs that each host made of them. */
  jobs: [number, number];
  otherNode: number;
  kills: number;
  outages: number;
  /** What hosts said of a lock server that did not answer. */
  told: string[];
  twice: string[];
  missing: string[];
  /** Losers that recorded something else. */
  misnamed: string[];
  /** What a host says of its own ledger that is not as planned. */
  unverified: string[];
}

const EVERY_MS = 1_000;
const JOB_MS = 50;
const LIFE_FROM_MS = 1_000; // A host lives for so long before it is killed,
const LIFE_UNTIL_MS = 8_000;
const DOWN_UNTIL_MS = 2_000; // and is gone for so long at most.
const OUTAGE_MS = 4_000;
const QUIET_MS = 8_000; // After the last trouble: longer than the longest pause between two questions.
const DRAIN_LIMIT_MS = 120_000;
const FIRED = /^(fired|fired-late|caught-up)$/;

/** Kills and checks. Throws only when a host does not start any more, or does not come to an end. */
export async function lockLoop(options: LockLoopOptions): Promise<LockLoopReport> {
  await using redis = await RedisServer.start();
  const config = `[locks]\nprovider = "redis-lock"\n\n[redis-lock]\nurl = "${redis.url}"\n`;
  await using one = new Witnesses({ config, python: false, children: false });
  await using other = new Witnesses({ config, python: false, children: false });
  return await new LockLoop([one, other], redis, options).run(); // Awaited here: the folders go with the function.
}

class LockLoop {
  readonly #hosts: readonly [Witnesses, Witnesses];
  readonly #redis: RedisServer;
  readonly #options: LockLoopOptions;
  readonly #random: () => number;
  readonly #unverified: string[] = [];
  #kills = 0;

  constructor(hosts: readonly [Witnesses, Witnesses], redis: RedisServer, options: LockLoopOptions) {
    this.#hosts = hosts;
    this.#redis = redis;
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<LockLoopReport> {
    await Promise.all(this.#hosts.map((host) => host.place.start()));
    await Promise.all(this.#hosts.map((host) => this.#makeSchedules(host)));
    const from = Math.ceil(Date.now() / EVERY_MS) * EVERY_MS; // Both have all of them now.
    const stop = AbortSignal.timeout(this.#options.seconds * 1_000);
    await Promise.all([...this.#hosts.map((host) => this.#kill(host, stop)), this.#takeAway(stop)]);
    const until = Math.floor(Date.now() / EVERY_MS) * EVERY_MS;
    await Bun.sleep(QUIET_MS);
    const told = await Promise.all(this.#hosts.map((host) => this.#end(host)));
    return this.#compare({ from, until, told: told.flat() });
  }

  async #makeSchedules({ place }: Witnesses): Promise<void> {
    for (let i = 0; i < this.#options.schedules; i++) {
      await place.call("schedule.create", {
        name: `beat-${i}`,
        handler: "witness.work",
        every: `${EVERY_MS}ms`,
        overlap: "allow",
        locking: "require-global",
        payload: { ms: (i * 7) % JOB_MS },
      });
    }
  }

  /** Kills a host in one of three manners, and starts it again, until `stop`. */
  async #kill({ place }: Witnesses, stop: AbortSignal): Promise<void> {
    for (;;) {
      await Bun.sleep(LIFE_FROM_MS + this.#random() * (LIFE_UNTIL_MS - LIFE_FROM_MS)); // The moment is what is varied.
      if (stop.aborted) return;
      this.#kills++;
      const manner = pick(this.#random, ["keeper", "host", "both"]);
      if (manner === "keeper") await place.host.kill();
      else if (manner === "host") await place.host.killHost();
      else await place.host.crash();
      await Bun.sleep(this.#random() * DOWN_UNTIL_MS);
      await place.start();
    }
  }

  /** Kills the lock server, and starts it again with what it has on disk: at even distances. */
  async #takeAway(stop: AbortSignal): Promise<void> {
    const { outages, seconds } = this.#options;
    for (let i = 0; i < outages && !stop.aborted; i++) {
      await Bun.sleep((seconds * 1_000) / (outages + 1) - OUTAGE_MS);
      await this.#redis.kill();
      await Bun.sleep(OUTAGE_MS);
      await this.#redis.restart();
    }
  }

  /** Lets everything run out, and ends the host. Gives what it said while it got no locks. */
  async #end({ place }: Witnesses): Promise<string[]> {
    for (let i = 0; i < this.#options.schedules; i++) await place.call("schedule.pause", { id: `beat-${i}` });
    await place.until(
      "all jobs to end",
      async () => {
        const { jobs } = await place.call<{ jobs: Record<string, number> }>("host.status");
        return ["scheduled", "queued", "running", "retrying"].every((state) => jobs[state] === 0);
      },
      DRAIN_LIMIT_MS,
    );
    const verified = await place.cli(["schedule", "verify", "--all"]);
    if (verified.code !== 0) this.#unverified.push(verified.stdout + verified.stderr);
    const kind = "locks.failed";
    const { events } = await place.call<{ events: { message: string }[] }>("event.list", { kind });
    const code = await place.host.stop();
    if (code !== 0) throw new Error(`It ended with ${code}: ${place.host.text.slice(-2_000)}`);
    return events.map(({ message }) => message);
  }

  #compare({ from, until, told }: { from: number; until: number; told: string[] }): LockLoopReport {
    const accounts = this.#hosts.map((host) => new Account(readBooks(host.place.home), host.lines()));
    const report: LockLoopReport = {
      occurrences: 0,
      jobs: [0, 0],
      otherNode: 0,
      kills: this.#kills,
      outages: this.#options.outages,
      told,
      twice: [],
      missing: [],
      misnamed: [],
      unverified: this.#unverified,
    };
    for (let i = 0; i < this.#options.schedules; i++) {
      for (let at = from + EVERY_MS; at <= until; at += EVERY_MS) {
        const entries = accounts.map((account) => account.entry(`beat-${i}`, at));
        report.occurrences++;
        judge(`beat-${i}@${new Date(at).toISOString()}`, entries, report);
      }
    }
    return report;
  }
}

/** What became of an occurrence on one host. */
interface Entry {
  outcome: string;
  /** Jobs that the database has of it, and jobs that ran to an end. */
  jobs: number;
  ran: number;
}

function judge(key: string, entries: readonly Entry[], report: LockLoopReport): void {
  const said = entries.map(({ outcome, jobs, ran }) => `${outcome} (${jobs} jobs, ${ran} ran)`).join(" and ");
  const winners = entries.filter(({ outcome }) => FIRED.test(outcome));
  const jobs = entries.reduce((sum, entry) => sum + entry.jobs, 0);
  const ran = entries.reduce((sum, entry) => sum + entry.ran, 0);
  if (winners.length > 1 || jobs > 1 || ran > 1) report.twice.push(`${key}: ${said}`);
  if (winners.length === 0 || ran === 0) report.missing.push(`${key}: ${said}`);
  for (const [index, { outcome }] of entries.entries()) {
    if (FIRED.test(outcome)) report.jobs[index === 0 ? 0 : 1]++;
    else if (outcome === "other-node") report.otherNode++;
    else report.misnamed.push(`${key}: ${said}`);
  }
}

/** The books and the witness of one host, by name and instant. */
class Account {
  readonly #outcomes = new Map<string, string>();
  readonly #jobs = new Map<string, number>();
  readonly #ran = new Map<string, Set<string>>();
  readonly #ids: ReadonlyMap<string, string>;

  constructor(books: Books, lines: readonly Line[]) {
    this.#ids = books.ids;
    for (const { schedule_id, occurrence, count, outcome } of books.ledger) {
      for (let i = 0; i < count; i++)
        this.#outcomes.set(`${schedule_id}@${occurrence + i * EVERY_MS}`, outcome);
    }
    for (const { schedule_id, occurrence } of books.jobs.values()) {
      const key = `${schedule_id}@${occurrence}`;
      this.#jobs.set(key, (this.#jobs.get(key) ?? 0) + 1);
    }
    for (const { what, scheduleId, occurrence = "", id = "" } of lines) {
      if (what !== "end") continue;
      const key = `${scheduleId}@${Date.parse(occurrence)}`;
      this.#ran.set(key, (this.#ran.get(key) ?? new Set()).add(id));
    }
  }

  entry(name: string, at: number): Entry {
    const key = `${this.#ids.get(name)}@${at}`;
    return {
      outcome: this.#outcomes.get(key) ?? "not recorded",
      jobs: this.#jobs.get(key) ?? 0,
      ran: this.#ran.get(key)?.size ?? 0,
    };
  }
}

/** One line with the figures. */
export function lockLoopLine(report: LockLoopReport): string {
  const { occurrences, jobs, otherNode, kills, outages, told, twice, missing, misnamed, unverified } = report;
  return [
    `lock loop: ${occurrences} occurrences on two hosts`,
    `${jobs[0]} and ${jobs[1]} jobs`,
    `${otherNode} recorded as the other node's`,
    `${twice.length} twice`,
    `${missing.length} missing`,
    `${misnamed.length} recorded as something else`,
    `${unverified.length} ledgers not as planned`,
    `${kills} kills`,
    `${outages} outages of the lock server, told ${told.length} times`,
  ].join(", ");
}

const SHOWN_MAX = 20;

/** What is wrong, as sentences; and then what hosts said, which may be why. */
export function lockLoopTrouble({ twice, missing, misnamed, unverified, told }: LockLoopReport): string[] {
  const all = [
    ...twice.map((text) => `twice: ${text}`),
    ...missing.map((text) => `missing: ${text}`),
    ...misnamed.map((text) => `misnamed: ${text}`),
    ...unverified.map((text) => `not as planned: ${text}`),
  ];
  if (all.length === 0) return [];
  const more = all.length > SHOWN_MAX ? [`and ${all.length - SHOWN_MAX} more`] : [];
  return [...all.slice(0, SHOWN_MAX), ...more, ...new Set(told)];
}
