/**
 * Session: one process of one plugin that has become ready, with its
 * connection, its proxy and its token, until all of that is gone.
 */
import type { Env } from "../base/env.ts";
import { type CleanupReason, cleanUp } from "./cleanup.ts";
import type { Connection } from "./connection.ts";
import type { PluginSource } from "./find.ts";
import type { Announcement, Warn } from "./guard.ts";
import type { PluginLimits } from "./limits.ts";
import { orNothing } from "./patience.ts";
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
  /** Its values, as it was given them. */
  config: Readonly<Record<string, string>>;
  /** What it calls back with. */
  token: string;
  /** Tells it what others provide, where that has changed. */
  renew: () => Promise<void>;
  version: string;
  description: string;
  host: { env: Env; limits: PluginLimits };
  warn: Warn;
  /** Ends everything that the session holds, in the reverse order of its making. */
  holdings: AsyncDisposableStack;
}

export class Session {
  readonly source: PluginSource;
  readonly process: PluginProcess | null;
  readonly connection: Connection;
  readonly proxy: PluginProxy;
  readonly announcement: Announcement;
  readonly config: Readonly<Record<string, string>>;
  readonly token: string;
  readonly renew: () => Promise<void>;
  readonly version: string;
  readonly description: string;
  /** Resolves as soon as the process is dead, or the plugin elsewhere is no longer connected, with how it ended. */
  readonly over: Promise<string>;
  readonly #host: SessionParts["host"];
  readonly #warn: Warn;
  readonly #holdings: AsyncDisposableStack;
  #isOver = false;

  constructor(parts: SessionParts) {
    this.source = parts.source;
    this.process = parts.process;
    this.connection = parts.connection;
    this.proxy = parts.proxy;
    this.announcement = parts.announcement;
    this.config = parts.config;
    this.token = parts.token;
    this.renew = parts.renew;
    this.version = parts.version;
    this.description = parts.description;
    this.#host = parts.host;
    this.#warn = parts.warn;
    this.#holdings = parts.holdings;
    this.over =
      parts.process === null
        ? parts.connection.disconnected().then(() => "its connection was lost")
        : parts.process.exited.then((exit) => `its process ended with ${exitText(exit)}`);
    void this.over.then(() => (this.#isOver = true));
  }

  /** Lets the plugin clean up and asks it to end, then sees to it. What still runs in it goes back. */
  async shutdown(reason: CleanupReason): Promise<void> {
    const { limits } = this.#host;
    this.proxy.interrupt();
    if (this.announcement.described) await this.#cleanUp(reason);
    // A plugin elsewhere is not ours to end: the channel is closed, and it goes on.
    if (this.process !== null) await this.connection.shutdown(limits.shutdownMs);
    await this.close("stopped", "The plugin was stopped.");
  }

  async #cleanUp(reason: CleanupReason): Promise<void> {
    const { env, limits } = this.#host;
    await orNothing(env, limits.interruptMs, Promise.race([this.proxy.idle(), this.over]));
    if (this.#isOver) return;
    const about = { plugin: this.source.name, reason, budgetMs: limits.cleanupMs, warn: this.#warn };
    await cleanUp(this.connection, about);
  }

  /** Ends the process without asking, and waits until nothing of it is left. Safe to call twice. */
  async close(cause: DeathCause, message: string): Promise<void> {
    this.proxy.died(cause, message);
    await this.#holdings.disposeAsync();
  }
}
