/** What can be done to schedules. */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { parseInstant } from "../base/instant.ts";
import type { NewJob } from "../job/job.ts";
import { refuseUnlockable } from "../schedule/lock.ts";
import { runOf } from "../schedule/run.ts";
import { type Schedule, SCHEDULE_STATES } from "../schedule/schedule.ts";
import type { NewSchedule, ScheduleChange, ScheduleRefusal } from "../store/schedules.ts";
import { scheduleExplain } from "./explain.ts";
import { handlerWarnings } from "./handler-offer.ts";
import { viewJob } from "./job-view.ts";
import { missedObjectives } from "./objective-view.ts";
import { type Context, operation } from "./operation.ts";
import { label, ownerText, refuseForeign } from "./ownership.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { ownerOf, resolveSchedule } from "./reference.ts";
import {
  createInput,
  readName,
  readSpec,
  readTarget,
  readTimezone,
  requireSpec,
  updateInput,
} from "./schedule-input.ts";
import { policyWarnings, readPolicyInput, refuseIdleMax, withNamedSpans } from "./schedule-policy.ts";
import { nextInput, nextOf, nextUnstored, refuseDefinition, refuseNever } from "./schedule-next.ts";
import { changesOf, quotaFault, refuseOften, schedulePayload } from "./schedule-quota.ts";
import {
  readSameTarget,
  refuseUnsent,
  refuseVanished,
  requireTarget,
  type TargetInput,
} from "./schedule-target.ts";
import { type ScheduleView, viewOccurrence, viewSchedule } from "./schedule-view.ts";

const reference = z.strictObject({ id: z.string() });

const TRIES_MAX = 20; // Whoever is overtaken that often had better look at who else is at work.

/** What whoever made or changed a schedule should know, though it worked. */
interface Warned {
  warnings: string[];
}

/** What decides when a schedule fires. One that has finished can be described all the same. */
const TIMING = ["every", "cron", "at", "timezone", "startAt", "endAt", "blackouts"] as const;

export const scheduleCreate = operation({
  name: "schedule.create",
  summary: "Make a schedule",
  input: createInput,
  plugin: "cap:scheduler.manage",
  changes: true,
  byClock: true,
  async run(context, input): Promise<ScheduleView & Warned & { created: boolean }> {
    refuseContradictions(input);
    const { target, tenant } = requireTarget(context, input);
    const existing =
      input.upsert || input.ifNotExists ? await ownNamed(context, tenant, input.name ?? "") : undefined;
    if (existing && input.ifNotExists) return { ...leftAsItIs(existing), created: false };
    if (existing) refuseForeign(context, existing);
    const spec = requireSpec(input, context.env);
    const policy = readPolicyInput(input);
    refuseIdleMax(input, policy);
    const owner = ownerOf(context);
    const schedule: NewSchedule = {
      id: newId(context.env, "SC"),
      name: readName(input.name),
      tenant,
      owner,
      declaredId: "",
      target,
      payload: schedulePayload(context, input.payload),
      spec,
      timezone: readTimezone(input.timezone, spec),
      policy: await withNamedSpans(context, policy),
      locking: input.locking ?? "require-global",
      paused: input.paused ? { note: input.note ?? "", by: ownerText(owner) } : null,
      description: input.description ?? "",
      metadata: input.metadata ?? {},
    };
    refuseUnsent(schedule);
    refuseNever(schedule, context.env.now());
    refuseOften(context, schedule);
    const answer = existing
      ? await upsert(context, existing, schedule)
      : await changesOf(context).create(schedule);
    const another = "refused" in answer && answer.refused === "name-taken"; // Made while we looked.
    if (another && input.ifNotExists) return { ...leftAsItIs(answer.schedule), created: false };
    const warnings = [...(await targetWarnings(context, input)), ...policyWarnings(input, policy)];
    return { ...changed(context, answer), warnings, created: existing === undefined };
  },
});

export const scheduleList = operation({
  name: "schedule.list",
  summary: "List schedules",
  plugin: "cap:scheduler.manage",
  input: z.strictObject({
    state: z.enum(SCHEDULE_STATES).optional(),
    handler: z.string().optional(),
    deleted: z.boolean().optional(),
    ...pageInput,
  }),
  async run(context, { state, handler, deleted, ...page }) {
    const { principal } = context;
    const named = handler === undefined ? undefined : readTarget(context, handler);
    const asked = { handler: named?.target.handler, tenant: named?.tenant };
    const own = principal.kind === "plugin" ? { owner: ownerOf(context), tenant: principal.tenant } : {};
    const filter = { state, deleted, ...asked, ...own };
    const { items, cursor } = await context.store.schedules.list(filter, pageRequest(page));
    return { schedules: items.map(viewSchedule), cursor };
  },
});

