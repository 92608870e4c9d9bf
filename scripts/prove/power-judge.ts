/**
 * Judge: what clients and a plugin were told until the power went, and whether what is
 * left on the disk says the same.
 */
import { Database } from "bun:sqlite";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogRow, Step } from "./power-life.ts";
import type { Event } from "./power-trace.ts";

/** What the host has said until the power goes, over all lives of a disk. */
export class Told {
  /** Every job that was named to anybody: to who asked for it, or to the plugin that runs it. */
  readonly jobs: Set<string>;
  readonly #answers: Map<string, number>;

  constructor(before?: Told) {
    this.jobs = new Set(before?.jobs);
    this.#answers = new Map(before ? before.#answers : []);
  }

  follow(event: Event): void {
    if (event.kind !== "say") return;
    const isClient = event.path.includes("host.sock");
    if (!isClient && event.path.startsWith("UNIX")) return; // The host's own log.
    const isAnswer = isClient && event.text.startsWith("HTTP/1.1 200");
    for (const name of new Set(event.text.match(NAME))) {
      if (JOB.test(name)) this.jobs.add(name);
      if (isAnswer) this.#answers.set(name, this.answers(name) + 1);
    }
  }

  /** True when a client had an answer. */
  get isHeard(): boolean {
    return this.#answers.size > 0;
  }

  /** How often a client was answered about something. */
  answers(subject: string): number {
    return this.#answers.get(subject) ?? 0;
  }
}

/** The names that clients and the host give: what lives call theirs, and jobs of schedules. */
const NAME = /\bp\d+(?:-[a-z0-9]+)+|\bJB_[0-9A-Z]{26}/g;
const JOB = /^(?:JB_.*|p\d+-(?:c\d+-\d+-\d+|g-\d+|r\d+-(?:later|run)))$/;

/** What is wrong, as sentences, and how old the oldest line of a job is that is gone. */
export interface Verdict {
  lost: string[];
  corrupt: string[];
  twice: string[];
  logsLostMs: number;
}

/** What must be there. */
export interface Expected {
  told: Told;
  steps: readonly Step[];
  batches: readonly (readonly string[])[];
  /** All lines that the host had in the end. */
  logs: readonly LogRow[];
  /** The operator's, as it was in the end. */
  token: string;
  /** When the power went. */
  at: number;
}

/** Looks at a copy of a data folder: the original is left to its host. */
export function judge(data: string, expected: Expected): Verdict {
  const folder = mkdtempSync(join(tmpdir(), "qntx-power-"));
  try {
    if (existsSync(data)) cpSync(data, folder, { recursive: true });
    const verdict: Verdict = { lost: [], corrupt: [], twice: [], logsLostMs: 0 };
    judgeToken(join(folder, "operator.token"), expected, verdict);
    opened(join(folder, "qntx.db"), verdict, (db) => judgeQueue(db, expected, verdict));
    opened(join(folder, "logs.db"), verdict, (db) => judgeLogs(db, expected, verdict));
    return verdict;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The token is whole or not there; who was answered may have read it already. */
function judgeToken(path: string, { token, told }: Expected, { lost, corrupt }: Verdict): void {
  const left = existsSync(path) ? readFileSync(path, "utf8") : null;
  if (left === null && told.isHeard) lost.push("the operator's token");
  if (left !== null && left !== token) corrupt.push(`the operator's token is ${JSON.stringify(left)}`);
}

/** Opens what may not be there, or not be a database any more. */
function opened(path: string, verdict: Verdict, look: (db: Database) => void): void {
  try {
    using db = new Database(path, { create: true, strict: true });
    db.run("PRAGMA synchronous = OFF"); // The copy is thrown away.
    const [wrong] = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
    if (wrong?.integrity_check !== "ok") verdict.corrupt.push(`${path}: ${wrong?.integrity_check}`);
    look(db);
  } catch (error) {
    verdict.corrupt.push(`${path}: ${String(error)}`);
  }
}

function judgeQueue(
  db: Database,
  { told, steps, batches }: Expected,
  { lost, corrupt, twice }: Verdict,
): void {
  const isMade = has(db, "SELECT 1 FROM sqlite_master WHERE name = 'schedule_term'");
  const all = (sql: string) =>
    isMade
      ? db
          .query<{ id: string }, []>(sql)
          .all()
          .map(({ id }) => id)
      : [];
  const jobs = new Set(all("SELECT id FROM job"));
  for (const id of told.jobs) if (!jobs.has(id)) lost.push(`job ${id}`);
  for (const [subject, own] of Map.groupBy(steps, (step) => step.subject)) {
    const answers = told.answers(subject);
    // The step after the last answer may be there or not.
    const isSo = own
      .slice(Math.max(0, answers - 1), answers + 1)
      .some(({ holds }) => isMade && has(db, holds));
    if (answers > 0 && !isSo) lost.push(`${own[answers - 1]?.operation} of ${subject}`);
  }
  for (const ids of batches) {
    const there = ids.filter((id) => jobs.has(id)).length;
    if (there > 0 && there < ids.length) corrupt.push(`of ${ids.join(" ")} there are ${there}`);
  }
  corrupt.push(...all(ORPHANS).map((id) => `the ledger has job ${id}, and nobody else has`));
  twice.push(...all(TWICE));
}

function has(db: Database, sql: string): boolean {
  return db.query<unknown, []>(sql).get() !== null;
}

/** Lines of a job follow each other without a gap, and what is gone is young. */
function judgeLogs(db: Database, { logs, at }: Expected, verdict: Verdict): void {
  const isMade = has(db, "SELECT 1 FROM sqlite_master WHERE name = 'job_log'");
  const rows = isMade ? db.query<{ id: string; count: number; last: number }, []>(LOGGED).all() : [];
  const kept = new Map(rows.map(({ id, last }) => [id, last]));
  for (const { id, count, last } of rows)
    if (count !== last) verdict.corrupt.push(`job ${id} has a gap in its log`);
  for (const row of logs) {
    const isGone = row.at <= at && row.seq > (kept.get(row.jobId) ?? 0);
    if (isGone) verdict.logsLostMs = Math.max(verdict.logsLostMs, at - row.at);
  }
}

const ORPHANS = `
  SELECT job_id AS id
    FROM occurrence
   WHERE job_id IS NOT NULL
     AND job_id NOT IN (SELECT id FROM job)`;

const TWICE = `
  SELECT schedule_id || '@' || occurrence AS id
    FROM job
   WHERE schedule_id IS NOT NULL
     AND occurrence  IS NOT NULL
   GROUP BY schedule_id, occurrence
  HAVING COUNT(*) > 1`;

const LOGGED = "SELECT job_id AS id, COUNT(*) AS count, MAX(seq) AS last FROM job_log GROUP BY job_id";
