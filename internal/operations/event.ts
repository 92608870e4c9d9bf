/** What can be asked about events. */
import { z } from "zod";
import { fieldFault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { nearest } from "../base/suggest.ts";
import { type Event, EVENT_KINDS, type EventData, type EventKind, isEventKind } from "../event/event.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";

/** An event as every face shows it. */
export interface EventView {
  seq: number;
  id: string;
  at: string;
  kind: EventKind;
  subject: string;
  message: string;
  data: EventData;
}

export const eventList = operation({
  name: "event.list",
  summary: "List what happened that somebody should know, newest first",
  input: z.strictObject({
    kind: z.string().max(100).optional(),
    /** A schedule by its name or id, or whatever else an event is about, as it is written there. */
    subject: z.string().max(200).optional(),
    /** Only events behind this `seq`, oldest first: for who follows. */
    after: z.int().min(0).optional(),
    ...pageInput,
  }),
  async run(context, { kind, subject, after, ...page }) {
    const about = subject === undefined ? undefined : await subjectOf(context, subject);
    const { items, cursor } = await context.store.events.list(
      { kind: kind === undefined ? undefined : readKind(kind), subject: about, after },
      pageRequest(page),
    );
    return { events: items.map(viewEvent), cursor };
  },
});

export const eventOperations = [eventList];

function viewEvent({ at, ...event }: Event): EventView {
  return { ...event, at: formatInstant(at) };
}

function readKind(text: string): EventKind {
  if (isEventKind(text)) return text;
  const meant = nearest(text, Object.keys(EVENT_KINDS));
  const hint = meant
    ? `Did you mean ${meant}?`
    : "Kinds are like plugin.failed or schedule.objective-missed.";
  throw fieldFault("kind", `${shown(text)} is no kind of event.`, hint);
}

/** Events name a schedule by its id, people by its name. */
async function subjectOf({ store }: Context, subject: string): Promise<string> {
  const [schedule, ...others] = await store.schedules.named(subject);
  return schedule && others.length === 0 ? schedule.id : subject;
}
