/**
 * PluginEvents: says when a plugin is given up on, and when it is back. What was said
 * last is read from the store, so that a host that starts again repeats nothing.
 */
import { messageOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { NewEvent } from "../event/event.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { EventStore } from "../store/events.ts";

export class PluginEvents {
  readonly #log: Log;
  readonly #events: EventStore;
  /** One after the other: what is said next depends on what was said last. */
  #said: Promise<void> = Promise.resolve();

  constructor(log: Log, events: EventStore) {
    this.#log = log;
    this.#events = events;
  }

  /** Its state, handlers or conflicts changed. */
  changed({ name, state }: PluginStatus): void {
    if (state !== "ready") return;
    const message = `Plugin ${name} is ready again.`;
    this.#say({ kind: "plugin.recovered", subject: name, message, data: {} });
  }

  /** It is not started again until somebody has done something. */
  gaveUp(name: string, reason: string): void {
    const message = `Plugin ${name} is not started again until somebody helps: ${reason}`;
    this.#say({ kind: "plugin.failed", subject: name, message, data: { reason } });
  }

  /** Resolves when everything is written. */
  settled(): Promise<void> {
    return this.#said;
  }

  #say(event: NewEvent): void {
    this.#said = this.#said.then(async () => {
      try {
        if (await this.#isNews(event)) await this.#events.add(event);
      } catch (error) {
        const { kind } = event;
        this.#log.error("an event could not be written", { event: kind, error: messageOf(error) });
      }
    });
  }

  async #isNews({ kind, subject, message }: NewEvent): Promise<boolean> {
    const { items } = await this.#events.list({ subject }, { limit: 1 });
    const [last] = items;
    if (kind === "plugin.recovered") return last?.kind === "plugin.failed";
    return last?.kind !== kind || last.message !== message;
  }
}
