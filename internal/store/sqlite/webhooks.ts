/**
 * Webhooks in SQLite. An event's row is written in the transaction that writes the
 * event. Only the first of a subject has a time: the others wait for it to leave.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Env, Millis } from "../../base/env.ts";
import { formatInstant } from "../../base/instant.ts";
import type { Event } from "../../event/event.ts";
import { type Delivery, WEBHOOK_PAUSE_MAX_MS, WEBHOOKS_WAITING_MAX, type WebhookStore } from "../webhooks.ts";
import type { SqliteEvents } from "./events.ts";
import type { GroupCommit } from "./group.ts";

type Values = Record<string, string | number | null>;

interface WebhookRow {
  seq: number;
  event_id: string;
  subject: string;
  body: string;
  attempt: number;
  created_at: number;
}

export class SqliteWebhooks implements WebhookStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #events: SqliteEvents;
  readonly #isOn: Statement<{ value: string }, []>;
  readonly #set: Statement<unknown, [Values]>;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #count: Statement<{ count: number }, []>;
  readonly #oldest: Statement<WebhookRow, []>;
  readonly #due: Statement<WebhookRow, [Values]>;
  readonly #fail: Statement<unknown, [Values]>;
  readonly #remove: Statement<WebhookRow, [Values]>;
  readonly #release: Statement<unknown, [Values]>;
  readonly #clear: Statement<unknown, []>;
  readonly #lastReason: Statement<{ reason: string }, []>;

  constructor(env: Env, db: Database, group: GroupCommit, events: SqliteEvents) {
    this.#env = env;
    this.#group = group;
    this.#events = events;
    this.#isOn = db.prepare("SELECT value FROM meta WHERE key = 'webhook'");
    this.#set = db.prepare(SET);
    this.#insert = db.prepare(INSERT);
    this.#count = db.prepare("SELECT COUNT(*) AS count FROM webhook");
    this.#oldest = db.prepare("SELECT * FROM webhook ORDER BY seq LIMIT 1");
    this.#due = db.prepare(WEBHOOKS_DUE_SQL);
    this.#fail = db.prepare(FAIL);
    this.#remove = db.prepare("DELETE FROM webhook WHERE seq = $seq RETURNING *");
    this.#release = db.prepare(RELEASE);
    this.#clear = db.prepare("DELETE FROM webhook");
    this.#lastReason = db.prepare(LAST_REASON);
    events.onAdd((event) => this.#queue(event));
  }

  enable(on: boolean): Promise<number> {
    return this.#group.write(() => {
      this.#set.run({ value: on ? "on" : "off" });
      if (on) return 0;
      const waiting = this.#count.get()?.count ?? 0;
      if (waiting === 0) return 0;
      this.#clear.run();
      const message = `${waiting} events that waited for the webhook are not sent, because none is configured any more.`;
      this.#events.addNow({ kind: "webhook.given-up", subject: "", message, data: { events: waiting } });
      return waiting;
    });
  }

  async due(limit: number): Promise<Delivery[]> {
    return this.#due.all({ now: this.#env.now(), limit }).map(readDelivery);
  }

  sent(seq: number): Promise<void> {
    return this.#group.write(() => void this.#leave(seq));
  }

  failed(seq: number, { reason, dueAt }: { reason: string; dueAt: Millis }): Promise<void> {
    return this.#group.write(() => void this.#fail.run({ seq, reason, dueAt }));
  }

  giveUp(seq: number, reason: string): Promise<void> {
    return this.#group.write(() => this.#giveUp(seq, reason));
  }

  async waiting(): Promise<{ count: number; reason: string }> {
    return { count: this.#count.get()?.count ?? 0, reason: this.#lastReason.get()?.reason ?? "" };
  }

  /** That one was given up is not sent: the other side does not answer anyway. */
  #queue(event: Event): void {
    if (event.kind === "webhook.given-up" || this.#isOn.get()?.value !== "on") return;
    const { seq, id: eventId, subject, at: now } = event;
    const body = JSON.stringify({ ...event, at: formatInstant(event.at) });
    this.#insert.run({ seq, eventId, subject, body, now });
    const tooMany = (this.#count.get()?.count ?? 0) > WEBHOOKS_WAITING_MAX;
    const oldest = tooMany ? this.#oldest.get() : null;
    if (oldest) this.#giveUp(oldest.seq, `${WEBHOOKS_WAITING_MAX} newer ones wait`);
  }

  #giveUp(seq: number, reason: string): void {
    const row = this.#leave(seq);
    if (!row) return;
    this.#events.addNow({
      kind: "webhook.given-up",
      subject: row.subject,
      message: `Event ${row.event_id} is not sent to the webhook any more, because ${reason}.`,
      data: { eventId: row.event_id, attempts: row.attempt, reason },
    });
  }

  /** The next one of its subject may be sent. */
  #leave(seq: number): WebhookRow | null {
    const row = this.#remove.get({ seq });
    if (row) this.#release.run({ subject: row.subject, now: this.#env.now() });
    return row;
  }
}

function readDelivery({ seq, event_id: eventId, subject, body, attempt, created_at }: WebhookRow): Delivery {
  return { seq, eventId, subject, body, attempt, createdAt: created_at };
}

const SET = `
  INSERT INTO meta (key, value)
  VALUES ('webhook', $value)
  ON CONFLICT (key) DO UPDATE
     SET value = excluded.value`;

const INSERT = `
  INSERT INTO webhook (seq, event_id, subject, body, created_at, due_at)
  VALUES ($seq, $eventId, $subject, $body, $now,
          CASE WHEN EXISTS (SELECT 1 FROM webhook WHERE subject = $subject) THEN NULL ELSE $now END)`;

// Further ahead than any pause lies only what was written before the clock went back.
export const WEBHOOKS_DUE_SQL = `
  SELECT *
    FROM webhook INDEXED BY webhook_due
   WHERE due_at IS NOT NULL
     AND (due_at <= $now OR due_at > $now + ${WEBHOOK_PAUSE_MAX_MS})
   ORDER BY due_at, seq
   LIMIT $limit + 0`;

const FAIL = `
  UPDATE webhook
     SET attempt = attempt + 1,
         reason  = $reason,
         due_at  = $dueAt
   WHERE seq = $seq`;

const RELEASE = `
  UPDATE webhook
     SET due_at = $now
   WHERE due_at IS NULL
     AND seq = (SELECT MIN(seq) FROM webhook WHERE subject = $subject)`;

const LAST_REASON = `
  SELECT reason
    FROM webhook
   WHERE reason <> ''
   ORDER BY seq DESC
   LIMIT 1`;
