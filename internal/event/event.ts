/**
 * Event: something that a person must hear although nobody asked. A log line is
 * for who looks at one process; an event is durable, has a kind that programs can
 * wait for, and a sentence for people.
 *
 * An event is said when something begins or ends, never once per try: whoever
 * writes one knows that it was not said before.
 */
import type { Millis } from "../base/env.ts";

/** Every kind, and when one is written. */
export const EVENT_KINDS = {
  "clock.suspect": "The wall clock is not believed; schedules wait.",
  "clock.believed": "The wall clock is believed again; schedules go on.",
  "clock.set": "The wall clock was set by more than a minute, or the machine slept; it is believed.",
  "schedule.paused-by-failures": "A schedule is paused, because its runs failed too often in a row.",
  "schedule.broken": "A schedule could not be evaluated, for a reason that was not said before.",
  "schedule.slow": "The runs of a schedule take longer than its interval.",
  "schedule.keeps-up": "The runs of a schedule that was slow fit into its interval again.",
  "schedule.objective-missed": "A run did not start, or did not succeed, within the time that was wanted.",
  "schedule.objective-recovered": "A later run met what an earlier one had missed.",
  "schedule.objective-dropped": "An objective that was missed is not asked for any more.",
  "schedule.repaired": "Something about a schedule that nobody would have looked after again was set right.",
  "handler.paused": "The jobs of a handler wait, because somebody said so.",
  "handler.resumed": "The jobs of a handler that was paused run again.",
  "job.broken": "A job could not be read, or how it ended, or what follows from it, not be written.",
  "plugin.failed": "A plugin is not started again until somebody has done something.",
  "webhook.given-up":
    "An event is not sent to the webhook any more: it was not taken in time, or nobody is told.",
  "plugin.recovered": "A plugin that had failed is ready.",
  "watcher.behind":
    "A watcher matches more attestations than it may run, or its plugin's queue is full: the rest waits.",
  "locks.failed": "The lock provider does not answer; schedules that need a lock wait.",
  "locks.recovered": "The lock provider answers again.",
} as const;

export type EventKind = keyof typeof EVENT_KINDS;

/** True for a word that is a kind. */
export function isEventKind(word: string): word is EventKind {
  return Object.hasOwn(EVENT_KINDS, word);
}

/** What programs may want to know beside the sentence: flat, so that any face can show it. */
export type EventData = Record<string, string | number | boolean | null>;

export interface NewEvent {
  kind: EventKind;
  /** What it is about: the id of a schedule or job, the name of a plugin; empty for the host as a whole. */
  subject: string;
  /** One sentence for people. */
  message: string;
  data: EventData;
}

export interface Event extends NewEvent {
  id: string;
  /** Grows with every event of this store. */
  seq: number;
  at: Millis;
}

export const EVENTS_MAX = 100_000; // Some 30 MB; whoever wants to keep more follows and stores them elsewhere.
