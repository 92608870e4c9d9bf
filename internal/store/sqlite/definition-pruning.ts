/**
 * Definition pruning: removes what schedules were before, when nobody asks for it any more:
 * definitions whose terms ended before the ledger begins, and of a schedule that is changed
 * all the time those beyond its newest ones. The definition in force always stays.
 *
 * The terms of what was removed become one, at the beginning, with a revision that is not
 * there: whoever reads the past sees that nobody knows what was planned then.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import { noCursor } from "./page.ts";

const NEWEST_MAX = 4_000; // Of one schedule. A change a minute for almost three days.
const NEWEST_BYTES_MAX = 4_194_304; // 4 MiB: a usual one has half a KiB, one with a thousand blackouts a hundred.
const ROWS_PER_STEP = 100; // Some milliseconds, also of large ones.
const TERMS_PER_STEP = 500; // More than as many definitions have.
const SCHEDULES_PER_STEP = 300; // Of those that were changed: most never are, and are not looked at.
const STEP_MS_MAX: Millis = 5; // On a slow disk fewer.

type Values = Record<string, string | number>;

/** Where a step goes on: in a schedule, from behind a revision. */
interface Position {
  id: string;
  after: number;
}

export class DefinitionPruning {
  readonly #env: Env;
  readonly #scheduleAfter: Statement<{ id: string | null }, [Values]>;
  readonly #boundary: Statement<{ boundary: number | null }, [Values]>;
  readonly #chunk: Statement<{ last: number | null }, [Values]>;
  readonly #remove: Statement<unknown, [Values]>;
  readonly #nodes: Statement<{ node: string }, [Values]>;
  readonly #forgotten: Statement<{ first: number; last: number | null }, [Values]>;
  readonly #join: Statement<unknown, [Values]>;
  readonly #mark: Statement<unknown, [Values]>;

  constructor(env: Env, db: Database) {
    this.#env = env;
    this.#scheduleAfter = db.prepare(SCHEDULE_AFTER);
    this.#boundary = db.prepare(BOUNDARY);
    this.#chunk = db.prepare(CHUNK);
    this.#remove = db.prepare(REMOVE);
    this.#nodes = db.prepare("SELECT node FROM schedule_cursor WHERE schedule_id = $id");
    this.#forgotten = db.prepare(FORGOTTEN);
    this.#join = db.prepare(JOIN);
    this.#mark = db.prepare(MARK);
  }

  /** One step, inside the caller's transaction. Before `before`, the ledger is not whole. */
  step({ before, cursor }: PruneRequest): Pruned {
    const until = this.#env.mono() + STEP_MS_MAX;
    let at = cursor === undefined ? this.#scheduleBehind("") : readPosition(cursor);
    let removed = 0;
    for (let seen = 0; at && seen < SCHEDULES_PER_STEP; seen++) {
      const chunk = this.#removeSome(at, before);
      removed += chunk.removed;
      at = chunk.next ?? this.#scheduleBehind(at.id);
      if (removed >= ROWS_PER_STEP || this.#env.mono() >= until) break;
    }
    return { removed, cursor: at && `${at.id}@${at.after}` };
  }

  /** Of one schedule; `next` is null when nothing more of it may go. */
  #removeSome({ id, after }: Position, before: Millis): { removed: number; next: Position | null } {
    const limits = { before, newest: NEWEST_MAX, looked: NEWEST_MAX + 1, bytes: NEWEST_BYTES_MAX };
    const boundary = this.#boundary.get({ id, ...limits })?.boundary ?? 0;
    const last = this.#chunk.get({ id, after, boundary, limit: ROWS_PER_STEP })?.last ?? null;
    if (last === null) return { removed: 0, next: null };
    const removed = this.#remove.run({ id, after, last }).changes;
    if (removed > 0)
      for (const { node } of this.#nodes.all({ id })) this.#joinTerms({ id, node, upTo: last });
    return { removed, next: { id, after: last } };
  }

  /** Makes one term of those whose definition is gone. The last one is in force, and never among them. */
  #joinTerms(cursor: { id: string; node: string; upTo: number }): void {
    const found = this.#forgotten.get({ ...cursor, limit: TERMS_PER_STEP });
    if (!found || found.last === null) return;
    const { id, node } = cursor;
    this.#join.run({ id, node, first: found.first, last: found.last });
    this.#mark.run({ id, node, since: found.first });
  }