export const scheduleShow = operation({
  name: "schedule.show",
  summary: "Show one schedule",
  plugin: "cap:scheduler.manage",
  input: reference,
  async run(context, { id }) {
    const schedule = await resolveSchedule(context, id);
    return { ...viewSchedule(schedule), missedObjectives: await missedObjectives(context, schedule.id) };
  },
});

export const scheduleUpdate = operation({
  name: "schedule.update",
  summary: "Change a schedule; what is not given stays",
  plugin: "cap:scheduler.manage",
  changes: true,
  byClock: true,
  input: updateInput,
  async run(context, input): Promise<ScheduleView & Warned> {
    if (input.locking !== undefined) refuseUnlockable(context.store.locksBy, input.locking);
    for (let tried = 1; ; tried++) {
      const before = await resolveSchedule(context, input.id);
      refuseForeign(context, before);
      const change = await changeOf(context, input, before);
      // What is not given stays as it was read: somebody else may have changed it since.
      const revision = input.revision ?? before.revision;
      const answer = await changesOf(context).update(before.id, change, revision);
      const overtaken = "refused" in answer && answer.refused === "revision";
      if (overtaken && input.revision === undefined && tried < TRIES_MAX) continue;
      const view = changed(context, answer);
      const warnings = await targetWarnings(context, input);
      return { ...view, warnings: [...warnings, ...policyWarnings(input, change.policy ?? before.policy)] };
    }
  },
});

export const schedulePause = operation({
  name: "schedule.pause",
  summary: "Stop a schedule from firing until it is resumed",
  plugin: "cap:scheduler.manage",
  changes: true,
  byClock: true,
  input: z.strictObject({
    id: z.string(),
    note: z.string().max(1_000).optional(),
    /** When it goes on by itself. */
    until: z.string().optional(),
  }),
  async run(context, { id, note, until: untilText }) {
    const schedule = await resolveSchedule(context, id);
    const until = untilText === undefined ? null : parseInstant(untilText, "until");
    if (until !== null && until <= context.env.now()) {
      throw fieldFault("until", `${shown(untilText)} is in the past.`, "A pause ends after it has begun.");
    }
    if (schedule.state === "finished") {
      throw new Fault("conflict", `Schedule ${label(schedule)} is finished; there is nothing to pause.`);
    }
    const by = ownerText(ownerOf(context));
    return changed(context, await changesOf(context).pause(schedule.id, { note: note ?? "", by, until }));
  },
});

export const scheduleResume = operation({
  name: "schedule.resume",
  summary: "Let a paused schedule fire again, from now on",
  plugin: "cap:scheduler.manage",
  changes: true,
  byClock: true,
  input: reference,
  async run(context, { id }) {
    const schedule = await resolveSchedule(context, id);
    if (schedule.state === "finished") {
      throw new Fault("conflict", `Schedule ${label(schedule)} is finished and cannot be resumed.`, {
        hint: "Give it a new time with: qntx schedule update",
      });
    }
    refuseVanished(context, schedule);
    return changed(context, await changesOf(context).resume(schedule.id));
  },
});

export const scheduleDelete = operation({
  name: "schedule.delete",
  summary: "Delete a schedule; its ledger stays",
  plugin: "cap:scheduler.manage",
  changes: true,
  byClock: true,
  input: reference,
  async run(context, { id }) {
    const schedule = await resolveSchedule(context, id);
    const by = ownerText(ownerOf(context));
    const view = changed(context, await changesOf(context).delete(schedule.id, by));
    await context.store.backfills.cancel(schedule.id, by);
    return view;
  },
});

