/**
 * Explain: why an occurrence ran as it did, or did not, in one sentence that names
 * the run, the note, the policy or the limit that decided. The ledger says what
 * became of the occurrence; the job, if there is one, says what came after.
 */
import { z } from "zod";
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { withoutStop } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { isFinished, type Job } from "../job/job.ts";
import { mergedBlackouts } from "../schedule/blackout.ts";
import { nextWithin } from "../schedule/decide.ts";
import { planned } from "../schedule/planned.ts";
import { type Recurrence, recurrence } from "../schedule/recurrence.ts";
import type { Blackout, Occurrence, OccurrenceOutcome, Pause, Schedule } from "../schedule/schedule.ts";
import { knownAfter, listPlanned } from "../schedule/terms.ts";
import type { CursorHistory } from "../store/ledger.ts";
import { type Context, operation } from "./operation.ts";
import { resolveSchedule } from "./reference.ts";
import { viewOccurrence } from "./schedule-view.ts";
import { readWaits, type Waits } from "./waits.ts";

export const scheduleExplain = operation({
  name: "schedule.explain",
  summary: "Say why a schedule ran at an instant, or did not",
  plugin: "cap:scheduler.manage",
  input: z.strictObject({ id: z.string(), at: z.string().optional() }),
  async run(context, { id, at: text }) {
    const schedule = await resolveSchedule(context, id);
    const at = text === undefined ? await lastOne(context, schedule) : parseInstant(text, "at");
    if (at === null) return { ...NOTHING, id: schedule.id, sentence: nothingYet(schedule) };
    const row = await rowOf(context, schedule, at);
    const job = row?.jobId ? await context.store.jobs.get(row.jobId) : null;
    const ofPlan = row
      ? await ofRow(context, schedule, row, job)
      : ((await ofPast(context, schedule, at)) ?? withoutRow(context, schedule, at));
    const backfill = await context.store.backfills.run(schedule.id, at);
    const further = [
      backfill && ` A backfill runs it: ${jobSentence({ waits: await readWaits(context), job: backfill })}`,
      text === undefined && row && schedule.pause && ` It is paused now: ${pauseReason(schedule.pause)}.`,
    ];
    return {
      id: schedule.id,
      at: formatInstant(at),
      sentence: [ofPlan, ...further].filter((part) => part).join(""),
      occurrence: row && viewOccurrence(row),
      jobId: row?.jobId ?? null,
      jobState: job?.state ?? null,
      /** The run of a backfill for that instant, which is no part of the plan. */
      backfillJobId: backfill?.id ?? null,
    };
  },
});

const NOTHING = { at: null, occurrence: null, jobId: null, jobState: null, backfillJobId: null };

function nothingYet({ state, pause, nextRunAt }: Schedule): string {
  if (pause) return `Nothing is recorded of it yet. It is paused: ${pauseReason(pause)}.`;
  const next = nextRunAt === null ? `It is ${state}` : `It runs next at ${formatInstant(nextRunAt)}`;
  return `Nothing is recorded of it yet. ${next}.`;
}

/**
 * What somebody who gives no instant wonders about: the occurrence that was decided last, or
 * a later one whose time is over and which nobody decides now. Null when there was none yet.
 */
async function lastOne(context: Context, schedule: Schedule): Promise<Millis | null> {
  const decided = await lastDecided(context, schedule);
  const due = nominal(schedule).latest(decided ?? schedule.createdAt, context.env.now());
  return due !== null && standsStill(context, schedule, due) ? due : decided;
}

/** True when what is due is not about to be decided, so that the one that was decided last does not tell why. */
function standsStill({ host }: Context, schedule: Schedule, due: Millis): boolean {
  if (schedule.state === "paused") return true;
  if (schedule.state !== "active") return false;
  return host === null || host.clock.suspicion !== null || blackoutAt(schedule, due) !== null;
}

async function lastDecided({ store, env }: Context, schedule: Schedule): Promise<Millis | null> {
  let last: Millis | null = null;
  // One that fires once a month has its last row far back; the day before that is for what was not decided at once.
  const latest = planned(schedule).latest(schedule.createdAt, env.now()) ?? env.now();
  const from = Math.min(latest, env.now()) - LOOK_BACK_MS;
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await store.schedules.ledger(schedule.id, { from }, { limit: 1_000, cursor });
    last = page.items.at(-1)?.lastOccurrence ?? last;
    cursor = page.cursor;
  }
  return last;
}

const LOOK_BACK_MS: Millis = 86_400_000; // Who asks about an older one says which.

/** All that it means to run, what lies in blackouts too. */
function nominal(schedule: Schedule): Recurrence {
  return planned({ ...schedule, policy: { ...schedule.policy, blackouts: [] } });
}

