/**
 * Backfill: runs for a span of the past, in a line of their own. Which instants
 * there are says the definition in force now, as `schedule.next` would: whoever asks
 * for the past to be run again wants it run as it is meant today.
 *
 * An instant gets one run of a backfill, however often somebody asks; one that was
 * cancelled does not count. The ledger stays as it is: it answers for the plan.
 */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import { type Millis, turn } from "../base/env.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { JOB_PRIORITY_MAX, type NewJob } from "../job/job.ts";
import {
  BACKFILL_BYTES_MAX,
  BACKFILL_CONCURRENCY_MAX,
  BACKFILL_PRIORITY_BEHIND,
  BACKFILL_RUNS_DEFAULT,
  BACKFILL_RUNS_MAX,
} from "../schedule/backfill.ts";
import { occurrences, planned } from "../schedule/planned.ts";
import { runOf } from "../schedule/run.ts";
import { FIRED_OUTCOMES, type Schedule } from "../schedule/schedule.ts";
import type { Backfill } from "../store/backfills.ts";
import { PAGE_ROWS_MAX } from "../store/page.ts";
import { type Context, operation } from "./operation.ts";
import { label } from "./ownership.ts";
import { resolveSchedule } from "./reference.ts";

const RUNS_PER_WRITE = 500; // One transaction of some ten milliseconds, then others have their turn.
const BACKFILLS_SHOWN = 20;

const count = (max: number) =>
  z.int("must be a whole number.").min(1, "must be at least 1.").max(max, `must be at most ${max}.`);

const backfillInput = z.strictObject({
  id: z.string(),
  from: z.string("is missing: the first instant that may be run."),
  to: z.string().optional(),
  /** Only instants for which the plan made no run. */
  missing: z.boolean().optional(),
  max: count(BACKFILL_RUNS_MAX).optional(),
  concurrency: count(BACKFILL_CONCURRENCY_MAX).optional(),
});

type BackfillInput = z.infer<typeof backfillInput>;

/** What a backfill would do, or did. */
export interface BackfillView {
  /** Null when nothing was made. */
  id: string | null;
  scheduleId: string;
  from: string;
  to: string;
  /** Instants in the span, and how many of them the plan has run. */
  occurrences: number;
  ranByPlan: number;
  /** Runs of earlier backfills that are there already. */
  existed: number;
  made: number;
  /** The first and the last instant that gets a run. */
  first: string | null;
  last: string | null;
  /** What explains that there are fewer than somebody may expect; otherwise null. */
  note: string | null;
}

export const scheduleBackfill = operation({
  name: "schedule.backfill",
  summary: "Run what a schedule meant for a span of the past, beside its plan",
  changes: true,
  input: backfillInput,
  async run(context, input): Promise<BackfillView> {
    const { schedule, span, wanted, view } = await lookAt(context, input);
    const id = newId(context.env, "BF");
    const backfill = {
      id,
      scheduleId: schedule.id,
      ...span,
      concurrency: input.concurrency ?? 1,
      askedBy: principalName(context.principal),
    };
    let made = 0;
    for (let first = 0; first < wanted.length; first += RUNS_PER_WRITE) {
      const jobs = wanted.slice(first, first + RUNS_PER_WRITE).map((at) => jobOf(context, schedule, at, id));
      const part = await context.store.backfills.make(backfill, jobs);
      made += part.made;
    }
    return { ...view, id: made > 0 ? id : null, made, existed: wanted.length - made };
  },
});

export const schedulePlanBackfill = operation({
  name: "schedule.planBackfill",
  summary: "Show what a backfill would run, and run nothing",
  input: backfillInput,
  async run(context, input): Promise<BackfillView> {
    return (await lookAt(context, input)).view;
  },
});

export const scheduleCancelBackfill = operation({
  name: "schedule.cancelBackfill",
  summary: "Cancel the runs of a schedule's backfills that have not begun",
  changes: true,
  input: z.strictObject({ id: z.string() }),
  async run(context, { id }) {
    const schedule = await resolveSchedule(context, id);
    const ended = await context.store.backfills.cancel(schedule.id, principalName(context.principal));
    return { scheduleId: schedule.id, ...ended };
  },
});

export const scheduleBackfills = operation({
  name: "schedule.backfills",
  summary: "Show how far the backfills of a schedule are, newest first",
  input: z.strictObject({ id: z.string() }),
  async run(context, { id }) {
    const schedule = await resolveSchedule(context, id);
    const backfills = await context.store.backfills.list(schedule.id, BACKFILLS_SHOWN);
    return { backfills: backfills.map(viewBackfill) };
  },
});

export const backfillOperations = [
  scheduleBackfill,
  schedulePlanBackfill,
  scheduleCancelBackfill,
  scheduleBackfills,
];

interface Look {
  schedule: Schedule;
  span: { from: Millis; to: Millis };
  /** The instants that get a run, those that have one already included. */
  wanted: Millis[];
  view: BackfillView;
}

