/**
 * Job logs: a database of their own, so that chatty jobs do not compete with the
 * queue's writer. Lines are buffered and durable within a second; a power cut may
 * take the last second of talk, never a job.
 */
import { Database, type Statement } from "bun:sqlite";
import type { Cancel, Env } from "../../base/env.ts";
import type { LogLine, LogStore, NewLogLine } from "../store.ts";

type Values = Record<string, string | number>;

const FLUSH_AFTER_MS = 500; // Half of the second that is promised.
const FLUSH_LINES_MAX = 5_000; // Or sooner, before the buffer grows.
export const JOB_LOG_BYTES_MAX = 1_048_576; // Per job; what comes after is one marker.
const READ_LINES_MAX = 10_000;

/** What a job has said so far: the number of its next line, and how many bytes are kept. */
interface Tally {
  next: number;
  bytes: number;
  full: boolean;
}

const TALLIES_MAX = 10_000; // Jobs that talked lately; others are counted again from the table.

export class SqliteLogs implements LogStore {
  readonly #env: Env;
  readonly #db: Database;
  readonly #tallies = new Map<string, Tally>();
  readonly #insert: Statement<unknown, [Values]>;
  readonly #read: Statement<LogLine, [Values]>;
  readonly #tally: Statement<{ next: number; bytes: number }, [Values]>;
  #buffer: { jobId: string; line: LogLine }[] = [];
  #timer: Cancel | null = null;

  constructor(env: Env, path: string) {
    this.#env = env;
    this.#db = new Database(path, { create: true, strict: true });
    this.#db.run("PRAGMA journal_mode = WAL");
    this.#db.run("PRAGMA synchronous = NORMAL");
    this.#db.run("PRAGMA busy_timeout = 5000");
    this.#db.run(SCHEMA);
    this.#insert = this.#db.prepare(INSERT);
    this.#read = this.#db.prepare(READ);
    this.#tally = this.#db.prepare(TALLY);
  }

  append(jobId: string, lines: readonly NewLogLine[]): void {
    const tally = this.#tallyOf(jobId);
    for (const line of lines) {
      if (tally.full) break;
      tally.bytes += line.message.length + line.fields.length;
      tally.full = tally.bytes > JOB_LOG_BYTES_MAX;
      const kept = tally.full ? { ...line, level: "warn", fields: "", message: FULL_MARKER } : line;
      this.#buffer.push({ jobId, line: { ...kept, seq: tally.next++ } });
    }
    if (this.#buffer.length >= FLUSH_LINES_MAX) this.#flushNow();
    else if (this.#buffer.length > 0) this.#timer ??= this.#env.after(FLUSH_AFTER_MS, () => this.#flushNow());
  }

  async read(
    jobId: string,
    { after = 0, limit = 1_000 }: { after?: number; limit?: number },
  ): Promise<LogLine[]> {
    this.#flushNow(); // What was said is shown, whether it is on disk yet or not.
    return this.#read.all({ jobId, after, limit: Math.min(limit, READ_LINES_MAX) });
  }

  async flush(): Promise<void> {
    this.#flushNow();
  }

  close(): void {
    this.#flushNow();
    this.#db.close();
  }

  #flushNow(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#buffer.length === 0) return;
    const lines = this.#buffer;
    this.#buffer = [];
    this.#db.transaction(() => {
      for (const { jobId, line } of lines) this.#insert.run({ jobId, ...line });
    })();
  }

  #tallyOf(jobId: string): Tally {
    const known = this.#tallies.get(jobId);
    if (known) return known;
    if (this.#tallies.size >= TALLIES_MAX) {
      this.#flushNow();
      this.#tallies.clear();
    }
    const row = this.#tally.get({ jobId });
    const bytes = row?.bytes ?? 0;
    const tally = { next: row?.next ?? 1, bytes, full: bytes > JOB_LOG_BYTES_MAX };
    this.#tallies.set(jobId, tally);
    return tally;
  }
}

const FULL_MARKER = `The log of this job is full (${JOB_LOG_BYTES_MAX} bytes); what it said after this line was not kept.`;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS job_log (
    job_id  TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    message TEXT    NOT NULL,
    stage   TEXT    NOT NULL,
    fields  TEXT    NOT NULL,
    PRIMARY KEY (job_id, seq)
  ) STRICT, WITHOUT ROWID`;

const INSERT = `
  INSERT INTO job_log (job_id, seq, at, attempt, level, message, stage, fields)
  VALUES ($jobId, $seq, $at, $attempt, $level, $message, $stage, $fields)
  ON CONFLICT DO NOTHING`;

const READ = `
  SELECT seq, at, attempt, level, message, stage, fields
    FROM job_log
   WHERE job_id = $jobId
     AND seq    > $after
   ORDER BY seq
   LIMIT $limit`;

const TALLY = `
  SELECT COALESCE(MAX(seq), 0) + 1 AS next,
         COALESCE(SUM(length(message) + length(fields)), 0) AS bytes
    FROM job_log
   WHERE job_id = $jobId`;