function blackoutAt({ policy }: Schedule, at: Millis): Blackout | null {
  return mergedBlackouts(policy.blackouts).find(({ from, to }) => at >= from && at < to) ?? null;
}

/** The row that covers an instant: where ranges lie over one another, the narrowest. What lies between two occurrences of a range is none. */
async function rowOf({ store }: Context, { id }: Schedule, at: Millis): Promise<Occurrence | null> {
  const { items } = await store.schedules.ledger(id, { from: at, to: at + 1 }, { limit: 100 });
  const width = ({ occurrence, lastOccurrence }: Occurrence) => lastOccurrence - occurrence;
  const row = items.toSorted((a, b) => width(a) - width(b))[0] ?? null;
  if (row === null || row.count === 1) return row;
  const span = { from: at, to: at + 1 };
  const cursors = await store.ledger.history(id);
  return cursors.some(({ terms }) => listPlanned(terms, span).take(1).toArray().length > 0) ? row : null;
}

async function ofRow(
  context: Context,
  schedule: Schedule,
  row: Occurrence,
  job: Job | null,
): Promise<string> {
  const related = row.relatedJobId ? await context.store.jobs.get(row.relatedJobId) : null;
  const many =
    row.count > 1
      ? ` So it was with all ${row.count} occurrences from ${formatInstant(row.occurrence)} to ${formatInstant(row.lastOccurrence)}.`
      : "";
  const setBack =
    row.occurrence > context.env.now()
      ? " The clock was set back since: what was recorded then is not repeated."
      : "";
  const waits = await readWaits(context);
  return `${SENTENCES[row.outcome]({ context, waits, schedule, row, job, related })}${many}${setBack}`;
}

interface Facts {
  context: Context;
  waits: Waits;
  schedule: Schedule;
  row: Occurrence;
  job: Job | null;
  related: Job | null;
}

const SENTENCES: Record<OccurrenceOutcome, (facts: Facts) => string> = {
  fired: (facts) => `It fired on time; ${jobSentence(facts)}`,
  "fired-late": (facts) =>
    `It fired ${lateness(facts)} late, because nobody was there to start it sooner; ${jobSentence(facts)}`,
  "caught-up": (facts) =>
    `It was missed and made up for ${lateness(facts)} later (missed: ${facts.schedule.policy.missed}); ${jobSentence(facts)}`,
  coalesced: ({ row, schedule }) =>
    `It was missed; one run stands for all that were missed (missed: ${schedule.policy.missed}): job ${row.relatedJobId}.`,
  "skipped-missed": ({ schedule: { policy } }) =>
    `It was missed, because no host was there, and not made up for (missed: ${policy.missed}, looking back ${formatDuration(policy.missedWindowMs)}).`,
  "skipped-overlap": ({ waits, row, schedule, related }) =>
    `It did not run, because the run before it had not ended (overlap: ${schedule.policy.overlap}): job ${row.relatedJobId ?? "unknown"}${related ? `, which is ${stateNow(waits, related)}` : ""}.`,
  paused: ({ row }) => `The schedule was paused: ${row.note}.`,
  blackout: ({ row }) => `It lay in a blackout${row.note === "" ? "" : `: ${row.note}`}.`,
  quota: ({ row }) => `A quota was used up${row.note === "" ? "" : `: ${row.note}`}.`,
  expired: ({ schedule: { policy } }) =>
    `It could not start within ${formatDuration(policy.latenessMaxMs)} of its time, and nothing starts later than that.`,
  "other-node": ({ row }) => `It is another node's: ${row.note || "it has its lock"}.`,
  deleted: () => "The schedule was changed or deleted before it could start.",
  pending: ({ context, row, schedule }) =>
    row.lockKey !== null
      ? lockSentence(context, row)
      : `It waits for the run before it to end (overlap: ${schedule.policy.overlap}): job ${row.relatedJobId ?? "unknown"}.`,
};

/** Whose answer it waits for, and what they say instead. */
function lockSentence({ host }: Context, { note }: Occurrence): string {
  if (note !== "") return `It waits for the lock: ${note}.`;
  if (host === null) return "It waits for the lock, and no host is running that could ask for it.";
  const { name, trouble } = host.locks;
  return `It waits for the lock: ${name} ${trouble === null ? "has not answered yet" : `says: ${trouble}`}.`;
}

/** In which state a job is, and why it is no further. */
function stateNow(waits: Waits, job: Job): string {
  const { state, error } = job;
  if (state === "queued") return `queued now: ${waits.job(job)}`;
  return state === "retrying" && error ? `retrying now: ${withoutStop(error.message)}` : `${state} now`;
}

function lateness({ row }: Facts): string {
  return formatDuration(row.decidedAt - row.occurrence);
}

