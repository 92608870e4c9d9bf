/** Mutants of what people ask of schedules: policies, blackouts, locks, objectives, backfills, the clock. */
import type { Database } from "bun:sqlite";
import { type Policy, POLICY_DEFAULT } from "../../internal/schedule/schedule.ts";
import type { LockVerdict } from "../../internal/store/locks.ts";
import type { Sabotage } from "./database.ts";
import { DONE, edited, instead, type Mutant } from "./mutant.ts";

/** Words by which a statement of the core is known. */
const CURSOR = "FROM schedule_cursor c\n    JOIN schedule s ON s.id = c.schedule_id";
const SHOWN = "AS next_occurrence\n    FROM schedule s";
const SET_STATE = "deleted_by = $deletedBy";
const INSERT_OCCURRENCE = "INSERT INTO occurrence";
const INSERT_TERM = "INSERT INTO schedule_term";
const NOTE_WAITS = "SET note = $note\n   WHERE note <> $note";
const PRUNE = "DELETE FROM occurrence";
const LEFT_OPEN = "FROM occurrence o INDEXED BY occurrence_pending";
const COUNT_FAILURE = "SET failures = failures + 1";
const CLAIM = "COALESCE(max_attempts, ?1)";
const MISS = "INSERT INTO objective_missed";
const RECOVER = "DELETE FROM objective_missed\n   WHERE schedule_id = $id\n     AND node        = $node";
const RUN_END = "(j.trigger = 'schedule' OR j.trigger = 'backfill')";
const BACKFILL_NEXT = "SET state = 'queued' WHERE id = $id AND state = 'paused'";
const BACKFILL_OPEN = "state IN ('queued', 'running', 'scheduled', 'retrying')";
const BACKFILL_MADE =
  "FROM job INDEXED BY job_backfill\n   WHERE schedule_id = $scheduleId\n     AND occurrence >=";

