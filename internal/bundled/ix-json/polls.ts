/**
 * Polls: what was activated, kept in attestations, fired by schedules.
 *
 * There is no ticker here. Activate makes a schedule of the host and writes
 * `<poll id> poll` with the schedule's id in it; Pause, Resume and Delete look
 * the id up there, call the scheduler, and write a newer attestation with the
 * new state. Each step may be repeated after a crash in its middle: the
 * schedule is found again by its name, which is the poll's id.
 *
 *     active ⇄ paused ─→ deleted ─→ active (activated again, with a new schedule)
 */
import type { Attestation, Host, Schedule } from "../../../sdk/typescript/qntx.ts";
import { pollIdOf, type PollRequest } from "./request.ts";

export interface Poll {
  id: string;
  name: string;
  url: string;
  every: string;
  mapping: unknown;
  scheduleId: string;
  state: PollState;
  /** ISO 8601; empty when it will not run. */
  nextRunAt: string;
}

export type PollState = "active" | "paused" | "deleted";

/** What became of a wish: done, or why it could not be. */
export type Outcome = { poll: Poll } | { refused: "exists"; poll: Poll } | { refused: "unknown" | "gone" };

const HANDLER = "ix-json.poll";
const STATEMENT = { predicates: ["poll"], contexts: ["ix-json"], actors: ["ix-json"] };
const STATEMENTS_READ_MAX = 5_000; // Every change of state is one; older polls than these fall off the list.

/** Starts polling. The same words again are refused while their poll is there. */
export async function activate(host: Host, request: PollRequest): Promise<Outcome> {
  const { every, ...payload } = request;
  const id = pollIdOf(request);
  const existing = await getPoll(host, id);
  if (existing && existing.state !== "deleted") return { refused: "exists", poll: existing };
  const schedule = await host.scheduler.upsert({
    name: id,
    handler: HANDLER,
    every,
    payload,
    description: `Polls ${request.name || request.url}`,
    metadata: { poll: id },
  });
  const { name, url, mapping } = request;
  const poll = { id, name, url, every, mapping, scheduleId: schedule.id };
  return { poll: await keep(host, { ...poll, state: "active", nextRunAt: schedule.nextRunAt }) };
}

/** Stops it from running until it is resumed. */
export function pause(host: Host, id: string): Promise<Outcome> {
  return change(host, id, "paused", (scheduleId) => host.scheduler.pause(scheduleId, "Paused in ix-json"));
}

/** Lets a paused poll run again. */
export function resume(host: Host, id: string): Promise<Outcome> {
  return change(host, id, "active", (scheduleId) => host.scheduler.resume(scheduleId));
}

/** Ends a poll. What it has written stays. */
export async function remove(host: Host, id: string): Promise<Outcome> {
  const poll = await getPoll(host, id);
  if (!poll) return { refused: "unknown" };
  const schedule = await livingSchedule(host, poll.scheduleId);
  if (schedule) await host.scheduler.delete(schedule.id);
  return { poll: await keep(host, { ...poll, state: "deleted", nextRunAt: "" }) };
}

/** One poll, deleted ones too; undefined when there never was one. */
export async function getPoll(host: Host, id: string): Promise<Poll | undefined> {
  const [newest] = await host.ats.query({ ...STATEMENT, subjects: [id], limit: 1 });
  const poll = newest && readPoll(newest);
  return poll && withSchedule(poll, await livingSchedule(host, poll.scheduleId));
}

/** The polls that are not deleted, last changed first. */
export async function listPolls(host: Host): Promise<Poll[]> {
  const statements = await host.ats.query({ ...STATEMENT, limit: STATEMENTS_READ_MAX });
  const schedules = await host.scheduler.list({ handler: HANDLER });
  const byId = new Map(schedules.map((schedule) => [schedule.id, schedule]));
  const newest = new Map<string, Poll>();
  for (const poll of statements.flatMap((statement) => readPoll(statement) ?? [])) {
    if (!newest.has(poll.id)) newest.set(poll.id, poll);
  }
  return [...newest.values()]
    .filter((poll) => poll.state !== "deleted")
    .map((poll) => withSchedule(poll, byId.get(poll.scheduleId)));
}

async function change(
  host: Host,
  id: string,
  state: "active" | "paused",
  call: (scheduleId: string) => Promise<Schedule>,
): Promise<Outcome> {
  const poll = await getPoll(host, id);
  if (!poll) return { refused: "unknown" };
  const schedule = await livingSchedule(host, poll.scheduleId);
  if (!schedule || poll.state === "deleted") return { refused: "gone" };
  const { nextRunAt } = schedule.state === state ? schedule : await call(schedule.id);
  return { poll: await keep(host, { ...poll, state, nextRunAt }) };
}

async function livingSchedule(host: Host, id: string): Promise<Schedule | undefined> {
  const schedule = await host.scheduler.get(id);
  return schedule?.state === "deleted" ? undefined : schedule;
}

/** Writes the poll as it is now, unless that is what was written last. */
async function keep(host: Host, poll: Poll): Promise<Poll> {
  const { id, nextRunAt: _, ...attributes } = poll;
  const [newest] = await host.ats.query({ ...STATEMENT, subjects: [id], limit: 1 });
  const before = newest && readPoll(newest);
  if (before?.state === poll.state && before.scheduleId === poll.scheduleId) return poll;
  await host.ats.create({ ...STATEMENT, subjects: [id], attributes });
  return poll;
}

/** The schedule is what fires: where it was paused or resumed by other hands, its state counts. */
function withSchedule(poll: Poll, schedule: Schedule | undefined): Poll {
  if (!schedule || poll.state === "deleted") return poll;
  const state = schedule.state === "active" || schedule.state === "paused" ? schedule.state : poll.state;
  return { ...poll, state, every: schedule.every || poll.every, nextRunAt: schedule.nextRunAt };
}

function readPoll({ subjects: [id], attributes }: Attestation): Poll | undefined {
  const { name, url, every, mapping, scheduleId, state }: Record<string, unknown> = attributes;
  const texts = [url, every, scheduleId].every((text) => typeof text === "string");
  if (id === undefined || !texts || !isState(state)) return undefined;
  return {
    id,
    state,
    nextRunAt: "",
    mapping: mapping ?? null,
    name: typeof name === "string" ? name : "",
    url: String(url),
    every: String(every),
    scheduleId: String(scheduleId),
  };
}

function isState(value: unknown): value is PollState {
  return value === "active" || value === "paused" || value === "deleted";
}
