/**
 * Mutants: breakages that somebody could make, put into the core from outside. A
 * simulation that does not fall over each of them proves little. Statements are
 * changed on their way to the database, answers on their way back.
 */
import type { Database } from "bun:sqlite";
import type { Env } from "../../internal/base/env.ts";
import type { Pulse } from "../../internal/pulse/pulse.ts";
import type { SqliteStore } from "../../internal/store/sqlite/store.ts";
import type { Call, Sabotage } from "./database.ts";

export interface Mutant {
  /** What is broken. */
  name: string;
  /** Changes the empty database. */
  database?(db: Database): void;
  /** Changes statements, anew for each host. */
  sabotage?(env: Env): Sabotage;
  store?(store: SqliteStore): void;
  pulse?(pulse: Pulse): void;
  /** Changes the database when all is done, behind the back of everybody but `schedule verify`. */
  atEnd?(db: Database): void;
}

/** Words by which a statement of the core is known. */
const FINISH = "SET state          = $state,\n         finished_at";
const GIVE_BACK = "SET state          = $state,\n         run_at";
const PROGRESS = "SET progress = $progress\n";
const CLAIM = "max_attempts = COALESCE(max_attempts, $maxAttempts)";
const PROMOTE = "SET state = 'queued'\n";
const RECOVER = "interrupted = interrupted + 1";
const CANCEL_WAITING = "AND state IN ('scheduled', 'queued', 'retrying', 'paused')";
const DUE = "AND c.due_at <= $now";
const ADVANCE = "AND accounted_until = $accountedBefore";
const INSERT_CURSOR = "INSERT INTO schedule_cursor";
const INSERT_OCCURRENCE = "INSERT INTO occurrence";
const OPEN_JOB = "AND trigger     = 'schedule'\n     AND finished_at IS NULL";
const SET_STATE = "deleted_by = $deletedBy";
const POKE = "SET due_at = MIN(COALESCE(due_at, $now), $now)";
const TERMINATE =
  "SET state       = 'cancelled',\n         finished_at = $now,\n         boot_id     = NULL,\n         error       = $error\n   WHERE id = $id";
const EXPIRE = "WHERE expires_at <= $now";
const RAN = "SET run_count   = run_count + $count";

/** A row in the middle of the ledger. */
const ANY_ROW = `(schedule_id, occurrence, node) = (
  SELECT schedule_id, occurrence, node
    FROM occurrence
   LIMIT 1
  OFFSET (SELECT COUNT(*) / 2 FROM occurrence))`;

