/**
 * What can be done with schedules as a document: export them, see what applying one
 * would do, and apply it. Applying is all or nothing, in one transaction; when somebody
 * else changes a schedule in the same moment, the plan is made again.
 */
import { z } from "zod";
import { Fault, shown } from "../base/fault.ts";
import type { Owner, Schedule } from "../schedule/schedule.ts";
import type { ScheduleRefusal } from "../store/schedules.ts";
import { documentFault, type Problem } from "./document-problems.ts";
import { handlerWarnings } from "./handler-offer.ts";
import { type Context, operation } from "./operation.ts";
import { label, ownerText, parseOwner } from "./ownership.ts";
import { ownerOf, resolveSchedule } from "./reference.ts";
import { DOCUMENT_SCHEDULES_MAX, type DocumentFields, readDocument } from "./schedule-document.ts";
import type { ScheduleDocument } from "./schedule-document.ts";
import { entryOf } from "./schedule-entry.ts";
import { changesOf, quotaFault } from "./schedule-quota.ts";
import { blackoutFields, type Plan, type PlanLine, planOf } from "./schedule-plan.ts";

const PLANS_MAX = 5; // Whoever is overtaken that often had better look at who else is at work.

const documentInput = z.strictObject({
  /** YAML or JSON. */
  document: z.string(),
  /** How messages call it. */
  name: z.string().max(1_000).optional(),
  /** Deletes what it made and no longer states. */
  prune: z.boolean().optional(),
});
type DocumentInput = z.infer<typeof documentInput>;

export const scheduleExport = operation({
  name: "schedule.export",
  summary: "Write schedules as a document that can be applied",
  input: z.strictObject({ ids: z.array(z.string()).optional(), owner: z.string().optional() }),
  async run(context, { ids, owner }) {
    const schedules = ids?.length ? await named(context, ids) : await all(context, owner);
    return { document: await documentOf(context, schedules) };
  },
});

export const schedulePlan = operation({
  name: "schedule.plan",
  summary: "Show what applying a document would change; nothing is changed",
  input: documentInput,
  async run(context, input) {
    const { plan } = await think(context, input);
    return planView(context, plan);
  },
});

export const scheduleApply = operation({
  name: "schedule.apply",
  summary: "Make schedules as a document states them: all of it, or nothing",
  changes: true,
  byClock: true,
  input: documentInput,
  async run(context, input) {
    for (let tried = 1; ; tried++) {
      const { plan, document } = await think(context, input);
      refuseRefused(plan, document);
      const refusal = plan.steps.length === 0 ? null : await changesOf(context).apply(plan.steps);
      if (refusal === null) {
        if (plan.steps.length > 0) context.host?.schedulesChanged();
        return planView(context, plan);
      }
      if (refusal.refused === "quota") throw quotaFault(context.principal, refusal.exceeded);
      if (tried === PLANS_MAX) throw overtaken(refusal);
    }
  },
});

export const documentOperations = [scheduleExport, schedulePlan, scheduleApply];

async function think(
  context: Context,
  { document: text, name = "the document", prune = false }: DocumentInput,
): Promise<{ plan: Plan; document: ScheduleDocument }> {
  const document = await readDocument(context.env, text, { name, person: ownerOf(context) });
  if (prune && !document.named) {
    throw new Fault("config", `${name} does not say whose schedules it states, so nothing can be pruned.`, {
      hint: 'Begin it with "source: NAME"; then what it makes is known to be its own.',
    });
  }
  return { plan: await planOf(context, document, { prune }), document };
}

interface PlanView {
  changes: number;
  refused: number;
  lines: PlanLine[];
  /** What whoever applies it should know, though nothing is refused. */
  warnings: string[];
}

async function planView(context: Context, { lines, steps, lanes }: Plan): Promise<PlanView> {
  const refused = lines.filter(({ action }) => action === "refused").length;
  return { changes: steps.length, refused, lines, warnings: await handlerWarnings(context, lanes) };
}

/** One line that is refused refuses them all. */
function refuseRefused({ lines }: Plan, { name, schedules }: ScheduleDocument): void {
  const problems = lines.flatMap(({ action, reason, hint, field, name: schedule, id }): Problem[] => {
    if (action !== "refused") return [];
    const subject = `schedule ${shown(schedule || id)}`;
    const stated = schedules.find(({ about }) => about.subject === subject);
    return [
      { line: stated?.about.lineOf(field ?? "name"), message: `${subject}: ${reason}`, hint: hint ?? "" },
    ];
  });
  if (problems.length === 0) return;
  const { message, hint, fields } = documentFault(name, problems);
  throw new Fault("conflict", message, { hint, fields });
}

function overtaken(refusal: ScheduleRefusal): Fault {
  const which = "schedule" in refusal ? `Schedule ${label(refusal.schedule)}` : "A schedule";
  return new Fault("conflict", `${which} is being changed by somebody else; nothing was changed.`, {
    hint: "Apply the document again.",
  });
}

async function named(context: Context, ids: readonly string[]): Promise<Schedule[]> {
  const found = await Promise.all(ids.map((id) => resolveSchedule(context, id)));
  const gone = found.find(({ state }) => state === "deleted");
  if (gone) {
    throw new Fault("conflict", `Schedule ${label(gone)} is deleted; a document states what exists.`, {
      hint: "Leave it out.",
    });
  }
  return [...new Map(found.map((schedule) => [schedule.id, schedule])).values()];
}

async function all({ store }: Context, ownerSaid: string | undefined): Promise<Schedule[]> {
  const owner = ownerSaid === undefined ? undefined : parseOwner(ownerSaid, "owner");
  const schedules: Schedule[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await store.schedules.list({ owner }, { limit: 1_000, cursor });
    schedules.push(...page.items);
    cursor = page.cursor;
    if (schedules.length > DOCUMENT_SCHEDULES_MAX) {
      throw new Fault("exhausted", `There are more than ${DOCUMENT_SCHEDULES_MAX} schedules.`, {
        hint: "Export some of them: name their ids, or their owner with --owner.",
      });
    }
  }
  return schedules;
}

async function documentOf(
  { store, principal }: Context,
  schedules: readonly Schedule[],
): Promise<DocumentFields> {
  const home = homeOf(schedules) ?? ownerOf({ principal });
  const names = new Set(schedules.flatMap(({ policy }) => policy.blackoutNames));
  const lists = await Promise.all([...names].toSorted().map((name) => store.blackouts.get(name)));
  const blackouts = lists.flatMap((list) => (list ? [[list.name, blackoutFields(list)] as const] : []));
  return {
    ...(home.kind === "file" && { source: home.name }),
    ...(blackouts.length > 0 && { blackouts: Object.fromEntries(blackouts) }),
    schedules: schedules.toSorted(byName).map((schedule) => entryOf(schedule, home)),
  };
}

/** So that the same schedules give the same text on every host, and a change of one is a few lines. */
function byName(a: Schedule, b: Schedule): number {
  const key = ({ owner, name, id }: Schedule) => `${ownerText(owner)} ${name} ${id}`;
  return key(a) < key(b) ? -1 : 1;
}

/** Of schedules that one document made, that document; else whoever exports them. */
function homeOf(schedules: readonly Schedule[]): Owner | null {
  const [first] = schedules;
  const isOne = schedules.every(({ owner }) => first && ownerText(owner) === ownerText(first.owner));
  return first && isOne && first.owner.kind === "file" && first.declaredId === "" ? first.owner : null;
}
