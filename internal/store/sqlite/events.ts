/**
 * Events in SQLite: written in the transaction that makes them true, and read by
 * who looks or follows. Each new one takes the place of the oldest beyond the limit.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env } from "../../base/env.ts";
import { newId } from "../../base/id.ts";
import { type Event, type EventData, type EventKind, EVENTS_MAX, type NewEvent } from "../../event/event.ts";
import type { EventFilter, EventStore } from "../events.ts";
import type { Page, PageRequest } from "../page.ts";
import type { Pruned, PruneRequest } from "../prune.ts";
import type { GroupCommit } from "./group.ts";
import { pageOf, readPage } from "./page.ts";
import { pruneOldest, pruneOldestSql } from "./prune-oldest.ts";

type Values = Record<string, string | number | null>;
type EventRow = Omit<Event, "data"> & { data: string };

export class SqliteEvents implements EventStore {
  readonly #env: Env;
  readonly #db: Database;
  readonly #group: GroupCommit;
  readonly #insert: Statement<EventRow, [Values]>;
  readonly #forget: Statement<unknown, [Values]>;
  readonly #last: Statement<EventRow, [Values]>;
  readonly #prune: Statement<unknown, [Values]>;
  #onAdd: (event: Event) => void = () => {};

  constructor(env: Env, db: Database, group: GroupCommit) {
    this.#env = env;
    this.#db = db;
    this.#group = group;
    this.#insert = db.prepare(INSERT);
    this.#forget = db.prepare("DELETE FROM event WHERE seq <= $seq");
    this.#last = db.prepare(LAST);
    this.#prune = db.prepare(pruneOldestSql("event"));
  }

  add(event: NewEvent): Promise<Event> {
    return this.#group.write(() => this.addNow(event));
  }

  /** Writes an event inside the running group. */
  addNow({ kind, subject, message, data }: NewEvent): Event {
    const row = this.#insert.get({
      id: newId(this.#env, "EV"),
      at: this.#env.now(),
      kind,
      subject,
      message,
      data: JSON.stringify(data),
    });
    if (!row) throw new Error("An event was just written and is not there.");
    this.#forget.run({ seq: row.seq - EVENTS_MAX });
    const event = readEvent(row);
    this.#onAdd(event);
    return event;
  }

  /** Calls back, inside the transaction, for every event that is written. */
  onAdd(onAdd: (event: Event) => void): void {
    this.#onAdd = onAdd;
  }

  prune({ before }: PruneRequest): Promise<Pruned> {
    return this.#group.write(() => pruneOldest(this.#prune, before));
  }

  /** The newest event of a kind about a subject; null when there is none. */
  last(kind: EventKind, subject: string): Event | null {
    const row = this.#last.get({ kind, subject });
    return row ? readEvent(row) : null;
  }

  async list({ kind, subject, after }: EventFilter, page: PageRequest): Promise<Page<Event>> {
    const { limit, before } = readPage(page);
    const by = subject !== undefined ? "subject" : kind !== undefined ? "kind" : "all";
    const values = { kind: kind ?? null, subject: subject ?? null, limit: limit + 1 };
    const rows =
      after === undefined
        ? this.#db.query<EventRow, Values>(EVENT_LIST_SQL[by]).all({ ...values, before })
        : this.#db
            .query<EventRow, Values>(EVENT_FOLLOW_SQL[by])
            .all({ ...values, after: page.cursor === undefined ? after : before });
    return pageOf(rows, limit, readEvent, (row) => String(row.seq));
  }
}

function readEvent({ seq, id, at, kind, subject, message, data }: EventRow): Event {
  return { seq, id, at, kind, subject, message, data: JSON.parse(data) as EventData };
}

const INSERT = `
  INSERT INTO event (id, at, kind, subject, message, data)
  VALUES ($id, $at, $kind, $subject, $message, $data)
  RETURNING *`;

const LAST = `
  SELECT *
    FROM event INDEXED BY event_subject
   WHERE subject = $subject
     AND kind    = $kind
   ORDER BY seq DESC
   LIMIT 1`;

const list = (from: string) => `
  SELECT *
    FROM ${from}
     AND seq < $before
     AND ($kind IS NULL OR kind = $kind)
   ORDER BY seq DESC
   LIMIT $limit + 0`;

const follow = (from: string) => `
  SELECT *
    FROM ${from}
     AND seq > $after
     AND ($kind IS NULL OR kind = $kind)
   ORDER BY seq
   LIMIT $limit + 0`;

const SOURCES = {
  subject: "event INDEXED BY event_subject WHERE subject = $subject",
  kind: "event INDEXED BY event_kind WHERE kind = $kind",
  all: "event WHERE $subject IS NULL",
} as const;

type By = keyof typeof SOURCES;

/** The newest first, by what leaves the fewest to look through. */
export const EVENT_LIST_SQL: Record<By, string> = {
  subject: list(SOURCES.subject),
  kind: list(SOURCES.kind),
  all: list(SOURCES.all),
};

/** The oldest first. */
export const EVENT_FOLLOW_SQL: Record<By, string> = {
  subject: follow(SOURCES.subject),
  kind: follow(SOURCES.kind),
  all: follow(SOURCES.all),
};
