/**
 * Paces in SQLite: notices, when a run ends, that runs take longer than the interval
 * of their schedule, and when they no longer do. Said once each, and again when the
 * schedule has been changed.
 */
import type { Database, Statement } from "bun:sqlite";
import { formatDuration } from "../../base/duration.ts";
import type { Log } from "../../base/log.ts";
import { median, type Pace, PACE_RUNS, slowPace } from "../../schedule/pace.ts";
import { EVERY_MIN_MS, type Spec } from "../../schedule/schedule.ts";
import type { SqliteEvents } from "./events.ts";
import type { RunEnd, SqliteJobs } from "./jobs.ts";
import { readPolicy, readSlow, type ScheduleRow } from "./schedule-row.ts";

const GRAIN_MS = 100; // Finer, every run would say something else. Rounded up: a run that ends a moment late misses its occurrence.

type Values = Record<string, string | number | null>;

/** A run that has ended, and its schedule. */
type EndedRun = Pick<
  ScheduleRow,
  "id" | "name" | "revision" | "spec" | "timezone" | "anchor" | "policy" | "slow"
> & { occurrence: number; took: number };

interface PaceParts {
  jobs: SqliteJobs;
  events: SqliteEvents;
  log: Log;
}

/** Notices from now on how runs end. */
export function followPaces(db: Database, parts: PaceParts): void {
  const paces = new Paces(db, parts);
  parts.jobs.onRunEnd((end) => paces.ended(end));
}

class Paces {
  readonly #events: SqliteEvents;
  readonly #log: Log;
  readonly #run: Statement<EndedRun, [Values]>;
  readonly #recent: Statement<{ took: number }, [Values]>;
  readonly #set: Statement<unknown, [Values]>;

  constructor(db: Database, { events, log }: PaceParts) {
    this.#events = events;
    this.#log = log;
    this.#run = db.prepare(RUN);
    this.#recent = db.prepare(TOOK);
    this.#set = db.prepare("UPDATE schedule SET slow = $slow WHERE id = $id");
  }

  ended({ jobId, state, tookMs: took, slow: wasSlow }: RunEnd): void {
    if (state === "cancelled" || (!wasSlow && took < EVERY_MIN_MS)) return; // No interval is shorter than that.
    const run = this.#run.get({ jobId });
    // One that fits into the interval does not make a schedule slow that was not.
    if (!run || (!wasSlow && paceOf(run, took) === null)) return;
    const recent = this.#recent.all({ id: run.id, limit: PACE_RUNS }).map(({ took }) => took);
    const tookMs = Math.ceil((median(recent) ?? run.took) / GRAIN_MS) * GRAIN_MS;
    const pace = paceOf(run, tookMs);
    const slow = pace && JSON.stringify({ ...pace, revision: run.revision });
    if (slow === run.slow) return;
    this.#set.run({ id: run.id, slow });
    const before = readSlow(run);
    if ((pace === null) !== (before === null)) this.#say(run, pace);
  }

  #say({ id, name }: EndedRun, pace: Pace | null): void {
    const schedule = name || id;
    if (pace === null) {
      const message = `The runs of schedule ${schedule} fit into its interval again.`;
      this.#log.info("the runs of a schedule fit into its interval again", { schedule });
      this.#events.addNow({ kind: "schedule.keeps-up", subject: id, message, data: {} });
      return;
    }
    const { everyMs, effectiveMs, tookMs } = pace;
    const [every, effective, took] = [everyMs, effectiveMs, tookMs].map(formatDuration);
    this.#log.warn("the runs of a schedule take longer than its interval", {
      schedule,
      every,
      took,
      effective,
    });
    const message = `The runs of schedule ${schedule} take ${took}, longer than the ${every} between them: it really runs every ${effective}.`;
    this.#events.addNow({ kind: "schedule.slow", subject: id, message, data: { ...pace } });
  }
}

/** A plan that cannot be evaluated has no pace; whoever fires it says what is wrong with it. */
function paceOf({ spec, timezone, anchor, policy, occurrence }: EndedRun, tookMs: number): Pace | null {
  try {
    const definition = { spec: JSON.parse(spec) as Spec, timezone, anchor, policy: readPolicy(policy) };
    return slowPace(definition, { occurrence, tookMs });
  } catch {
    return null;
  }
}

const RUN = `
  SELECT s.id, s.name, s.revision, s.spec, s.timezone, s.anchor, s.policy, s.slow,
         j.occurrence, j.finished_at - j.created_at AS took
    FROM job j
    JOIN schedule s ON s.id = j.schedule_id
   WHERE j.id = $jobId`;

/** How long the last runs of a schedule took, the newest first. */
export const TOOK = `
  SELECT finished_at - created_at AS took
    FROM job INDEXED BY job_schedule
   WHERE schedule_id = $id
     AND trigger     = 'schedule'
     AND (state = 'completed' OR state = 'failed')
   ORDER BY seq DESC
   LIMIT $limit + 0`;
