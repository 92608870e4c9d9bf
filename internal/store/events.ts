/** The seam of events: what a person must hear although nobody asked. */
import type { Event, EventKind, NewEvent } from "../event/event.ts";
import type { Page, PageRequest } from "./page.ts";
import type { PruneRequest, Pruned } from "./prune.ts";

export interface EventFilter {
  kind?: EventKind | undefined;
  subject?: string | undefined;
  /** Only events with a greater `seq`, the oldest first: for who follows. Absent: all, the newest first. */
  after?: number | undefined;
}

export interface EventStore {
  /** Writes an event. Of all that were ever written, the newest are kept. */
  add(event: NewEvent): Promise<Event>;
  list(filter: EventFilter, page: PageRequest): Promise<Page<Event>>;
  /** Removes the oldest events, as far as they are from before then. */
  prune(request: PruneRequest): Promise<Pruned>;
}
