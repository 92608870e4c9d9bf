/** Mutants of what holds jobs up, and of what outlives them: keys, rates, pauses, checkpoints, flows, unique keys, retention. */
import type { Database } from "bun:sqlite";
import type { Call, Sabotage } from "./database.ts";
import { DONE, edited, instead, type Mutant } from "./mutant.ts";

/** Words by which a statement of the core is known. */
const PLACES = "FROM job INDEXED BY job_key\n   WHERE handler = $handler\n     AND tenant  = $tenant";
const KEY_OF = "SELECT tenant, handler, concurrency_key\n    FROM job\n   WHERE id = $id";
const SPEND = "UPDATE handler_limit SET full_at = $fullAt";
const PAUSE_OF = "SELECT 1 FROM handler_pause WHERE handler = $lane";
const CHECKPOINT = "SET checkpoint = $checkpoint";
const TIE = "wait_policy  = $waitPolicy";
const RELEASE = "SET waits = waits - 1";
const FAIL_WAITING = "AND waits > 0\n     AND state IN ('scheduled', 'paused')";
const CHILDREN = "FROM job INDEXED BY job_parent\n       WHERE parent_id = $id";
const PRUNE = "(unique_until IS NULL OR unique_until < $rested)";
const KEPT_KEY = "FROM job INDEXED BY job_unique_until";
const RESUME = "SET state = CASE WHEN waits > 0";
const GIVE_BACK = "SET state          = $state,\n         run_at";
const RETRIED = "SELECT id, state FROM job WHERE retry_of = $of";
const SPENT_OF = "SELECT step, amount\n    FROM budget_spent";
const SPEND_BUDGET = "INSERT INTO budget_spent";
const RESERVE = "INSERT INTO budget_running";
const UNRESERVE = "DELETE FROM budget_running\n   WHERE job_id = $id";

export const LIMIT_MUTANTS: readonly Mutant[] = [
  {
    name: "the place of a key is given away while its job runs",
    sabotage: () => edited([PLACES, "(state = 'queued' OR state = 'running')", "state = 'queued'"]),
  },
  { name: "the place of a key is never given back", sabotage: () => instead(KEY_OF, () => null) },
  {
    name: "a rate is not written down",
    sabotage: () => instead(SPEND, () => DONE),
  },
  {
    name: "a rate begins anew with each host",
    rare: true,
    sabotage: () => forgetful("UPDATE handler_limit SET full_at = 0"),
  },
  { name: "what was spent of a budget is not read", sabotage: () => instead(SPENT_OF, () => []) },
  { name: "what was spent of a budget is not written", sabotage: () => instead(SPEND_BUDGET, () => DONE) },
  { name: "an estimate is not reserved", sabotage: () => instead(RESERVE, () => DONE) },
  {
    name: "a job that has ended keeps its estimate",
    rare: true,
    sabotage: () => instead(UNRESERVE, () => []),
  },
  {
    name: "nobody looks when a budget opens",
    rare: true,
    store: (store) => void (store.budgets.opening = async () => null),
  },
  { name: "a claim does not look at pauses", sabotage: () => instead(PAUSE_OF, () => null) },
  {
    name: "a paused job is resumed before its time",
    rare: true,
    sabotage: () => edited([RESUME, "WHEN run_at <= $now THEN 'queued'", "WHEN TRUE THEN 'queued'"]),
  },
  {
    name: "a checkpoint counts whatever its fence",
    rare: true,
    sabotage: () => edited([CHECKPOINT, "AND state = 'running'\n     AND fence = $fence", ""]),
  },
  { name: "a checkpoint is not written", sabotage: () => instead(CHECKPOINT, () => DONE) },
  {
    name: "what its children are to do is forgotten",
    rare: true,
    sabotage: () => edited([TIE, "child_policy = $childPolicy", "child_policy = NULL"]),
  },
  {
    name: "who waits for several goes with the first",
    sabotage: () => edited([RELEASE, "waits - 1", "0"]),
  },
  { name: "who waits does not fail with others", sabotage: () => instead(FAIL_WAITING, () => DONE) },
  { name: "children are not cancelled", rare: true, sabotage: () => instead(CHILDREN, () => []) },
  {
    name: "a parent is removed while its children are at work",
    rare: true,
    sabotage: () => edited([PRUNE, "child.finished_at IS NULL", "FALSE"]),
  },
  {
    name: "a key that is held for a while is not",
    sabotage: () => instead(KEPT_KEY, () => null),
  },
  {
    name: "a unique key is let go when its job is retried",
    rare: true,
    database: (db) => {
      db.run("DROP INDEX job_unique_key");
      db.run(
        "CREATE UNIQUE INDEX job_unique_key ON job (tenant, handler, unique_key) WHERE unique_key IS NOT NULL AND finished_at IS NULL AND state <> 'retrying' AND attempt = 0",
      );
    },
  },
  {
    name: "a snooze spends a try",
    sabotage: () => instead(GIVE_BACK, ({ values, make }) => make(snoozedTwice(values))),
  },
  {
    name: "snoozes are not counted",
    rare: true,
    sabotage: () => edited([GIVE_BACK, "snoozed        = $snoozed", "snoozed        = snoozed"]),
  },
  {
    name: "a wait is half as long as a plugin asked for",
    sabotage: () =>
      instead(GIVE_BACK, ({ values, make }) => make({ ...values, runAt: Number(values["runAt"]) - 1 })),
  },
  {
    name: "a job is retried twice by who retries many",
    rare: true,
    sabotage: () => instead(RETRIED, () => null),
  },
  {
    name: "a late answer counts for whoever runs",
    rare: true,
    finish: (finish, fence) => void (finish.fence = fence ?? finish.fence),
  },
];

function snoozedTwice(values: Call["values"]): Call["values"] {
  const attempt = Number(values["attempt"]);
  return values["state"] === "scheduled" ? { ...values, attempt: attempt + 1 } : values;
}

/** Something is forgotten when a host begins. */
function forgetful(sql: string): Sabotage {
  let isNew = true;
  return {
    call({ make }: Call, db: Database) {
      if (isNew && !db.inTransaction) {
        isNew = false;
        db.run(sql);
      }
      return make();
    },
  };
}
