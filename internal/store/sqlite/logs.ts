/**
 * Job logs: a database of their own, so that chatty jobs do not compete with the
 * queue's writer. Lines are buffered and on disk within a second: neither the end of
 * the process nor of the power takes more, and never a job.
 *
 * Nor may a disk that is full: lines that cannot be written are held up to a limit,
 * what is said beyond it is a marked gap, and nothing here throws at who talks.
 */
import { Database, type Statement } from "bun:sqlite";
import type { Cancel, Env, Millis } from "../../base/env.ts";
import { Fault, messageOf } from "../../base/fault.ts";
import type { Log } from "../../base/log.ts";
import type { LogLine, LogStore, NewLogLine } from "../logs.ts";

type Values = Record<string, string | number>;

const FLUSH_AFTER_MS = 500; // Half of the second that is promised.
const FLUSH_LINES_MAX = 2_000; // Or sooner: more at once would hold up the event loop.
const TROUBLE_PAUSE_MS = 5_000; // After a flush that failed: a full disk is not helped by trying faster.
const HELD_LINES_MAX = 50_000; // While they cannot be written; some 10 MB of usual lines.
export const JOB_LOG_BYTES_MAX = 8_388_608; // Per job: 100,000 short lines; what comes after is one marker.
const LINE_BYTES = 64; // Of a row beside its text, so that empty lines have an end too.
const READ_LINES_MAX = 10_000;
const REMOVE_LINES = 500; // At once: less than a millisecond.

/** What a job has said so far: the number of its next line, and how many bytes are kept. */
interface Tally {
  next: number;
  bytes: number;
  full: boolean;
  /** It has said what could not be held. */
  gap: boolean;
}

export interface SqliteLogsOptions {
  path: string;
  log: Log;
}

const TALLIES_MAX = 10_000; // Jobs that talked lately; others are counted again from the table.

export class SqliteLogs implements LogStore {
  readonly #env: Env;
  readonly #log: Log;
  readonly #db: Database;
  readonly #tallies = new Map<string, Tally>();
  readonly #insert: Statement<unknown, [Values]>;
  readonly #read: Statement<LogLine, [Values]>;
  readonly #remove: Statement<unknown, [Values]>;
  readonly #tally: Statement<{ next: number; bytes: number; full: number }, [Values]>;
  #buffer: { jobId: string; line: LogLine }[] = [];
  #timer: Cancel | null = null;
  /** True while what is held could not be written. */
  #trouble = false;

  /** Opens the file. Throws a Fault when that is not possible. */
  constructor(env: Env, { path, log }: SqliteLogsOptions) {
    this.#env = env;
    this.#log = log;
    this.#db = openLogs(path);
    this.#insert = this.#db.prepare(INSERT);
    this.#read = this.#db.prepare(READ);
    this.#remove = this.#db.prepare(REMOVE);
    this.#tally = this.#db.prepare(TALLY);
  }

  append(jobId: string, lines: readonly NewLogLine[], bytesMax: number = JOB_LOG_BYTES_MAX): void {
    const tally = this.#tallyOf(jobId);
    if (!tally) return;
    for (const line of lines) {
      if (tally.full) break;
      if (this.#buffer.length < HELD_LINES_MAX) this.#take(jobId, tally, line, bytesMax);
      else this.#markGap(jobId, tally, line);
    }
    if (this.#buffer.length >= FLUSH_LINES_MAX && !this.#trouble) this.#flushNow();
    else if (this.#buffer.length > 0) this.#timer ??= this.#env.after(FLUSH_AFTER_MS, () => this.#flushNow());
  }

  async read(
    jobId: string,
    { after = 0, limit = 1_000 }: { after?: number; limit?: number },
  ): Promise<LogLine[]> {
    const rows = this.#read.all({ jobId, after, limit: Math.min(limit, READ_LINES_MAX) });
    // What was said is shown, whether it is on disk yet or not.
    const held = this.#buffer.flatMap((kept) =>
      kept.jobId === jobId && kept.line.seq > after ? [kept.line] : [],
    );
    return held.length === 0 ? rows : [...rows, ...held].slice(0, Math.min(limit, READ_LINES_MAX));
  }

  /** Removes what jobs said that have ended, the first ones first. Gives of how many nothing is left after so long. */
  remove(jobIds: readonly string[], forMs: Millis): number {
    this.#flushNow(); // What they said last may wait yet.
    const until = this.#env.mono() + forMs;
    let removed = 0;
    this.#db.transaction(() => {
      for (const jobId of jobIds) {
        let lines = REMOVE_LINES;
        while (lines === REMOVE_LINES && this.#env.mono() < until)
          lines = this.#remove.run({ jobId, rows: REMOVE_LINES }).changes;
        if (lines === REMOVE_LINES) return;
        this.#tallies.delete(jobId);
        removed++;
      }
    })();
    return removed;
  }

  async flush(): Promise<void> {
    this.#flushNow();
  }

  close(): void {
    this.#flushNow();
    this.#timer?.();
    if (this.#buffer.length > 0)
      this.#log.error("lines of jobs could not be written and are lost", { lines: this.#buffer.length });
    this.#db.close();
  }

  #take(jobId: string, tally: Tally, line: NewLogLine, bytesMax: number): void {
    tally.bytes += line.message.length + line.fields.length + LINE_BYTES;
    tally.full = tally.bytes > bytesMax;
    tally.gap = false;
    const kept = tally.full ? { ...line, level: "warn", fields: "", message: fullMarker(bytesMax) } : line;
    this.#buffer.push({ jobId, line: { ...kept, seq: tally.next++ } });
  }

  /** Says once that something is missing here. */
  #markGap(jobId: string, tally: Tally, line: NewLogLine): void {
    if (tally.gap) return;
    tally.gap = true;
    const marker = { ...line, level: "warn", fields: "", message: GAP_MARKER, seq: tally.next++ };
    this.#buffer.push({ jobId, line: marker });
  }

