/**
 * Explain: why an occurrence ran as it did, or did not, in one sentence that names
 * the run, the note, the policy or the limit that decided. The ledger says what
 * became of the occurrence; the job, if there is one, says what came after.
 */
import { z } from "zod";
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { isFinished, type Job } from "../job/job.ts";
import { laneOf } from "../pulse/registry.ts";
import { nextWithin } from "../schedule/decide.ts";
import { planned } from "../schedule/planned.ts";
import { recurrence } from "../schedule/recurrence.ts";
import type { Occurrence, OccurrenceOutcome, Schedule } from "../schedule/schedule.ts";
import { listPlanned } from "../schedule/terms.ts";
import { laneWaits } from "./job-view.ts";
import { type Context, operation } from "./operation.ts";
import { resolveSchedule } from "./reference.ts";
import { viewOccurrence } from "./schedule-view.ts";

export const scheduleExplain = operation({
  name: "schedule.explain",
  summary: "Say why a schedule ran at an instant, or did not",
  plugin: "cap:scheduler.manage",
  input: z.strictObject({ id: z.string(), at: z.string().optional() }),
  async run(context, { id, at: text }) {
    const schedule = await resolveSchedule(context, id);
    const at = text === undefined ? await lastDecided(context, schedule) : parseInstant(text, "at");
    const row = await rowOf(context, schedule, at);
    const job = row?.jobId ? await context.store.jobs.get(row.jobId) : null;
    if (!row && text === undefined && at === schedule.createdAt)
      return { ...NOTHING, id: schedule.id, at: formatInstant(at), sentence: nothingYet(schedule) };
    const ofPlan = row
      ? await ofRow(context, schedule, row, job)
      : ((await ofPast(context, schedule, at)) ?? withoutRow(context, schedule, at));
    const backfill = await context.store.backfills.run(schedule.id, at);
    const sentence = backfill
      ? `${ofPlan} A backfill runs it: ${jobSentence({ context, job: backfill })}`
      : ofPlan;
    return {
      id: schedule.id,
      at: formatInstant(at),
      sentence,
      occurrence: row && viewOccurrence(row),
      jobId: row?.jobId ?? null,
      jobState: job?.state ?? null,
      /** The run of a backfill for that instant, which is no part of the plan. */
      backfillJobId: backfill?.id ?? null,
    };
  },
});

const NOTHING = { occurrence: null, jobId: null, jobState: null, backfillJobId: null };

function nothingYet({ state, nextRunAt }: Schedule): string {
  const next = nextRunAt === null ? `It is ${state}` : `It runs next at ${formatInstant(nextRunAt)}`;
  return `Nothing is recorded of it yet. ${next}.`;
}

/** The occurrence that was decided last: what somebody who gives no instant wonders about. */
async function lastDecided({ store, env }: Context, schedule: Schedule): Promise<Millis> {
  let last = schedule.createdAt;
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

/** The row that covers an instant: where ranges lie over one another, the narrowest. */
async function rowOf({ store }: Context, { id }: Schedule, at: Millis): Promise<Occurrence | null> {
  const { items } = await store.schedules.ledger(id, { from: at, to: at + 1 }, { limit: 100 });
  const width = ({ occurrence, lastOccurrence }: Occurrence) => lastOccurrence - occurrence;
  return items.toSorted((a, b) => width(a) - width(b))[0] ?? null;
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
  return `${SENTENCES[row.outcome]({ context, schedule, row, job, related })}${many}${setBack}`;
}

interface Facts {
  context: Context;
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
  "skipped-overlap": ({ row, schedule, related }) =>
    `It did not run, because the run before it had not ended (overlap: ${schedule.policy.overlap}): job ${row.relatedJobId ?? "unknown"}${related ? `, which is ${related.state} now` : ""}.`,
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

function lateness({ row }: Facts): string {
  return formatDuration(row.decidedAt - row.occurrence);
}

/** What became of the job. */
function jobSentence({ context, job, row }: Pick<Facts, "context" | "job"> & { row?: Occurrence }): string {
  if (!job) return `its job ${row?.jobId} is gone.`;
  const took =
    job.startedAt !== null && job.finishedAt !== null
      ? ` after ${formatDuration(job.finishedAt - job.startedAt)}`
      : "";
  if (job.state === "completed") return `job ${job.id} completed${took}.`;
  if (isFinished(job.state))
    return `job ${job.id} ${job.state}${took}: ${job.error?.message ?? "it gave no reason"}.`;
  if (job.state === "running") return `job ${job.id} is running.`;
  if (job.state === "paused") return `job ${job.id} waits for its turn.`;
  if (job.state === "retrying")
    return `job ${job.id} failed (${job.error?.message}) and is tried again at ${formatInstant(job.runAt)}.`;
  const waits = laneWaits(context.host, laneOf(job.handler, job.plugin)) ?? "it waits for a free slot";
  return `job ${job.id} is ${job.state}: ${waits}.`;
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
  const span = { from: at, to: behind + 1 };
  const firsts = cursors.flatMap(({ terms }) => listPlanned(terms, span).take(1).toArray());
  const next = firsts.length === 0 ? null : Math.min(...firsts);
  if (next !== at) return state === "active" || state === "paused" ? noOccurrence("was", next) : null;
  const horizon = await store.ledger.horizon();
  return horizon !== null && at <= horizon
    ? `It was planned; what became of it was removed, as is everything from before ${formatInstant(horizon)}.`
    : `It was planned, and the ledger does not say what became of it: qntx schedule verify ${id}`;
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
    return `The schedule is paused: ${pause?.note || `by ${pause?.by}`}. What lies in the pause is recorded when it ends.`;
  if (state === "deleted" || state === "finished")
    return `The schedule is ${state}; there is no occurrence at that instant.`;
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