const DONE = { changes: 1, lastInsertRowid: 0 };

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a result counts whatever its fence",
    sabotage: () =>
      edited(
        [FINISH, "AND fence = $fence", ""],
        [GIVE_BACK, "AND fence = $fence", ""],
        [PROGRESS, "AND fence = $fence", ""],
      ),
  },
  { name: "acknowledged before the commit", sabotage: () => ({ call: commitLater }) },
  { name: "recover loses what it finds", sabotage: () => instead(RECOVER, () => []) },
  {
    name: "recover takes the jobs of its own boot",
    sabotage: () => edited([RECOVER, "AND boot_id <> $bootId", ""]),
  },
  {
    name: "a host that dies costs its jobs a try",
    sabotage: () => edited([RECOVER, "attempt - 1", "attempt"]),
  },
  {
    name: "a job that goes back spends a try",
    sabotage: () => edited([GIVE_BACK, "attempt        = $attempt", "attempt        = attempt"]),
  },
  {
    name: "a cancelled job goes back in line",
    sabotage: () => edited([GIVE_BACK, "AND cancel_requested = 0", ""]),
  },
  { name: "a cancel does not reach what runs", pulse: (pulse) => void (pulse.cancel = () => false) },
  {
    name: "a cancel ends what has ended",
    sabotage: () => edited([CANCEL_WAITING, "'paused')", "'paused', 'completed', 'failed')"]),
  },
  {
    name: "a claim takes what is not queued",
    sabotage: () => edited([CLAIM, "WHERE state = 'queued'", "WHERE finished_at IS NULL"]),
  },
  {
    name: "a claim takes one more than there is room for",
    sabotage: () => edited([CLAIM, "LIMIT $limit", "LIMIT $limit + 1"]),
  },
  {
    name: "claims do not look at priorities",
    sabotage: () => edited([CLAIM, "ORDER BY priority, seq", "ORDER BY seq"]),
  },
  {
    name: "fences return",
    sabotage: () => edited([CLAIM, "fence        = fence + 1", "fence = attempt + 1"]),
  },
  {
    name: "promote forgets what is late",
    sabotage: () => edited([PROMOTE, "run_at <= $now", "run_at BETWEEN $now - 1000 AND $now"]),
  },
  {
    name: "suspects are not remembered",
    sabotage: () => edited([GIVE_BACK, "suspect        = $suspect", "suspect        = 0"]),
  },
  {
    name: "a settlement that could not be written is forgotten",
    store: ({ jobs }) => {
      const settle = jobs.settle.bind(jobs);
      jobs.settle = (settlements) => settle(settlements).catch(() => settlements.map(() => false));
    },
  },
  { name: "unique keys are not unique", database: (db) => void db.run("DROP INDEX job_unique_key") },
  {
    name: "ledger and cursor are written in two transactions",
    database: allowSecondRuns,
    sabotage: (env) => ({
      ...edited([INSERT_OCCURRENCE, "INSERT INTO", "INSERT OR IGNORE INTO"]),
      call: advanceLater(env),
    }),
  },
  {
    name: "the cursor is not guarded, and two tickers read it",
    database: allowSecondRuns,
    sabotage: () => ({
      ...edited([ADVANCE, ADVANCE, ""], [INSERT_OCCURRENCE, "INSERT INTO", "INSERT OR IGNORE INTO"]),
      ...instead(DUE, ({ make }) => [make(), make()].flat()),
    }),
  },
  {
    name: "the next occurrence is computed from now",
    sabotage: () =>
      edited(
        [DUE, "c.accounted_until", "MAX(c.accounted_until, $now - 1000) AS accounted_until"],
        [ADVANCE, ADVANCE, ""],
      ),
  },
  {
    name: "a clock that goes back takes the cursor with it",
    sabotage: (env) =>
      instead(INSERT_CURSOR, ({ make, values }) => make({ ...values, accountedUntil: env.now() })),
  },
  {
    name: "the rows of long ranges are dropped",
    sabotage: () =>
      instead(INSERT_OCCURRENCE, ({ make, values }) => (Number(values["count"]) > 1 ? DONE : make())),
  },
  { name: "overlap is not looked at", sabotage: () => instead(OPEN_JOB, () => null) },
  {
    name: "what people deleted comes back when it is declared",
    sabotage: () =>
      instead(SET_STATE, ({ make, values }) =>
        make({ ...values, deletedBy: values["deletedBy"] === null ? null : "declaration" }),
      ),
  },
  {
    name: "a pause leaves the schedule due",
    sabotage: () =>
      instead(ADVANCE, ({ make, values }) =>
        values["next"] === null && values["accountedUntil"] === values["accountedBefore"] ? DONE : make(),
      ),
  },
  { name: "the end of a run wakes nobody", sabotage: () => instead(POKE, () => DONE) },
  { name: "what is terminated goes on", sabotage: () => instead(TERMINATE, () => []) },
  { name: "what is too late to start waits on", sabotage: () => instead(EXPIRE, () => []) },
  {
    name: "a row of the ledger is lost",
    atEnd: (db) => void db.run(`DELETE FROM occurrence WHERE ${ANY_ROW}`),
  },
  {
    name: "a row of the ledger is there twice",
    atEnd: (db) =>
      void db.run(`
        INSERT INTO occurrence (schedule_id, occurrence, node, outcome, last_occurrence, count, decided_at, revision, note)
        SELECT schedule_id, occurrence - 1, node, 'expired', last_occurrence, count, decided_at, revision, ''
          FROM occurrence
         WHERE ${ANY_ROW}`),
  },
  {
    name: "a row of the ledger names another moment",
    atEnd: (db) =>
      void db.run(`
        UPDATE occurrence
           SET occurrence      = occurrence + 1,
               last_occurrence = last_occurrence + 1
         WHERE ${ANY_ROW}`),
  },
  {
    name: "a range of the ledger counts one too many",
    atEnd: (db) => void db.run("UPDATE occurrence SET count = count + 1 WHERE count > 1"),
  },
  { name: "runs are not counted", sabotage: () => instead(RAN, () => DONE) },
];

/** An occurrence may have two jobs; what looks them up still finds its index. */
function allowSecondRuns(db: Database): void {
  db.run("DROP INDEX job_occurrence");
  db.run("CREATE INDEX job_occurrence ON job (schedule_id, occurrence, node) WHERE trigger = 'schedule'");
}

/** Changes the text of statements: [what it is known by, what is replaced, by what]. */
function edited(...edits: readonly [string, string, string][]): Sabotage {
  const missing = new Set(edits);
  return {
    text(sql) {
      let changed = sql;
      for (const edit of edits) {
        const [mark, from, to] = edit;
        if (!sql.includes(mark) || !sql.includes(from)) continue;
        changed = changed.replace(from, to);
        missing.delete(edit);
      }
      return changed;
    },
    checkApplied() {
      for (const [mark] of missing)
        throw new Error(`no statement is like "${mark}": the mutant changes nothing`);
    },
  };
}

/** Does something else where one statement would be called. */
function instead(mark: string, act: (call: Call) => unknown): Sabotage {
  return { mark, call: (call) => (call.sql.includes(mark) ? act(call) : call.make()) };
}

/** The real commit comes with the next group; what was answered meanwhile is only believed. */
function commitLater({ sql, make }: Call, db: Database): unknown {
  if (sql === "COMMIT") return DONE;
  if (sql === "BEGIN IMMEDIATE" && db.inTransaction) db.run("COMMIT");
  return make();
}

/** Cursors move in a transaction of their own, after the one that wrote ledger and jobs. */
function advanceLater(env: Env): NonNullable<Sabotage["call"]> {
  let waiting: (() => unknown)[] = [];
  return ({ sql, make, crash }) => {
    if (sql.includes(ADVANCE)) {
      waiting.push(() => make());
      return DONE;
    }
    if (sql === "ROLLBACK") waiting = [];
    const answer = make();
    if (sql !== "COMMIT") return answer;
    if (waiting.length > 0 && env.random() < 0.05) crash("between two transactions");
    for (const advance of waiting.splice(0)) advance();
    return answer;
  };
}
