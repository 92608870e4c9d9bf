/**
 * Objective oracle: a schedule that begins to miss its objectives says so once, and
 * once that it meets them again; and every run that was late, by the times of its own
 * rows, is among what is missed until a later one is in time.
 */
import type { Millis } from "../../internal/base/env.ts";
import { isFinished } from "../../internal/job/job.ts";
import type { Policy } from "../../internal/schedule/schedule.ts";
import type { Change, EventRecord, JobRecord, MissRecord, OccurrenceRecord } from "./journal.ts";
import type { World } from "./world.ts";

/** A run, and what was wanted of it when it was made. */
interface Watched {
  policy: Policy;
  /** The revision of its schedule, and how often that was deleted until then. */
  definition: string;
  startedAt: Millis | null;
}

/** What was said and what was written about one schedule on one node, since everything fitted together. */
interface Account {
  begins: number;
  ends: number;
}

export class ObjectiveOracle {
  readonly #world: World;
  readonly #missed = new Map<string, MissRecord>();
  /** The latest occurrence of each schedule whose run was in time. */
  readonly #met = new Map<string, Millis>();
  readonly #runs = new Map<string, Watched>();
  readonly #accounts = new Map<string, Account>();
  /** The latest occurrence of each that was found to miss its objective since then. */
  readonly #fresh = new Map<string, Millis>();
  /** Those of which nothing is wanted any more, since this event began. */
  readonly #dropped = new Set<string>();
  readonly #inTime: { key: string; occurrence: Millis; what: string }[] = [];
  readonly #expected: { key: string; occurrence: Millis; what: string }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  /** How many are missed now. */
  get missing(): number {
    return this.#missed.size;
  }

  miss(kind: Change["kind"], row: MissRecord): void {
    const key = keyOf(row);
    if (kind === "miss made") this.#accountOf(key).begins += 1;
    if (kind === "miss removed") this.#accountOf(key).ends += 1;
    if (kind === "miss removed") this.#missed.delete(key);
    else this.#missed.set(key, row);
    if (kind !== "miss removed") this.#fresh.set(key, row.occurrence);
  }

  event({ kind, subject, node }: EventRecord): void {
    const account = () => this.#accountOf(`${subject}@${node}`);
    if (kind === "schedule.objective-missed") account().begins -= 1;
    if (kind === "schedule.objective-dropped") this.#dropped.add(`${subject}@${node}`);
    if (kind === "schedule.objective-recovered" || kind === "schedule.objective-dropped") account().ends -= 1;
  }

  /** An occurrence of a schedule was decided, by a policy that is still in force. */
  decided(row: OccurrenceRecord, policy: Policy): void {
    const wanted = policy.mustStartWithinMs !== null || policy.mustSucceedWithinMs !== null;
    const lost = ["skipped-overlap", "skipped-missed", "expired"].includes(row.outcome);
    if (wanted && lost) this.#expect(row, row.lastOccurrence, `${row.outcome} at ${row.occurrence}`);
  }

  /** A run was made. Jitter moves its time by what only the engine knows. */
  made(job: JobRecord, policy: Policy, definition: string): void {
    const wanted = policy.mustStartWithinMs !== null || policy.mustSucceedWithinMs !== null;
    if (wanted && policy.jitterMs === 0) this.#runs.set(job.id, { policy, definition, startedAt: null });
  }

  /** A run as it stands now, and the definition of its schedule. */
  changed(job: JobRecord, definition: string): void {
    const run = this.#runs.get(job.id);
    if (!run) return;
    run.startedAt ??= job.startedAt;
    // Of which only a start is wanted, that is what meets it.
    const isOver = isFinished(job.state);
    if (!isOver && (run.startedAt === null || run.policy.mustSucceedWithinMs !== null)) return;
    if (isOver) this.#runs.delete(job.id);
    if (run.definition !== definition || job.scheduleId === null || job.occurrence === null) return;
    const whose = { scheduleId: job.scheduleId, node: job.node };
    if (isMissed(run, job))
      return isOver ? this.#expect(whose, job.occurrence, `the run ${job.id}`) : undefined;
    const key = keyOf(whose);
    this.#met.set(key, Math.max(job.occurrence, this.#met.get(key) ?? Number.NEGATIVE_INFINITY));
    if (!isOver) return;
    this.#inTime.push({ key, occurrence: job.occurrence, what: `the run ${job.id}` });
  }

  /** After every event: what was said is what was written, and whoever was late is among them. */
  checkTurn(): void {
    for (const [key, { begins, ends }] of this.#accounts) {
      if (begins !== 0 || ends !== 0)
        this.#world.violate(
          "promise",
          `${key} began ${begins} and ended ${ends} misses that nobody was told of`,
        );
    }
    for (const { key, occurrence, what } of this.#expected) {
      const missed = (this.#missed.get(key)?.occurrence ?? Number.NEGATIVE_INFINITY) >= occurrence;
      const over = (this.#met.get(key) ?? Number.NEGATIVE_INFINITY) > occurrence;
      if (!missed && !over && !this.#dropped.has(key))
        this.#world.violate("promise", `${what} is late, and ${key} does not miss its objective`);
    }
    for (const { key, occurrence, what } of this.#inTime) {
      if (this.#fresh.get(key) === occurrence)
        this.#world.violate(
          "promise",
          `${what} is in time, and is said to have missed the objective of ${key}`,
        );
      const still = (this.#missed.get(key)?.occurrence ?? Number.POSITIVE_INFINITY) < occurrence;
      if (still) this.#world.violate("promise", `${what} is in time, and ${key} misses its objective still`);
    }
    this.#inTime.length = 0;
    this.#fresh.clear();
    this.#accounts.clear();
    this.#dropped.clear();
    this.#expected.length = 0;
  }

  #expect(whose: { scheduleId: string; node: string }, occurrence: Millis, what: string): void {
    this.#expected.push({ key: keyOf(whose), occurrence, what });
  }

  #accountOf(key: string): Account {
    const known = this.#accounts.get(key) ?? { begins: 0, ends: 0 };
    this.#accounts.set(key, known);
    return known;
  }
}

function isMissed({ policy, startedAt }: Watched, { state, occurrence, finishedAt }: JobRecord): boolean {
  const { mustStartWithinMs: start, mustSucceedWithinMs: succeed } = policy;
  const since = occurrence ?? 0;
  const startedLate = start !== null && (startedAt ?? Number.POSITIVE_INFINITY) > since + start;
  const endedLate = succeed !== null && (state !== "completed" || (finishedAt ?? 0) > since + succeed);
  return startedLate || endedLate;
}

function keyOf({ scheduleId, node }: { scheduleId: string; node: string }): string {
  return `${scheduleId}@${node}`;
}
