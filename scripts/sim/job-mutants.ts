/** Mutants of the queue: how jobs are claimed, settled, cancelled and taken over. */
import type { Database } from "bun:sqlite";
import { heldJob, type NextRow } from "../../internal/store/sqlite/job-row.ts";
import type { SqliteStore } from "../../internal/store/sqlite/store.ts";
import type { Claimer } from "../../internal/store/jobs.ts";
import type { Call } from "./database.ts";
import { DONE, edited, instead, type Mutant } from "./mutant.ts";

/** Words by which a statement of the core is known. */
const FINISH = "SET state          = $state,\n         finished_at";
const GIVE_BACK = "SET state          = $state,\n         run_at";
const PROGRESS = "SET progress = $progress\n";
const COMPLETE = "AND fence = held";
const COMPLETE_STRETCH = "AND started_at = ?7";
const NEXT = "AND crowded = 0\n   ORDER BY priority, seq";
const CLAIM = "COALESCE(max_attempts, ?1)";
const PROMOTE = "SET state = 'queued'\n";
const RECOVER = "interrupted = interrupted + 1";
const CANCEL_WAITING = "AND state IN ('scheduled', 'queued', 'retrying', 'paused')";

export const JOB_MUTANTS: readonly Mutant[] = [
  {
    name: "a result counts whatever its fence",
    sabotage: () =>
      edited(
        [FINISH, "AND fence = $fence", ""],
        [COMPLETE, "AND fence = held", ""],
        [COMPLETE_STRETCH, "AND fence      = ?6\n     AND started_at = ?7", ""],
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
    rare: true,
    sabotage: () => edited([GIVE_BACK, "attempt        = $attempt", "attempt        = attempt"]),
  },
  {
    name: "a cancelled job goes back in line",
    rare: true,
    sabotage: () => edited([GIVE_BACK, "AND cancel_requested = 0", ""]),
  },
  {
    name: "a cancel does not reach what runs",
    rare: true,
    pulse: (pulse) => void (pulse.cancel = () => false),
  },
  {
    name: "a cancel ends what has ended",
    sabotage: () => edited([CANCEL_WAITING, "'paused')", "'paused', 'completed', 'failed')"]),
  },
  {
    name: "a claim takes what is not queued",
    sabotage: () =>
      edited(
        [NEXT, "WHERE state   = 'queued'", "WHERE finished_at IS NULL"],
        [CLAIM, "AND state = 'queued'", ""],
        [CLAIM, "AND state    = 'queued'", ""],
      ),
  },
  {
    name: "a claim takes one more than there is room for",
    sabotage: () => edited([NEXT, "LIMIT $limit + 0", "LIMIT $limit + 1"]),
  },
  {
    name: "claims do not look at priorities",
    sabotage: () => edited([NEXT, "ORDER BY priority, seq", "ORDER BY seq"]),
  },
  {
    name: "fences return",
    sabotage: () =>
      edited(
        [CLAIM, "fence            = fence + 1", "fence = attempt + 1"],
        [NEXT, ", fence, ", ", attempt AS fence, "],
      ),
  },
  {
    name: "promote forgets what is late",
    sabotage: () => edited([PROMOTE, "run_at <= $now", "run_at BETWEEN $now - 1000 AND $now"]),
  },
  {
    name: "suspects are not remembered",
    rare: true,
    sabotage: () => edited([GIVE_BACK, "suspect        = $suspect", "suspect        = 0"]),
  },
  {
    name: "a settlement that could not be written is forgotten",
    rare: true,
    store: ({ jobs }) => {
      const settle = jobs.settle.bind(jobs);
      jobs.settle = (settlements) => settle(settlements).catch(() => settlements.map(() => false));
    },
  },
  {
    name: "jobs are taken over by what was read before",
    rare: true,
    sabotage: () => ({ mark: RECOVER, call: recoverTwice() }),
  },
  {
    name: "a job is settled twice",
    sabotage: () => ({
      ...edited(
        [FINISH, "AND state = 'running'", ""],
        [COMPLETE, "AND state = 'running'", ""],
        [COMPLETE_STRETCH, "AND state      = 'running'", ""],
        [GIVE_BACK, "AND state = 'running'", ""],
      ),
      call: settleTwice,
    }),
  },
  {
    name: "unique keys are not unique",
    rare: true,
    database: (db) => void db.run("DROP INDEX job_unique_key"),
  },
  {
    name: "who serves is not told which lanes have new jobs",
    store: served((claimer) => ({ wishes: () => claimer.wishes([]) })),
  },
  {
    name: "of what was claimed the last one is forgotten",
    store: served((claimer) => ({ claimed: (jobs, wishes) => claimer.claimed(jobs.slice(0, -1), wishes) })),
  },
  { name: "what is claimed begins before the commit", ...beginsAtOnce() },
];

/** What was held by dead hosts when one looked is taken by it at its next look, whatever happened in between. */
function recoverTwice(): (call: Call, db: Database) => unknown {
  let found: { id: string }[] = [];
  return ({ sql, values, make }, db) => {
    if (!sql.includes(RECOVER)) return make();
    const before = found;
    found = db
      .query<{ id: string }, string>("SELECT id FROM job WHERE boot_id IS NOT NULL AND boot_id <> ?")
      .all(String(values["bootId"]));
    for (const { id } of before)
      db.run(
        "UPDATE job SET state = 'queued', boot_id = NULL, finished_at = NULL, attempt = MAX(0, attempt - 1) WHERE id = ?",
        [id],
      );
    return make();
  };
}

/** Who settles is not sure that it has, and does it again. */
function settleTwice({ sql, make }: Call): unknown {
  const answer = make();
  if ([FINISH, COMPLETE, COMPLETE_STRETCH].some((mark) => sql.includes(mark))) make();
  return answer;
}

/** The real commit comes with the next group; what was answered meanwhile is only believed. */
function commitLater({ sql, make }: Call, db: Database): unknown {
  if (sql === "COMMIT") return DONE;
  if (sql === "BEGIN IMMEDIATE" && db.inTransaction) db.run("COMMIT");
  return make();
}

/** Changes how whoever serves is asked and answered. */
function served(change: (claimer: Claimer) => Partial<Claimer>): (store: SqliteStore) => void {
  return ({ jobs }) => {
    const serve = jobs.serve.bind(jobs);
    jobs.serve = (claimer) => {
      if (!claimer) return serve(null);
      const { bootId } = claimer;
      serve({
        bootId,
        wishes: (lanes) => claimer.wishes(lanes),
        claimed: (claimed, wishes) => claimer.claimed(claimed, wishes),
        ...change(claimer),
      });
    };
  };
}

/** Jobs begin where their rows are written; whether that is kept is not waited for. */
function beginsAtOnce(): Pick<Mutant, "sabotage" | "store"> {
  let begin: ((rows: NextRow[]) => void) | null = null;
  return {
    sabotage: () =>
      instead(NEXT, ({ make }) => {
        const rows = make() as NextRow[];
        begin?.(rows);
        return rows;
      }),
    store: served((claimer) => {
      const by = { bootId: claimer.bootId, maxAttempts: 3, now: 0 };
      begin = (rows) =>
        claimer.claimed(
          rows.map((row) => heldJob(row, by)),
          [],
        );
      return { claimed: (_, wishes) => claimer.claimed([], wishes) };
    }),
  };
}
