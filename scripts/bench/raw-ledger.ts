/** Raw ledger: bun:sqlite alone on our own tables: the writes of an occurrence, with nothing that decides on them. */
import { Database } from "bun:sqlite";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../steps.ts";

const SCHEMA = join(ROOT, "internal/store/sqlite/schema.sql");
const PER_COMMIT = 250; // As many as the ticker's step has.
const NOW = Date.now();

/** Tables with so many schedules, all of which are due. */
export class RawLedger implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  readonly #db = new Database(join(this.#folder, "raw.db"), { create: true, strict: true });
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL"]) this.#db.run(`PRAGMA ${pragma}`);
    for (const statement of statements()) this.#db.run(statement);
    const [schedule, cursor] = [this.#db.prepare(SCHEDULE), this.#db.prepare(CURSOR)];
    this.#inCommits((n) => {
      schedule.run({ id: idOf("SC", n), now: NOW, payload: new Uint8Array(10) });
      cursor.run({ id: idOf("SC", n), now: NOW });
    });
  }

  /** Milliseconds for a job, a row of the ledger, a move of the cursor and a count of each schedule. */
  fire(): number {
    const [job, occurrence] = [this.#db.prepare(JOB), this.#db.prepare(OCCURRENCE)];
    const [move, ran] = [this.#db.prepare(MOVE), this.#db.prepare(RAN)];
    return this.#inCommits((n) => {
      const [id, jobId] = [idOf("SC", n), idOf("JB", n)];
      job.run({ id, jobId, now: NOW, payload: new Uint8Array(10) });
      occurrence.run({ id, jobId, now: NOW });
      move.run({ id, now: NOW });
      ran.run({ id, jobId, now: NOW });
    });
  }

  #inCommits(write: (n: number) => void): number {
    const startedAt = performance.now();
    const commit = this.#db.transaction((from: number) => {
      for (let n = from; n < Math.min(from + PER_COMMIT, this.#count); n++) write(n);
    });
    for (let from = 0; from < this.#count; from += PER_COMMIT) commit(from);
    return performance.now() - startedAt;
  }

  [Symbol.dispose](): void {
    this.#db.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** What makes our tables, and then their indexes. */
function statements(): string[] {
  const all = readFileSync(SCHEMA, "utf8").split(/;\n\n/);
  return [/^CREATE TABLE/m, /^CREATE (?!TABLE)/m].flatMap((kind) => all.filter((text) => kind.test(text)));
}

function idOf(prefix: string, n: number): string {
  return `${prefix}_${n.toString().padStart(26, "0")}`;
}

const SCHEDULE = `
  INSERT INTO schedule (id, tenant, name, owner_kind, owner_name, declared_id, target_kind, target, spec, timezone,
                        anchor, policy, locking, state, description, metadata, revision, created_at, updated_at,
                        payload)
  VALUES ($id, '', $id, 'person', 'operator', '', 'handler', 'bench.due', '{"kind":"cron","cron":["0 * * * *"]}', 'UTC',
          $now, '{}', 'require-global', 'active', '', '{}', 1, $now, $now,
          $payload)`;

const CURSOR = `
  INSERT INTO schedule_cursor (schedule_id, node, accounted_until, next_occurrence, due_at)
  VALUES ($id, '', $now, $now + 1000, $now + 1000)`;

const JOB = `
  INSERT INTO job (id, tenant, handler, plugin, lane, trigger, source, owner, priority, state, run_at, schedule_id,
                   occurrence, expires_at, created_at, payload)
  VALUES ($jobId, '', 'bench.due', '', 'bench.due', 'schedule', 'schedule:' || $id, 'person:operator', 0, 'queued', $now,
          $id, $now, $now + 86400000, $now, $payload)`;

const OCCURRENCE = `
  INSERT INTO occurrence (schedule_id, occurrence, node, outcome, job_id, last_occurrence, count, decided_at, revision,
                          note)
  VALUES ($id, $now, '', 'fired', $jobId, $now, 1, $now, 1,
          '')`;

const MOVE = `
  UPDATE schedule_cursor
     SET accounted_until = $now + 1000, next_occurrence = $now + 3600000, due_at = $now + 3600000
   WHERE schedule_id = $id
     AND node        = ''`;

const RAN = `
  INSERT INTO schedule_run (schedule_id, run_count, last_run_at, last_job_id)
  VALUES ($id, 1, $now, $jobId)
  ON CONFLICT (schedule_id) DO UPDATE
     SET run_count   = run_count + 1,
         last_run_at = excluded.last_run_at,
         last_job_id = excluded.last_job_id`;