export const POLICY_MUTANTS: readonly Mutant[] = [
  { name: "blackouts are forgotten", rare: true, sabotage: () => misread(() => ({ blackouts: [] })) },
  { name: "a schedule has no end", rare: true, sabotage: () => misread(() => ({ endAt: null })) },
  { name: "a schedule begins at once", rare: true, sabotage: () => misread(() => ({ startAt: null })) },
  { name: "runs have no limit", rare: true, sabotage: () => misread(() => ({ runsMax: null })) },
  {
    name: "nothing is ever too late",
    rare: true,
    sabotage: () => misread(() => ({ latenessMaxMs: POLICY_DEFAULT.latenessMaxMs })),
  },
  {
    name: "who should be skipped when missed is made up for",
    rare: true,
    sabotage: () => misread(({ missed }) => ({ missed: missed === "skip" ? "latest" : missed })),
  },
  {
    name: "all that was missed is made up for",
    rare: true,
    sabotage: () => misread(() => ({ missedMax: 100 })),
  },
  {
    name: "every policy for what was missed is all",
    rare: true,
    sabotage: () => misread(() => ({ missed: "all" })),
  },
  {
    name: "what a gap skips is made up for, or not, the wrong way round",
    rare: true,
    sabotage: () =>
      misread(({ dstGap }) => ({ dstGap: dstGap === "skip" ? ("run-after" as const) : ("skip" as const) })),
  },
  {
    name: "in an hour that comes twice everything runs twice",
    rare: true,
    sabotage: () => misread(() => ({ dstFold: "both" })),
  },
  {
    name: "every zone is UTC",
    sabotage: () => rows(CURSOR, (row) => ({ ...row, timezone: "UTC" })),
  },
  {
    name: "a pause does not end by itself",
    rare: true,
    sabotage: () =>
      instead("AND accounted_until = $accountedBefore", ({ make, values }) =>
        make(values["next"] === null ? { ...values, dueAt: null } : values),
      ),
  },
  {
    name: "what was paused by people goes on when it is declared",
    rare: true,
    sabotage: () => rows(SHOWN, pausedByItself),
  },
  {
    name: "a schedule with nothing left to do stays active",
    rare: true,
    sabotage: () =>
      instead(SET_STATE, ({ make, values }) => (values["state"] === "finished" ? DONE : make())),
  },
  {
    name: "a pause after failures does not come",
    rare: true,
    sabotage: () => rows(COUNT_FAILURE, (row) => ({ ...row, failures: 0 })),
  },
  { name: "what a change drops is not recorded", rare: true, sabotage: () => unrecorded("deleted") },
  { name: "what a blackout swallows is not recorded", rare: true, sabotage: () => unrecorded("blackout") },
  { name: "what a pause holds back is not recorded", rare: true, sabotage: () => unrecorded("paused") },
  {
    name: "nobody hears that a named blackout has changed",
    rare: true,
    store: ({ schedules }) => void (schedules.verbs.observeAgain = () => {}),
  },
  {
    name: "nobody notes which definition was in force",
    rare: true,
    sabotage: () => instead(INSERT_TERM, ({ make, values }) => (values["revision"] === 1 ? make() : DONE)),
  },
  {
    name: "an occurrence runs before it has its lock",
    rare: true,
    sabotage: () => rows(CURSOR, (row) => (row["node"] === "" ? { ...row, locking: "node-local" } : row)),
  },
  {
    name: "what another node has locked runs here too",
    rare: true,
    store: ({ schedules }) => {
      const answers = schedules.lockAnswers.bind(schedules);
      schedules.lockAnswers = (verdicts) => answers(verdicts.map(ours));
    },
  },
  {
    name: "a lock server that does not answer ends the waiting",
    rare: true,
    sabotage: () => edited([NOTE_WAITS, "SET note =", "SET outcome = 'expired', lock_key = NULL, note ="]),
  },
  {
    name: "the ledger is pruned with what waits",
    rare: true,
    sabotage: () => edited([PRUNE, "AND outcome <> 'pending'", ""]),
  },
  {
    name: "the ledger is pruned beside jobs that go on",
    rare: true,
    sabotage: () =>
      edited([PRUNE, "finished_at IS NULL OR finished_at >=", "finished_at IS NULL AND finished_at >="]),
  },
  {
    name: "the reconciler repairs what is whole",
    rare: true,
    sabotage: () => edited([LEFT_OPEN, "o.count > 1", "o.count > 0"]),
  },
  {
    name: "an objective that is missed is said each time",
    sabotage: () => edited([MISS, "RETURNING count", "RETURNING $count AS count"]),
  },
  {
    name: "nobody says that an objective is met again",
    sabotage: () =>
      instead(RECOVER, ({ make }) => {
        make();
        return null;
      }),
  },
  {
    name: "an objective that is met again stays missed",
    sabotage: () => instead(RECOVER, () => null),
  },
  {
    name: "a run that ends is not held against its objectives",
    sabotage: () => rows(RUN_END, (row) => ({ ...row, watched: 0 })),
  },
  {
    name: "what is wanted of a start is held against the last try",
    rare: true,
    sabotage: () => edited([CLAIM, "COALESCE(first_started_at, ?3)", "?3"]),
  },
  {
    name: "the line of a backfill does not move on",
    rare: true,
    sabotage: () => instead(BACKFILL_NEXT, () => DONE),
  },
  {
    name: "the line of a backfill is too wide",
    rare: true,
    sabotage: () => rows(BACKFILL_OPEN, (row) => ({ ...row, count: 0 })),
  },
  {
    name: "an instant is backfilled again",
    rare: true,
    database: allowSecondBackfills,
    sabotage: () => instead(BACKFILL_MADE, () => []),
  },
  { name: "every clock is believed", rare: true, pulse: ({ clock }) => void (clock.look = () => true) },
];

/** Reads another policy than was written, wherever schedules are accounted for. */
function misread(change: (policy: Policy) => Partial<Policy>): Sabotage {
  return rows(CURSOR, (row) => {
    const policy: Policy = { ...POLICY_DEFAULT, ...(JSON.parse(String(row["policy"])) as Partial<Policy>) };
    return { ...row, policy: JSON.stringify({ ...policy, ...change(policy) }) };
  });
}

type Row = Record<string, unknown>;

/** Changes the rows that one statement finds. */
function rows(mark: string, change: (row: Row) => Row): Sabotage {
  return instead(mark, ({ make }) => {
    const found = make();
    if (Array.isArray(found)) return found.map((row: Row) => change(row));
    return found && change(found as Row);
  });
}

function unrecorded(outcome: string): Sabotage {
  return instead(INSERT_OCCURRENCE, ({ make, values }) => (values["outcome"] === outcome ? DONE : make()));
}

function ours(verdict: LockVerdict): LockVerdict {
  return { ...verdict, otherNode: null };
}

/** Its pause says that its own declaration made it, and will take it back. */
function pausedByItself(row: Row): Row {
  if (typeof row["pause"] !== "string" || row["declared_id"] === "") return row;
  const owner = `${String(row["owner_kind"])}:${String(row["owner_name"])}`;
  const pause = { ...(JSON.parse(row["pause"]) as object), by: owner };
  return { ...row, pause: JSON.stringify(pause), declared_paused: 1 };
}

/** What looks them up still finds its index. */
function allowSecondBackfills(db: Database): void {
  db.run("DROP INDEX job_backfill");
  db.run(
    "CREATE INDEX job_backfill ON job (schedule_id, occurrence) WHERE trigger = 'backfill' AND state <> 'cancelled'",
  );
}
