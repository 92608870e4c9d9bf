/**
 * References: how people name things. A schedule by its name or id, a job by its
 * id; an id may be shortened to a beginning or, better, an end that is its own.
 * For a plugin, what is not its own does not exist.
 */
import { grantLine } from "../access/capability.ts";
import { Fault, shown } from "../base/fault.ts";
import { ID_PATTERN, SHORT_ID_LENGTH } from "../base/id.ts";
import type { Job } from "../job/job.ts";
import { laneOf, partsOf } from "../job/lane.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { WhoseJob } from "../store/jobs.ts";
import type { WhoseSchedule } from "../store/schedules.ts";
import type { Context } from "./operation.ts";

const PART_CHARS_MIN = 4; // Shorter ends are typing mistakes more often than ids.
const CANDIDATES_MAX = 10;

/** The schedule that is meant. Throws a Fault when none or several are. */
export async function resolveSchedule(context: Context, reference: string): Promise<Schedule> {
  const { schedules } = context.store;
  const exact = ID_PATTERN.test(reference)
    ? await visible(context, schedules, reference, mayTouchSchedule)
    : null;
  if (exact) return exact;
  const named = (await schedules.named(reference)).filter((schedule) => mayTouchSchedule(context, schedule));
  if (named.length > 1) throw ambiguous("schedule", reference, named.map(describeSchedule));
  const part = reference.length >= PART_CHARS_MIN && context.principal.kind !== "plugin";
  // A plugin may name its schedule like the end of another's id, which is what screens show.
  const likeId = reference.length === SHORT_ID_LENGTH;
  const ids =
    part && (!named[0] || likeId) ? await schedules.find(reference.toUpperCase(), CANDIDATES_MAX) : [];
  const others = ids.filter((id) => id !== named[0]?.id);
  if (named[0] && others.length > 0)
    throw ambiguous("schedule", reference, [describeSchedule(named[0]), ...others]);
  if (named[0]) return named[0];
  if (ids.length > 1) throw ambiguous("schedule", reference, ids);
  const found = ids[0] ? await schedules.get(ids[0]) : null;
  if (found) return found;
  throw new Fault("not-found", `There is no schedule ${shown(reference)}.`, {
    hint: "qntx schedule list shows them.",
  });
}

/** The job that is meant. Throws a Fault when none or several are. */
export async function resolveJob(context: Context, reference: string): Promise<Job> {
  const { jobs } = context.store;
  const exact = await visible(context, jobs, reference, mayTouchJob);
  if (exact) return exact;
  const part = reference.length >= PART_CHARS_MIN && context.principal.kind !== "plugin";
  const ids = part ? await jobs.find(reference.toUpperCase(), CANDIDATES_MAX) : [];
  if (ids.length > 1) throw ambiguous("job", reference, ids);
  const found = ids[0] ? await jobs.get(ids[0]) : null;
  if (found) return found;
  throw new Fault("not-found", `There is no job ${shown(reference)}.`, { hint: "qntx job list shows them." });
}

/** The `owner` of what a principal makes. */
export function ownerOf({ principal }: Pick<Context, "principal">): {
  kind: "person" | "plugin";
  name: string;
} {
  if (principal.kind === "plugin") return { kind: "plugin", name: principal.plugin };
  return { kind: "person", name: principal.kind === "operator" ? principal.name : "host" };
}

/** What has an id, if whoever asks may see it. Another's is not even read: that would take longer than to find nothing. */
async function visible<Thing, Whose>(
  context: Context,
  store: { get(id: string): Promise<Thing | null>; whose(id: string): Promise<Whose | null> },
  id: string,
  mayTouch: (context: Context, whose: Whose) => boolean,
): Promise<Thing | null> {
  if (context.principal.kind !== "plugin") return store.get(id);
  const whose = await store.whose(id);
  return whose && mayTouch(context, whose) ? store.get(id) : null;
}

function mayTouchSchedule({ principal }: Context, { owner, tenant }: WhoseSchedule): boolean {
  if (principal.kind !== "plugin") return true;
  return owner.kind === "plugin" && owner.name === principal.plugin && tenant === principal.tenant;
}

/** A plugin's jobs: those it enqueued, those of its schedules, and those of its handlers. */
export function mayTouchJob(context: Context, job: WhoseJob): boolean {
  const { principal } = context;
  if (principal.kind !== "plugin") return true;
  if (job.tenant !== principal.tenant) return false;
  return job.owner === `plugin:${principal.plugin}` || runsLane(context, laneOf(job));
}

/** True when the plugin that asks runs the jobs of a lane, or did last. */
export function runsLane({ principal, host }: Pick<Context, "principal" | "host">, lane: string): boolean {
  return principal.kind === "plugin" && host?.plugins.offers(lane)?.plugin === principal.plugin;
}

/** Without `cap:queue.enqueue-any`, a plugin has jobs run by its own handlers alone: those it runs, or will by their name. */
export function refuseForeignHandler(context: Context, lane: string): void {
  const { principal, host } = context;
  if (principal.kind !== "plugin" || principal.capabilities.has("cap:queue.enqueue-any")) return;
  const { plugin } = principal;
  const offered = host?.plugins.offers(lane);
  const named = partsOf(lane);
  const isNamed = named.plugin === "" ? named.handler.startsWith(`${plugin}.`) : named.plugin === plugin;
  if (offered ? offered.plugin === plugin : isNamed) return;
  throw new Fault(
    "denied",
    `Plugin ${plugin} lacks cap:queue.enqueue-any, and ${shown(lane)} is not its handler.`,
    { hint: `Grant it with: ${grantLine(plugin, ["cap:queue.enqueue-any"])}` },
  );
}

function describeSchedule({ id, name, owner }: Schedule): string {
  return `${id} (${name}, of ${owner.kind} ${owner.name})`;
}

function ambiguous(noun: string, reference: string, candidates: readonly string[]): Fault {
  return new Fault("usage", `${shown(reference)} could be several ${noun}s:\n${candidates.join("\n")}`, {
    hint: "Use one of these ids.",
  });
}
