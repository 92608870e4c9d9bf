/**
 * Session: one process of one plugin that has become ready, with its
 * connection, its proxy and its token, until all of that is gone.
 */
import type { Connection } from "./connection.ts";
import type { PluginSource } from "./find.ts";
import type { Announcement } from "./guard.ts";
import type { PluginLimits } from "./limits.ts";
import { exitText, type PluginProcess } from "./process.ts";
import type { DeathCause, PluginProxy } from "./proxy.ts";

/** What `openSession` has put together. */
export interface SessionParts {
  source: PluginSource;
  /** Null for a plugin that runs elsewhere. */
  process: PluginProcess | null;
  connection: Connection;
  proxy: PluginProxy;
  announcement: Announcement;
  version: string;
  description: string;
  limits: PluginLimits;
  /** Ends everything that the session holds, in the reverse order of its making. */
  holdings: AsyncDisposableStack;
}

export class Session {
  readonly source: PluginSource;
  readonly process: PluginProcess | null;
  readonly connection: Connection;
  readonly proxy: PluginProxy;
  readonly announcement: Announcement;
  readonly version: string;
  readonly description: string;
  /** Resolves as soon as the process is dead, or the plugin elsewhere is no longer connected, with how it ended. */
  readonly over: Promise<string>;
  readonly #limits: PluginLimits;
  readonly #holdings: AsyncDisposableStack;

  constructor(parts: SessionParts) {
    this.source = parts.source;
    this.process = parts.process;
    this.connection = parts.connection;
    this.proxy = parts.proxy;
    this.announcement = parts.announcement;
    this.version = parts.version;
    this.description = parts.description;
    this.#limits = parts.limits;
    this.#holdings = parts.holdings;
    this.over =
      parts.process === null
        ? parts.connection.disconnected().then(() => "its connection was lost")
        : parts.process.exited.then((exit) => `its process ended with ${exitText(exit)}`);
  }

  /** Asks the plugin to end, then sees to it. Settles what still runs in it as `cause` says. */
  async shutdown(cause: DeathCause): Promise<void> {
    this.proxy.interrupt();
    // A plugin elsewhere is not ours to end: the channel is closed, and it goes on.
    if (this.process !== null) await this.connection.shutdown(this.#limits.shutdownMs);
    await this.close(cause, "The plugin was stopped.");
  }

  /** Ends the process without asking, and waits until nothing of it is left. Safe to call twice. */
  async close(cause: DeathCause, message: string): Promise<void> {
    this.proxy.died(cause, message);
    await this.#holdings.disposeAsync();
  }
}