/** Finds what is to be run. Throws a Fault for what cannot be. */
async function lookAt(context: Context, input: BackfillInput): Promise<Look> {
  const schedule = await resolveSchedule(context, input.id);
  refuseTarget(schedule);
  const span = readSpan(context, input);
  const all = instantsOf(schedule, span, input.max ?? BACKFILL_RUNS_DEFAULT);
  const [ran, there] = await Promise.all([
    ranByPlan(context, schedule.id, { span, instants: new Set(all) }),
    context.store.backfills.instants(schedule.id, span),
  ]);
  const wanted = input.missing ? all.filter((at) => !ran.has(at)) : all;
  const made = new Set(there);
  const fresh = wanted.filter((at) => !made.has(at));
  const view: BackfillView = {
    id: null,
    scheduleId: schedule.id,
    from: formatInstant(span.from),
    to: formatInstant(span.to),
    occurrences: all.length,
    ranByPlan: all.filter((at) => ran.has(at)).length,
    existed: wanted.length - fresh.length,
    made: fresh.length,
    first: instantOrNull(fresh[0]),
    last: instantOrNull(fresh.at(-1)),
    note: span.from < schedule.anchor && schedule.spec.kind === "every" ? gridNote(schedule) : null,
  };
  return { schedule, span, wanted, view };
}

function gridNote({ anchor }: Schedule): string {
  return `An interval has no occurrences before its grid begins, which is at ${formatInstant(anchor)}.`;
}

function readSpan({ env }: Context, { from: fromText, to: toText }: BackfillInput): Look["span"] {
  const now = env.now();
  const from = parseInstant(fromText, "from");
  const to = toText === undefined ? now : parseInstant(toText, "to");
  if (to > now)
    throw fieldFault("to", `${shown(toText)} is in the future.`, "What is still to come, the plan runs.");
  if (from >= to) throw fieldFault("from", `${shown(fromText)} is not before the end of the span.`);
  return { from, to };
}

/** Counts before it lists, so that a span of years costs nothing. */
function instantsOf(schedule: Schedule, { from, to }: Look["span"], max: number): Millis[] {
  const plan = planned(schedule);
  const found = plan.count(from - 1, to - 1);
  if (found > max) {
    const more =
      max < BACKFILL_RUNS_MAX ? `, or a greater max, up to ${BACKFILL_RUNS_MAX.toLocaleString("en-US")}` : "";
    throw fieldFault(
      "from",
      `there are ${found.toLocaleString("en-US")} occurrences up to ${formatInstant(to)}, more than ${max.toLocaleString("en-US")}.`,
      `Give a shorter span${more}.`,
    );
  }
  const bytes = found * schedule.payload.length;
  if (bytes > BACKFILL_BYTES_MAX) {
    throw fieldFault(
      "from",
      `${found} runs with a payload of ${schedule.payload.length} bytes each are more than ${BACKFILL_BYTES_MAX} bytes.`,
      "Give a shorter span, and ask again for the rest.",
    );
  }
  return [...occurrences(plan, { from, to })];
}

/** Those of the instants for which the plan made a run. An earlier plan may have made millions of others in the span. */
async function ranByPlan(
  { env, store }: Context,
  id: string,
  { span, instants }: { span: Look["span"]; instants: ReadonlySet<Millis> },
): Promise<Set<Millis>> {
  const ran = new Set<Millis>();
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await store.schedules.ledger(id, span, { limit: PAGE_ROWS_MAX, cursor });
    for (const { occurrence, outcome } of page.items)
      if (FIRED_OUTCOMES.includes(outcome) && instants.has(occurrence)) ran.add(occurrence);
    cursor = page.cursor;
    if (cursor !== null) await turn(env);
  }
  return ran;
}

function refuseTarget({ id, name, state, target }: Schedule): void {
  const schedule = label({ name, id });
  if (state === "deleted") {
    throw new Fault("conflict", `Schedule ${schedule} is deleted and runs nothing any more.`, {
      hint: "Make a new one, and backfill that.",
    });
  }
  if (target.kind === "agent") throw new Fault("conflict", `Schedule ${schedule} has nothing to run.`);
}

/** A run of the schedule that is no part of its plan. */
function jobOf({ env }: Context, schedule: Schedule, occurrence: Millis, backfill: string): NewJob {
  const run = runOf(schedule);
  return {
    ...run,
    id: newId(env, "JB"),
    source: `backfill:${backfill}`,
    priority: Math.min(JOB_PRIORITY_MAX, run.priority + BACKFILL_PRIORITY_BEHIND),
    occurrence,
  };
}

function viewBackfill({ from, to, createdAt, ...same }: Backfill) {
  return {
    ...same,
    from: formatInstant(from),
    to: formatInstant(to),
    createdAt: formatInstant(createdAt),
  };
}

function instantOrNull(at: Millis | undefined): string | null {
  return at === undefined ? null : formatInstant(at);
}
