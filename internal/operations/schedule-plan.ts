/**
 * Plan: what applying a document would do, line by line, and the steps that do it. An
 * entry is compared by its fields with the schedule that it means, so that what is not
 * different is not touched, and keeps its next run to the millisecond.
 *
 * A document changes what its owner made. Of anybody else's schedules it may say what
 * they are, and make those that are missing; it may not change them.
 */
import { laneOfRuns } from "../schedule/run.ts";
import type { Json } from "../ats/attestation.ts";
import { turn } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { gridAnchor, type LocksBy } from "../schedule/lock.ts";
import { noBlackout, ownSpans, spansOf } from "../schedule/named-blackout.ts";
import type { Policy, Schedule } from "../schedule/schedule.ts";
import type { NewBlackout } from "../store/blackouts.ts";
import type { NewSchedule, ScheduleStep } from "../store/schedules.ts";
import type { Context } from "./operation.ts";
import { ownerSentence, ownerText } from "./ownership.ts";
import { ownerOf } from "./reference.ts";
import { ENTRIES_PER_TURN, type ScheduleDocument } from "./schedule-document.ts";
import { definitionFields, type Fields, pauseFields } from "./schedule-entry.ts";
import { refuseNever } from "./schedule-next.ts";
import type { Wanted, WantedPause } from "./schedule-wanted.ts";

export const PLAN_ACTIONS = ["create", "change", "delete", "unchanged", "refused"] as const;
export type PlanAction = (typeof PLAN_ACTIONS)[number];

/** A field that becomes another one; null where there is none. */
export interface FieldChange {
  field: string;
  from: Json;
  to: Json;
}

export interface PlanLine {
  action: PlanAction;
  noun: "schedule" | "blackout";
  /** Null for one that is not made yet, and for a blackout. */
  id: string | null;
  name: string;
  owner: string | null;
  changes: FieldChange[];
  /** Why it is refused, or why nothing is done. */
  reason: string | null;
  /** What to do about a refusal. */
  hint: string | null;
  /** Which field of the entry is refused; null when it is the whole. */
  field: string | null;
}

export interface Plan {
  lines: PlanLine[];
  steps: ScheduleStep[];
  /** Where runs will stand in line that did not before. */
  lanes: string[];
}

/** Thinks of everything that a document would do. */
export async function planOf(
  context: Context,
  document: ScheduleDocument,
  { prune }: { prune: boolean },
): Promise<Plan> {
  const planner = new Planner(context, document);
  for (const blackout of document.blackouts) await planner.blackout(blackout);
  for (const [index, wanted] of document.schedules.entries()) {
    if (index % ENTRIES_PER_TURN === 0) await turn(context.env);
    await planner.schedule(wanted);
  }
  if (prune) await planner.prune();
  return planner.plan;
}

/** What decides when a schedule fires: a change of it must leave something to fire. */
const TIMING = ["every", "cron", "at", "timezone", "anchor", "startAt", "endAt", "blackouts"];

class Planner {
  readonly plan: Plan = { lines: [], steps: [], lanes: [] };
  readonly #context: Context;
  readonly #document: ScheduleDocument;
  readonly #met = new Set<string>();

  constructor(context: Context, document: ScheduleDocument) {
    this.#context = context;
    this.#document = document;
  }

  async blackout(wanted: NewBlackout): Promise<void> {
    const before = await this.#context.store.blackouts.get(wanted.name);
    const changes = differences(before ? blackoutFields(before) : {}, blackoutFields(wanted));
    const action = !before ? "create" : changes.length > 0 ? "change" : "unchanged";
    if (action !== "unchanged") this.plan.steps.push({ kind: "blackout", blackout: wanted });
    const line = {
      noun: "blackout",
      id: null,
      name: wanted.name,
      owner: null,
      reason: null,
      hint: null,
      field: null,
    } as const;
    this.plan.lines.push({ ...line, action, changes: before ? changes : [] });
  }

  async schedule(wanted: Wanted): Promise<void> {
    const found = await this.#find(wanted);
    try {
      if (found) await this.#compare(found, wanted);
      else await this.#make(wanted);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const id = found?.id ?? wanted.id;
      const more = {
        reason: messageOf(error),
        hint: error.hint ?? null,
        field: error.fields[0]?.field ?? null,
      };
      this.#say("refused", { ...wanted, id }, more);
    }
  }

