/**
 * Webhooks: events on their way to somebody else's program. A row is written with its
 * event and leaves when the other side has taken it, or when it is given up and that is
 * said; of one subject, an event is sent only after those before it have left.
 */
import type { Millis } from "../base/env.ts";

/** An event that has not been taken yet. */
export interface Delivery {
  /** Of the event. */
  seq: number;
  eventId: string;
  subject: string;
  /** JSON, the same at each try. */
  body: string;
  /** Tries so far. */
  attempt: number;
  createdAt: Millis;
}

export interface WebhookStore {
  /** Says whether events are sent from now on. Returns how many were waiting and are given up, because they are not. */
  enable(on: boolean): Promise<number>;
  /** What may be sent now: of each subject the first, those that are due for longest before the others. */
  due(limit: number): Promise<Delivery[]>;
  /** It was taken. */
  sent(seq: number): Promise<void>;
  /** It was not, and is tried again then. */
  failed(seq: number, failure: { reason: string; dueAt: Millis }): Promise<void>;
  /** It was not, and is not tried again: an event says so. */
  giveUp(seq: number, reason: string): Promise<void>;
  /** How many wait, and why the one that failed last did; empty when none has. */
  waiting(): Promise<{ count: number; reason: string }>;
}

export const WEBHOOK_PAUSE_MAX_MS: Millis = 3_600_000; // Between two tries of one event.
export const WEBHOOKS_WAITING_MAX = 10_000; // Some 5 MB. Nobody reads that many; the newer ones are worth more.