/** What became of the job. */
function jobSentence({ waits, job, row }: Pick<Facts, "waits" | "job"> & { row?: Occurrence }): string {
  if (!job) return `its job ${row?.jobId} is no longer kept (retention.completed, retention.failed).`;
  const took =
    job.startedAt !== null && job.finishedAt !== null
      ? ` after ${formatDuration(job.finishedAt - job.startedAt)}`
      : "";
  if (job.state === "completed") return `job ${job.id} completed${took}.`;
  if (isFinished(job.state))
    return `job ${job.id} ${job.state}${took}: ${withoutStop(job.error?.message ?? "it gave no reason")}.`;
  if (job.state === "running") return `job ${job.id} is running.`;
  if (job.state === "paused")
    return job.pause ? `job ${job.id} is paused ${waits.job(job)}.` : `job ${job.id} waits for its turn.`;
  if (job.state === "retrying")
    return `job ${job.id} failed (${withoutStop(job.error?.message ?? "it gave no reason")}) and is tried again at ${formatInstant(job.runAt)}.`;
  return `job ${job.id} is ${job.state}: ${waits.job(job) ?? `due at ${formatInstant(job.runAt)}`}.`;
}

/** What was planned for an instant that is behind all cursors, by the definition of then; null when it is not, or the schedule is over. */
async function ofPast(
  { store }: Context,
  { id, state, createdAt }: Schedule,
  at: Millis,
): Promise<string | null> {
  const cursors = await store.ledger.history(id);
  const behind = Math.max(...cursors.map(({ accountedUntil }) => accountedUntil ?? Number.NEGATIVE_INFINITY));
  if (at > behind || at <= createdAt) return null;
  const horizon = await store.ledger.horizon();
  if (isForgotten(cursors, at)) return forgottenSentence(horizon !== null && at <= horizon ? horizon : null);
  const span = { from: at, to: behind + 1 };
  const firsts = cursors.flatMap(({ terms }) => listPlanned(terms, span).take(1).toArray());
  const next = firsts.length === 0 ? null : Math.min(...firsts);
  if (next !== at) return state === "active" || state === "paused" ? noOccurrence("was", next) : null;
  return horizon !== null && at <= horizon
    ? `It was planned; what became of it was removed, as is everything from before ${formatInstant(horizon)}.`
    : `It was planned, and the ledger does not say what became of it: qntx schedule verify ${id}`;
}

function isForgotten(cursors: readonly CursorHistory[], at: Millis): boolean {
  return cursors.some(({ terms }) => at <= (knownAfter(terms) ?? Number.NEGATIVE_INFINITY));
}

function forgottenSentence(horizon: Millis | null): string {
  return horizon === null
    ? "What was planned then is no longer known: the schedule has been changed very often since."
    : `What was planned then was removed, as is everything from before ${formatInstant(horizon)}.`;
}

function noOccurrence(is: "is" | "was", next: Millis | null): string {
  const nothing = is === "is" ? "nothing follows" : "nothing followed";
  const after = next === null ? nothing : `the next one after it ${is} at ${formatInstant(next)}`;
  return `That instant ${is} no occurrence of the schedule; ${after}.`;
}

/** Nothing is recorded for that instant: it is still to come, was never planned, or lies outside of the schedule's life. */
function withoutRow({ env, host }: Context, schedule: Schedule, at: Millis): string {
  const { state, createdAt, pause, policy } = schedule;
  if (at <= createdAt)
    return `The schedule was made at ${formatInstant(createdAt)}; before that it planned nothing.`;
  if (state === "paused")
    return `The schedule is paused: ${pause ? pauseReason(pause) : "nobody says why"}. What lies in the pause is recorded when it ends.`;
  if (state === "deleted" || state === "finished")
    return `The schedule is ${state}; there is no occurrence at that instant.`;
  const blackout = blackoutAt(schedule, at);
  if (blackout && nominal(schedule).next(at - 1) === at) return blackoutSentence(blackout);
  const plan = recurrence({ ...schedule, dstGap: policy.dstGap, dstFold: policy.dstFold });
  const next = nextWithin(plan, policy, at - 1);
  if (next !== at) {
    return noOccurrence("is", next);
  }
  if (at > env.now()) return "It is still to come.";
  if (!host)
    return "It is due, and no host is running; when one starts, it is accounted for by the missed-run policy.";
  const { suspicion } = host.clock;
  return suspicion
    ? `It is due, but the clock is not believed: ${suspicion.reason}.`
    : "It is due now, and about to be accounted for.";
}

function blackoutSentence({ note, to }: Blackout): string {
  const which = note === "" ? "" : `: ${note}`;
  return `It lies in a blackout${which}. That ends at ${formatInstant(to)}, and is recorded then.`;
}

function pauseReason({ note, by }: Pause): string {
  return withoutStop(note) || `by ${by}`;
}