  /** Deletes what the document made and no longer states. Nothing else is its own. */
  async prune(): Promise<void> {
    const { store } = this.#context;
    const { home } = this.#document;
    const by = ownerText(ownerOf(this.#context));
    const gone: Schedule[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await store.schedules.list({ owner: home }, { limit: 1_000, cursor });
      gone.push(...page.items.filter(({ id, declaredId }) => !this.#met.has(id) && declaredId === ""));
      cursor = page.cursor;
    }
    for (const schedule of gone.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const { id, revision, state } = schedule;
      this.plan.steps.unshift({ kind: "delete", id, revision, state, by }); // Its name may be wanted.
      this.#say("delete", { ...schedule, definition: schedule });
    }
  }

  /** By id, else by the id of its declaration, else by name, among the schedules of its owner. */
  async #find({ id, owner, tenant, declaredId, definition: { name } }: Wanted): Promise<Schedule | null> {
    const { schedules } = this.#context.store;
    const byId = id === null ? null : await schedules.get(id);
    if (byId && byId.state !== "deleted") return byId;
    const isOwn = (schedule: Schedule) =>
      schedule.tenant === tenant && ownerText(schedule.owner) === ownerText(owner);
    const named = name === "" ? [] : (await schedules.named(name)).filter(isOwn);
    const [byName] = named;
    if (byName && (declaredId === "" || byName.declaredId === declaredId)) return byName;
    return declaredId === "" ? null : schedules.declaredAs(owner, declaredId, tenant);
  }

  async #compare(found: Schedule, wanted: Wanted): Promise<void> {
    const { home } = this.#document;
    this.#met.add(found.id);
    if (found.state === "deleted") {
      const reason = "It was deleted, and stays so.";
      return this.#say("unchanged", { ...found, definition: found }, { reason });
    }
    const definition = withoutSilence(wanted.definition, found, this.#context.store.locksBy);
    const changes = differences(definitionFields(found), definitionFields(definition));
    const retimed = changes.some(({ field }) => TIMING.includes(field));
    if (ownerText(found.owner) !== ownerText(wanted.owner))
      changes.push({ field: "owner", from: ownerText(found.owner), to: ownerText(wanted.owner) });
    const redefined = changes.length > 0;
    const pause = this.#pauseOf(found, wanted.pause);
    if (pause !== undefined) changes.push(pauseChange(found, pause));
    if (changes.length === 0) return this.#say("unchanged", { ...found, definition: found });

    const isOwn = found.declaredId === "" && ownerText(found.owner) === ownerText(home);
    if (!isOwn) return this.#refuse(found, changes);
    const resolved = await this.#resolved(definition.policy);
    if (retimed)
      refuseNever(
        { ...found, ...definition, anchor: definition.anchor ?? found.anchor, policy: resolved },
        this.#context.env.now(),
      );
    const change = redefined ? { ...definition, anchor: definition.anchor ?? undefined } : undefined;
    const { id, revision, state } = found;
    this.plan.steps.push({ kind: "change", id, revision, state, change, pause });
    if (change?.target) this.#noteLane({ target: change.target, tenant: found.tenant });
    this.#say("change", { ...found, definition: found }, { changes });
  }

  async #make(wanted: Wanted): Promise<void> {
    const { env } = this.#context;
    const { definition, owner, declaredId, tenant, pause, runsDone } = wanted;
    if (wanted.finished) {
      const reason = "It has finished, and is not made again.";
      return this.#say("unchanged", { ...wanted, id: null }, { reason });
    }
    const policy = await this.#resolved(definition.policy);
    const anchor = gridOf(this.#context.store.locksBy, definition) ?? undefined;
    refuseNever({ ...definition, anchor, policy }, env.now());
    const schedule: NewSchedule = {
      ...definition,
      id: await this.#idFor(wanted),
      owner,
      declaredId,
      tenant,
      anchor,
      paused: isOver(pause, env.now()) ? null : this.#pauseBy(pause),
      runCount: runsDone,
    };
    this.#met.add(schedule.id);
    this.plan.steps.push({ kind: "create", schedule });
    this.#noteLane(schedule);
    this.#say("create", { ...wanted, id: null }, { changes: differences({}, shortFields(wanted)) });
  }

  #noteLane(schedule: Pick<Schedule, "target" | "tenant">): void {
    const lane = laneOfRuns(schedule);
    if (lane !== null) this.plan.lanes.push(lane);
  }

  /** Its own id, where it moves from another host: who keeps that id finds it again. A deleted schedule stays deleted. */
  async #idFor({ id, definition, declaredId }: Wanted): Promise<string> {
    const { store, env } = this.#context;
    if (id === null) return newId(env, "SC");
    if ((await store.schedules.get(id)) === null) return id;
    if (definition.name !== "" && declaredId === "") return newId(env, "SC");
    throw new Fault("conflict", `Schedule ${id} was deleted and stays so.`, {
      hint: "Take it out of the document, or give it a name and no id to have a new one.",
    });
  }

  /** The policy with the spans of its blackouts: those of the document, else those that exist. */
  async #resolved(policy: Policy): Promise<Policy> {
    const lists = await Promise.all(
      policy.blackoutNames.map(async (name) => {
        const stated = this.#document.blackouts.find((blackout) => blackout.name === name);
        const list = stated ?? (await this.#context.store.blackouts.get(name));
        if (!list) throw noBlackout(name);
        return spansOf(list);
      }),
    );
    return { ...policy, blackouts: [...ownSpans(policy), ...lists.flat()] };
  }

  /** The pause to make; null to resume; undefined when it is as wanted, or nothing is said. */
  #pauseOf(
    found: Schedule,
    wanted: Wanted["pause"],
  ): { note: string; by: string; until: number | null } | null | undefined {
    if (wanted === undefined || found.state === "finished" || isOver(wanted, this.#context.env.now()))
      return undefined;
    if (wanted === null) return found.pause ? null : undefined;
    if (wanted === "any") return found.pause ? undefined : this.#pauseBy(wanted);
    const { pause } = found;
    const same = pause && pause.note === wanted.note && pause.until === wanted.until;
    return same && (wanted.by === null || wanted.by === pause.by) ? undefined : this.#pauseBy(wanted);
  }

  #pauseBy(wanted: WantedPause | "any"): { note: string; by: string; until: number | null };
  #pauseBy(wanted: Wanted["pause"]): { note: string; by: string; until: number | null } | null;
  #pauseBy(wanted: Wanted["pause"]): { note: string; by: string; until: number | null } | null {
    if (wanted === undefined || wanted === null) return null;
    const by = ownerText(ownerOf(this.#context));
    if (wanted === "any") return { note: "", by, until: null };
    return { note: wanted.note, by: wanted.by ?? by, until: wanted.until };
  }

  #refuse(found: Schedule, changes: FieldChange[]): void {
    const { belongs, wayOut } = ownerSentence(found);
    const reason = `It ${belongs}, and not to ${ownerText(this.#document.home)}.`;
    this.#say("refused", { ...found, definition: found }, { changes, reason, hint: wayOut });
  }

  #say(
    action: PlanAction,
    about: { id: string | null; owner: Schedule["owner"]; definition: { name: string } },
    more: Partial<PlanLine> = {},
  ): void {
    const { id, owner, definition } = about;
    const line = { noun: "schedule", changes: [], reason: null, hint: null, field: null } as const;
    this.plan.lines.push({
      ...line,
      ...more,
      changes: more.changes ?? [],
      action,
      id,
      name: definition.name,
      owner: ownerText(owner),
    });
  }
}

/** What an entry is silent about stays: the name, and the grid of an interval that is the same. */
function withoutSilence(wanted: Wanted["definition"], found: Schedule, by: LocksBy): Wanted["definition"] {
  const sameSpec = JSON.stringify(wanted.spec) === JSON.stringify(found.spec);
  const anchor = wanted.anchor ?? (sameSpec ? found.anchor : null);
  return { ...wanted, name: wanted.name || found.name, anchor: gridOf(by, { ...wanted, anchor }) };
}

/** Hosts that share locks share grids, whatever a document says that comes from another host. */
function gridOf(by: LocksBy, { anchor, ...definition }: Wanted["definition"]): number | null {
  return anchor === null ? null : gridAnchor(by, definition, anchor);
}

function pauseChange(
  { pause }: Schedule,
  to: { note: string; by: string; until: number | null } | null,
): FieldChange {
  return { field: "paused", from: pause && pauseFields(pause), to: to && pauseFields(to) };
}

/** A pause that would have ended by now. */
function isOver(pause: Wanted["pause"], now: number): boolean {
  return typeof pause === "object" && pause !== null && pause.until !== null && pause.until <= now;
}

function differences(before: Fields, after: Fields): FieldChange[] {
  const fields = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...fields].flatMap((field): FieldChange[] => {
    const [from, to] = [before[field] ?? null, after[field] ?? null];
    return Bun.deepEquals(from, to) ? [] : [{ field, from, to }];
  });
}

/** What is said about a schedule that is made: what it runs, and when. */
function shortFields({ definition }: Wanted): Fields {
  const { handler = null, every = null, cron = null, at = null } = definitionFields(definition);
  return { handler, every, cron, at };
}

/** A named blackout as a document states it. */
export function blackoutFields({ timezone, description, ranges }: Omit<NewBlackout, "name">): Fields {
  return {
    ...(timezone !== "UTC" && { timezone }),
    ...(description !== "" && { description }),
    ranges: ranges.map(({ from, to, note }) => ({ from, to, ...(note !== "" && { note }) })),
  };
}
