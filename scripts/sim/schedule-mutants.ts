/** Mutants of schedules: how occurrences are decided, recorded and run. */
import type { Database } from "bun:sqlite";
import type { Env } from "../../internal/base/env.ts";
import type { Sabotage } from "./database.ts";
import { DONE, edited, instead, type Mutant } from "./mutant.ts";

/** Words by which a statement of the core is known. */
const DUE = "AND c.due_at <= $now";
const ADVANCE = "AND accounted_until = $accountedBefore";
const INSERT_CURSOR = "INSERT INTO schedule_cursor";
const INSERT_OCCURRENCE = "INSERT INTO occurrence";
const OPEN_JOB = "AS open_job";
const SET_STATE = "deleted_by = $deletedBy";
const POKE = "SET due_at = MIN(COALESCE(due_at, $now), $now)";
const TERMINATE =
  "SET state       = 'cancelled',\n         finished_at = $now,\n         boot_id     = NULL,\n         error       = $error\n   WHERE id = $id";
const EXPIRE = "WHERE expires_at <= $now";
const RAN = "INSERT INTO schedule_run";

/** A row in the middle of the ledger. */
const ANY_ROW = `(schedule_id, occurrence, node) = (
  SELECT schedule_id, occurrence, node
    FROM occurrence
   LIMIT 1
  OFFSET (SELECT COUNT(*) / 2 FROM occurrence))`;

export const SCHEDULE_MUTANTS: readonly Mutant[] = [
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
    rare: true,
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
    rare: true,
    sabotage: (env) =>
      instead(INSERT_CURSOR, ({ make, values }) => make({ ...values, accountedUntil: env.now() })),
  },
  {
    name: "the rows of long ranges are dropped",
    sabotage: () =>
      instead(INSERT_OCCURRENCE, ({ make, values }) => (Number(values["count"]) > 1 ? DONE : make())),
  },
  {
    name: "overlap is not looked at",
    rare: true,
    sabotage: () =>
      instead(OPEN_JOB, ({ make }) => (make() as object[]).map((row) => ({ ...row, open_job: null }))),
  },
  {
    name: "what people deleted comes back when it is declared",
    rare: true,
    sabotage: () =>
      instead(SET_STATE, ({ make, values }) =>
        make({ ...values, deletedBy: values["deletedBy"] === null ? null : "declaration" }),
      ),
  },
  {
    name: "a pause leaves the schedule due",
    rare: true,
    sabotage: () =>
      instead(ADVANCE, ({ make, values }) =>
        values["next"] === null && values["accountedUntil"] === values["accountedBefore"] ? DONE : make(),
      ),
  },
  { name: "the end of a run wakes nobody", rare: true, sabotage: () => instead(POKE, () => DONE) },
  { name: "what is terminated goes on", rare: true, sabotage: () => instead(TERMINATE, () => []) },
  { name: "what is too late to start waits on", rare: true, sabotage: () => instead(EXPIRE, () => []) },
  {
    name: "a row of the ledger is lost",
    rare: true,
    atEnd: (db) => void db.run(`DELETE FROM occurrence WHERE ${ANY_ROW}`),
  },
  {
    name: "a row of the ledger is there twice",
    rare: true,
    atEnd: (db) =>
      void db.run(`
        INSERT INTO occurrence (schedule_id, occurrence, node, outcome, last_occurrence, count, decided_at, revision, note)
        SELECT schedule_id, occurrence - 1, node, 'expired', last_occurrence, count, decided_at, revision, ''
          FROM occurrence
         WHERE ${ANY_ROW}`),
  },
  {
    name: "a row of the ledger names another moment",
    rare: true,
    atEnd: (db) =>
      void db.run(`
        UPDATE occurrence
           SET occurrence      = occurrence + 1,
               last_occurrence = last_occurrence + 1
         WHERE ${ANY_ROW}`),
  },
  {
    name: "a range of the ledger counts one too many",
    rare: true,
    atEnd: (db) => void db.run("UPDATE occurrence SET count = count + 1 WHERE count > 1"),
  },
  { name: "runs are not counted", sabotage: () => instead(RAN, () => DONE) },
];

/** An occurrence may have two jobs; what looks them up still finds its index. */
function allowSecondRuns(db: Database): void {
  db.run("DROP INDEX job_occurrence");
  db.run("CREATE INDEX job_occurrence ON job (occurrence, schedule_id, node) WHERE trigger = 'schedule'");
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