export const scheduleRun = operation({
  name: "schedule.run",
  summary: "Run a schedule's job now; the schedule itself is untouched",
  changes: true,
  input: z.strictObject({ id: z.string(), evenPaused: z.boolean().optional() }),
  async run(context, { id, evenPaused }) {
    const schedule = await resolveSchedule(context, id);
    if (schedule.state === "deleted") throw new Fault("conflict", `Schedule ${label(schedule)} is deleted.`);
    if (schedule.state === "paused" && !evenPaused) {
      throw new Fault("conflict", `Schedule ${label(schedule)} is paused.`, {
        hint: "Add --even-paused to run it all the same.",
      });
    }
    if (schedule.target.kind === "agent")
      throw new Fault("conflict", `Schedule ${label(schedule)} has nothing to run.`);
    // Its own lane: it neither counts as the plan's run nor runs twice when asked twice at once.
    const runNow: NewJob = {
      ...runOf(schedule),
      id: newId(context.env, "JB"),
      source: principalName(context.principal),
      owner: ownerText(ownerOf(context)), // Of whoever asks, as any job that somebody enqueues.
      trigger: "run-now",
      scheduleId: schedule.id,
      uniqueKey: `run-now:${schedule.id}`,
    };
    const [enqueued] = await context.store.jobs.enqueue([runNow]);
    const written = await context.store.jobs.get(enqueued?.id ?? runNow.id);
    if (!written) throw new Error("a job that was just written is not there");
    return { ...(await viewJob(context, written)), created: enqueued?.created ?? false };
  },
});

export const scheduleNext = operation({
  name: "schedule.next",
  summary: "Show when a schedule, or a definition that is not stored, fires next",
  input: nextInput,
  async run(context, input) {
    const { id } = input;
    if (id === undefined) return nextUnstored(context.env, input);
    refuseDefinition(input);
    const schedule = await resolveSchedule(context, id);
    const isOver = schedule.state === "deleted" || schedule.state === "finished";
    if (isOver && input.to === undefined) return { instants: [], timezone: schedule.timezone };
    const cursors = await context.store.ledger.history(schedule.id);
    return nextOf(
      context.env,
      schedule,
      cursors.map(({ terms }) => terms),
      input,
    );
  },
});

export const scheduleLedger = operation({
  name: "schedule.ledger",
  summary: "Show what became of every occurrence",
  plugin: "cap:scheduler.manage",
  input: z.strictObject({
    id: z.string(),
    /** With one of them, pages go on from the beginning of the span; without, back from the newest row. A page is oldest first. */
    from: z.string().optional(),
    to: z.string().optional(),
    ...pageInput,
  }),
  async run(context, { id, from, to, ...page }) {
    const schedule = await resolveSchedule(context, id);
    const range = {
      ...(from === undefined ? {} : { from: parseInstant(from, "from") }),
      ...(to === undefined ? {} : { to: parseInstant(to, "to") }),
    };
    if ((range.to ?? Number.POSITIVE_INFINITY) <= (range.from ?? Number.NEGATIVE_INFINITY))
      throw fieldFault("to", `${shown(to)} is not after its beginning.`, "A span ends after it begins.");
    const { items, cursor } =
      from === undefined && to === undefined
        ? await context.store.schedules.ledgerEnd(schedule.id, pageRequest(page))
        : await context.store.schedules.ledger(schedule.id, range, pageRequest(page));
    return { occurrences: items.map(viewOccurrence), cursor };
  },
});

export const scheduleOperations = [
  scheduleCreate,
  scheduleList,
  scheduleShow,
  scheduleUpdate,
  schedulePause,
  scheduleResume,
  scheduleDelete,
  scheduleRun,
  scheduleNext,
  scheduleLedger,
  scheduleExplain,
];

type CreateInput = z.infer<typeof createInput>;

/** What would have no effect, or two effects, is refused rather than passed over. */
function refuseContradictions({ name, upsert, ifNotExists, paused, note }: CreateInput): void {
  if (upsert && ifNotExists) throw fieldFault("upsert", "cannot be given together with ifNotExists.");
  const byName = upsert ? "upsert" : "ifNotExists";
  if ((upsert || ifNotExists) && !name)
    throw fieldFault("name", "is missing.", `${byName} finds a schedule by its name.`);
  if (note && !paused)
    throw fieldFault("note", "has no effect on a schedule that is not paused.", "It says why one is paused.");
}

function leftAsItIs(schedule: Schedule): ScheduleView & Warned {
  return { ...viewSchedule(schedule), warnings: [] };
}