  /** Writes what waits. What cannot be written is held and tried again. */
  #flushNow(): void {
    this.#timer?.();
    this.#timer = null;
    if (this.#buffer.length === 0) return;
    try {
      this.#db.transaction(() => {
        for (const { jobId, line } of this.#buffer) this.#insert.run({ jobId, ...line });
      })();
      this.#buffer = [];
      if (this.#trouble) this.#log.info("what jobs say is written again");
      this.#trouble = false;
    } catch (error) {
      this.#fail("what jobs say cannot be written; it is held for a while", error);
    }
  }

  /** Null when the file cannot even be read. */
  #tallyOf(jobId: string): Tally | null {
    const known = this.#tallies.get(jobId);
    if (known) return known;
    if (this.#tallies.size >= TALLIES_MAX) {
      this.#flushNow();
      if (!this.#trouble) this.#tallies.clear(); // Lines that are held are in no table to be counted in.
    }
    try {
      const row = this.#tally.get({ jobId, lineBytes: LINE_BYTES, full: FULL });
      const tally = { next: row?.next ?? 1, bytes: row?.bytes ?? 0, full: row?.full === 1, gap: false };
      this.#tallies.set(jobId, tally);
      return tally;
    } catch (error) {
      this.#fail("what jobs said cannot be read; what they say now is not kept", error);
      return null;
    }
  }

  /** Says it once, until it is over. */
  #fail(sentence: string, error: unknown): void {
    if (!this.#trouble) this.#log.error(sentence, { error: messageOf(error) });
    this.#trouble = true;
    this.#timer ??= this.#env.after(TROUBLE_PAUSE_MS, () => this.#flushNow());
  }
}

function openLogs(path: string): Database {
  try {
    const db = new Database(path, { create: true, strict: true });
    db.run("PRAGMA busy_timeout = 5000"); // First, as in open.ts.
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL"); // Two times a second: NORMAL promises the power nothing.
    db.run(SCHEMA);
    return db;
  } catch (error) {
    throw new Fault("failed", `The database ${path} cannot be opened: ${messageOf(error)}.`, {
      hint: "It holds only what jobs said: if it is damaged, move it away, and a new one is made.",
      cause: error,
    });
  }
}

const FULL = "The log of this job is full";
const fullMarker = (bytes: number) => `${FULL} (${bytes} bytes); what it said after this line was not kept.`;
const GAP_MARKER =
  "Something is missing here: the log could not be written, and more was said than could be held.";

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
   LIMIT $limit + 0`;

const REMOVE = `
  DELETE FROM job_log
   WHERE job_id = $jobId
     AND seq IN (
           SELECT seq
             FROM job_log
            WHERE job_id = $jobId
            LIMIT $rows + 0)`;

const TALLY = `
  SELECT COALESCE(MAX(seq), 0) + 1 AS next,
         COALESCE(SUM(length(message) + length(fields) + $lineBytes), 0) AS bytes,
         COALESCE(MAX(substr(message, 1, length($full)) = $full), 0) AS full
    FROM job_log
   WHERE job_id = $jobId`;