  #scheduleBehind(id: string): Position | null {
    const next = this.#scheduleAfter.get({ id })?.id ?? null;
    return next === null ? null : { id: next, after: 0 };
  }
}

function readPosition(cursor: string): Position {
  const [, id, after] = /^(.*)@(\d{1,16})$/.exec(cursor) ?? [];
  if (id === undefined || after === undefined) throw noCursor(cursor);
  return { id, after: Number(after) };
}

const SCHEDULE_AFTER = `
  SELECT MIN(schedule_id) AS id
    FROM schedule_revision INDEXED BY schedule_revision_changed
   WHERE schedule_id > $id
     AND revision    > 1`;

/** Which revision each cursor follows now. */
const IN_FORCE = `
           SELECT (SELECT t.revision
                     FROM schedule_term t
                    WHERE t.schedule_id = c.schedule_id
                      AND t.node        = c.node
                    ORDER BY t.since DESC
                    LIMIT 1) AS revision
             FROM schedule_cursor c
            WHERE c.schedule_id = $id`;

// What is before it goes. By age: the first one that a cursor followed behind the term that was in force at `before`.
// By number: the newest one that does not fit any more, with those before it. A cursor's revisions only grow.
const BOUNDARY = `
  SELECT MAX(COALESCE((
           SELECT MIN((SELECT t.revision
                         FROM schedule_term t
                        WHERE t.schedule_id = c.schedule_id
                          AND t.node        = c.node
                          AND t.since >= COALESCE((
                                SELECT MAX(f.since)
                                  FROM schedule_term f
                                 WHERE f.schedule_id = c.schedule_id
                                   AND f.node        = c.node
                                   AND f.since < $before), t.since)
                          AND t.revision IS NOT NULL
                        ORDER BY t.since
                        LIMIT 1))
             FROM schedule_cursor c
            WHERE c.schedule_id = $id), s.revision),
         COALESCE((
           SELECT revision + 1
             FROM (SELECT revision,
                          ROW_NUMBER() OVER newest_first AS place,
                          SUM(bytes)   OVER newest_first AS total
                     FROM (SELECT revision, octet_length(spec) + octet_length(policy) AS bytes
                             FROM schedule_revision
                            WHERE schedule_id = $id
                            ORDER BY revision DESC
                            LIMIT $looked + 0)
                   WINDOW newest_first AS (ORDER BY revision DESC ROWS UNBOUNDED PRECEDING))
            WHERE place > $newest
               OR total > $bytes
            ORDER BY revision DESC
            LIMIT 1), 0)) AS boundary
    FROM schedule s
   WHERE s.id = $id`;

const CHUNK = `
  SELECT MAX(revision) AS last
    FROM (SELECT revision
            FROM schedule_revision
           WHERE schedule_id = $id
             AND revision > $after
             AND revision < $boundary
           ORDER BY revision
           LIMIT $limit + 0)`;

const REMOVE = `
  DELETE FROM schedule_revision
   WHERE schedule_id = $id
     AND revision > $after
     AND revision <= $last
     AND revision <> (SELECT revision FROM schedule WHERE id = $id)
     AND revision NOT IN (SELECT revision FROM (${IN_FORCE}) WHERE revision IS NOT NULL)`;

const FORGOTTEN = `
  SELECT MIN(since) AS first, MAX(since) FILTER (WHERE revision <= $upTo) AS last
    FROM (SELECT since, revision
            FROM schedule_term
           WHERE schedule_id = $id
             AND node        = $node
             AND since < (SELECT MAX(since) FROM schedule_term WHERE schedule_id = $id AND node = $node)
           ORDER BY since
           LIMIT $limit + 0)`;

const JOIN = `
  DELETE FROM schedule_term
   WHERE schedule_id = $id
     AND node        = $node
     AND since > $first
     AND since <= $last`;

const MARK = `
  UPDATE schedule_term
     SET revision = 0
   WHERE schedule_id = $id
     AND node        = $node
     AND since       = $since`;
