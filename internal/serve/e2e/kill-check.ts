/**
 * Check: holds three accounts of the same hours against each other. What clients
 * were told, what plugins wrote down, and what a copy of the database says. The
 * occurrences that must be there come from arithmetic on each schedule's anchor,
 * not from the ledger.
 */
import { Database } from "bun:sqlite";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Line } from "./witnesses.ts";

export interface JobRow {
  id: string;
  state: string;
  handler: string;
  attempt: number;
  fence: number;
  lost: number;
  suspect: number;
  interrupted: number;
  error: string | null;
  schedule_id: string | null;
  occurrence: number | null;
  finished_at: number | null;
}

export interface LedgerRow {
  schedule_id: string;
  occurrence: number;
  last_occurrence: number;
  count: number;
  outcome: string;
  job_id: string | null;
}

/** What a database says. */
export interface Books {
  integrity: string;
  jobs: Map<string, JobRow>;
  ledger: LedgerRow[];
  /** States by name. */
  schedules: Map<string, string>;
  /** Ids of schedules by name. */
  ids: Map<string, string>;
}

/** A schedule of the load: every so long since its anchor. */
export interface Rhythm {
  id: string;
  anchor: number;
  everyMs: number;
  overlaps: boolean;
}

/** Copies a database whose host is dead, log and all, and reads the copy: the original is recovered by its host alone. */
export function readBooks(home: string): Books {
  const folder = mkdtempSync(join(tmpdir(), "qntx-books-"));
  try {
    for (const name of ["qntx.db", "qntx.db-wal"]) {
      if (existsSync(join(home, name))) cpSync(join(home, name), join(folder, name));
    }
    using db = new Database(join(folder, "qntx.db"), { strict: true });
    const check = db.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
    const jobs = db.query<JobRow, []>("SELECT * FROM job").all();
    const schedules = db
      .query<{ id: string; name: string; state: string }, []>("SELECT id, name, state FROM schedule")
      .all();
    return {
      integrity: check.map((row) => row.integrity_check).join("; "),
      jobs: new Map(jobs.map((job) => [job.id, job])),
      ledger: db.query<LedgerRow, []>("SELECT * FROM occurrence").all(),
      schedules: new Map(schedules.map(({ name, state }) => [name, state])),
      ids: new Map(schedules.map(({ id, name }) => [name, id])),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What is true whenever a host has died: what was acknowledged is there, and what had ended is as it was. */
export function brokenPromises(before: Books | null, now: Books, acknowledged: readonly string[]): string[] {
  const wrong = now.integrity === "ok" ? [] : [`integrity: ${now.integrity}`];
  wrong.push(...chargedJobs(now));
  for (const id of acknowledged) if (!now.jobs.has(id)) wrong.push(`job ${id} is not on disk`);
  for (const [id, old] of before?.jobs ?? []) {
    const job = now.jobs.get(id);
    if (old.finished_at === null) continue;
    const same = job?.state === old.state && job.finished_at === old.finished_at && job.fence === old.fence;
    if (!same) wrong.push(`job ${id} had ended as ${old.state} and is ${job?.state}`);
  }
  return wrong;
}

/** Jobs that were acknowledged and have neither run to an end nor failed with a reason. */
export function lostJobs({ jobs }: Books, acknowledged: readonly string[], lines: readonly Line[]): string[] {
  const ended = new Set(lines.flatMap(({ what, id, how }) => (what === "end" && how === "done" ? [id] : [])));
  return acknowledged.flatMap((id) => {
    const job = jobs.get(id);
    if (job?.state === "completed" && ended.has(id)) return [];
    if (job?.state === "failed" && job.error !== null) return [];
    return [`job ${id} is ${job?.state ?? "nowhere"}, and ran to its end: ${ended.has(id)}`];
  });
}

/** Jobs that paid for the deaths of their hosts: with a try, with a loss, or by having to run alone. */
export function chargedJobs({ jobs }: Books): string[] {
  return [...jobs.values()].flatMap(({ id, state, attempt, lost, suspect }) => {
    const paid = lost > 0 || suspect > 0 || attempt > (state === "queued" ? 0 : 1);
    return paid ? [`job ${id} is ${state} with attempt ${attempt}, lost ${lost}, suspect ${suspect}`] : [];
  });
}

/** Attempts that started after their job had ended. */
export function reopenedJobs({ jobs }: Books, lines: readonly Line[]): string[] {
  return lines.flatMap(({ what, id = "", at }) => {
    const finishedAt = jobs.get(id)?.finished_at ?? null;
    const late = what === "start" && finishedAt !== null && at > finishedAt;
    return late ? [`job ${id} ended at ${finishedAt} and started again at ${at}`] : [];
  });
}

/** Batches of which a part was written. */
export function tornBatches({ jobs }: Books, batches: readonly (readonly string[])[]): string[] {
  return batches.flatMap((ids) => {
    const there = ids.filter((id) => jobs.has(id)).length;
    return there === 0 || there === ids.length ? [] : [`of ${ids.join(" ")} there are ${there}`];
  });
}

/** How the occurrences up to a moment compare with arithmetic. */
export interface Occurrences {
  expected: number;
  /** In two ledger rows, with two job rows, or run under two job ids. */
  twice: string[];
  /** Not in the ledger, or recorded as fired without a job that ran. */
  missing: string[];
  /** In the ledger and not on the grid. */
  stray: string[];
}

/** Compares every occurrence until `until` of every schedule. */
export function compareOccurrences(
  books: Books,
  rhythms: readonly Rhythm[],
  { until, lines }: { until: number; lines: readonly Line[] },
): Occurrences {
  const found: Occurrences = { expected: 0, twice: [], missing: [], stray: [] };
  const ran = Map.groupBy(
    lines.filter(({ what, scheduleId }) => what === "end" && scheduleId),
    ({ scheduleId, occurrence = "" }) => `${scheduleId}@${Date.parse(occurrence)}`,
  );
  const jobs = Map.groupBy(books.jobs.values(), (job) => `${job.schedule_id}@${job.occurrence}`);
  const ledger = Map.groupBy(books.ledger, (row) => row.schedule_id);
  for (const rhythm of rhythms) {
    const rows = ledger.get(rhythm.id) ?? [];
    const recorded = Map.groupBy(
      rows.flatMap((row) => spread(row, rhythm.everyMs)),
      ({ at }) => at,
    );
    for (let at = rhythm.anchor + rhythm.everyMs; at <= until; at += rhythm.everyMs) {
      const key = `${rhythm.id}@${at}`;
      const record = recorded.get(at) ?? [];
      const ids = new Set(ran.get(key)?.map(({ id }) => id));
      recorded.delete(at);
      found.expected++;
      if (record.length > 1 || (jobs.get(key)?.length ?? 0) > 1 || ids.size > 1) found.twice.push(key);
      const jobId = record[0]?.row.job_id ?? null;
      const isFired = /^(fired|fired-late|caught-up)$/.test(record[0]?.row.outcome ?? "");
      const isKept = isFired ? jobId !== null && ids.has(jobId) : (jobs.get(key)?.length ?? 0) === 0;
      if (record.length === 0 || !isKept)
        found.missing.push(`${key} ${record[0]?.row.outcome ?? "not recorded"}`);
    }
    for (const at of recorded.keys()) if (at <= until) found.stray.push(`${rhythm.id}@${at}`);
  }
  return found;
}

/** Occurrences of a schedule without overlap that ran at the same time. */
export function overlappingRuns(rhythms: readonly Rhythm[], lines: readonly Line[]): string[] {
  const scheduled = Map.groupBy(lines, ({ scheduleId }) => scheduleId);
  return rhythms.flatMap(({ id, overlaps }) => {
    if (overlaps) return [];
    const own = scheduled.get(id) ?? [];
    const spans = own.flatMap((end) => {
      if (end.what !== "end") return [];
      const isStart = ({ what, id: job, pid, attempt }: Line) =>
        what === "start" && job === end.id && pid === end.pid && attempt === end.attempt;
      const start = own.findLast((line) => isStart(line) && line.at <= end.at);
      return start ? [{ occurrence: end.occurrence, from: start.at, until: end.at }] : [];
    });
    spans.sort((a, b) => a.from - b.from);
    return spans.flatMap((span, index) => {
      const next = spans[index + 1];
      const meets = next && next.occurrence !== span.occurrence && next.from < span.until;
      return meets ? [`${id}: ${span.occurrence} and ${next.occurrence}`] : [];
    });
  });
}

/** A row's occurrences one by one; a count that is not that of its range is a mistake and shows as a stray. */
function spread(row: LedgerRow, everyMs: number): { at: number; row: LedgerRow }[] {
  return Array.from({ length: row.count }, (_, index) => ({ at: row.occurrence + index * everyMs, row }));
}