/** The change that an input asks for. */
async function changeOf(
  context: Context,
  input: z.infer<typeof updateInput>,
  before: Schedule,
): Promise<ScheduleChange> {
  const spec = readSpec(input, context.env);
  const policy = readPolicyInput(input, before.policy);
  refuseIdleMax(input, policy);
  const change: ScheduleChange = {
    name: input.name === undefined ? undefined : readName(input.name),
    target: readSameTarget(context, input, before),
    payload: input.payload === undefined ? undefined : schedulePayload(context, input.payload),
    spec,
    timezone: input.timezone === undefined ? undefined : readTimezone(input.timezone, spec ?? before.spec),
    policy: await withNamedSpans(context, policy),
    description: input.description,
    metadata: input.metadata,
    locking: input.locking,
  };
  refuseUnsent({ target: change.target ?? before.target, payload: change.payload ?? before.payload });
  const after = { ...before, ...definedOnly(change) };
  if (TIMING.some((field) => input[field] !== undefined)) refuseNever(after, context.env.now());
  if (whenOf(after) !== whenOf(before)) refuseOften(context, after);
  return change;
}

/** When it fires, without bounds and blackouts. */
function whenOf({ spec, timezone, policy: { dstGap, dstFold } }: Schedule): string {
  return JSON.stringify([spec, timezone, dstGap, dstFold]);
}

function changed(context: Context, answer: Schedule | ScheduleRefusal) {
  if ("refused" in answer) throw refusal(context, answer);
  context.host?.schedulesChanged();
  return viewSchedule(answer);
}

function refusal({ principal }: Context, answer: ScheduleRefusal): Fault {
  if (answer.refused === "quota") return quotaFault(principal, answer.exceeded);
  if (answer.refused === "not-found") return new Fault("not-found", "There is no such schedule.");
  const { schedule } = answer;
  if (answer.refused === "deleted") {
    return new Fault("conflict", `Schedule ${label(schedule)} is deleted and stays so.`, {
      hint: "Make a new one.",
    });
  }
  if (answer.refused === "revision") {
    return new Fault(
      "conflict",
      `Schedule ${label(schedule)} has changed: it is at revision ${schedule.revision}.`,
      {
        hint: "Look at it again, and repeat the change with that revision.",
      },
    );
  }
  return new Fault(
    "conflict",
    `name: there is a schedule ${shown(schedule.name)} already (${schedule.id}).`,
    {
      hint: `Choose another name, or change that one with: qntx schedule update ${schedule.name}`,
      fields: [{ field: "name", message: "is taken" }],
    },
  );
}

async function ownNamed(context: Context, tenant: string, name: string): Promise<Schedule | undefined> {
  const owner = ownerOf(context);
  const named = await context.store.schedules.named(name);
  return named.find(
    (schedule) => ownerText(schedule.owner) === ownerText(owner) && schedule.tenant === tenant,
  );
}

/** Changes a schedule and, where that is wanted, pauses it in the same step: it never fires as it is now and was not to. */
async function upsert(
  context: Context,
  existing: Schedule,
  wanted: NewSchedule,
): Promise<Schedule | ScheduleRefusal> {
  const changes = changesOf(context);
  const pause = wanted.paused && { ...wanted.paused, until: null };
  let before = existing;
  for (let tried = 1; ; tried++) {
    const change = upsertChange(wanted, before);
    if (!pause || before.state === "paused") return changes.update(before.id, change);
    const { id, revision, state } = before;
    const refusal = await changes.apply([{ kind: "change", id, revision, state, change, pause }]);
    if (refusal === null) return (await context.store.schedules.get(id)) ?? { refused: "not-found" };
    if (refusal.refused !== "revision" || tried === TRIES_MAX) return refusal;
    before = refusal.schedule; // Somebody was faster.
  }
}

/** An upsert that says nothing new about the interval keeps its grid. */
function upsertChange(wanted: NewSchedule, before: Schedule): ScheduleChange {
  const { target, payload, spec, timezone, policy, locking, description, metadata } = wanted;
  const same = JSON.stringify(spec) === JSON.stringify(before.spec);
  return { target, payload, timezone, policy, locking, description, metadata, ...(same ? {} : { spec }) };
}

function definedOnly(change: ScheduleChange): Partial<Schedule> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

/** An endpoint has been looked for already, or could not be. */
function targetWarnings(context: Context, { handler }: TargetInput): Promise<string[]> {
  return handlerWarnings(context, handler === undefined ? [] : [handler]);
}
