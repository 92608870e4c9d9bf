/** The seam of watchers: attestations that match become jobs, in the transaction that writes them. */
import type { Watcher, WatcherProgress } from "../ats/watcher.ts";

/** A watcher, and how far it has come. */
export type KeptWatcher = Watcher & WatcherProgress;

/** What catching up came to. */
export interface CaughtUp {
  /** Jobs. */
  made: number;
  /** True when some could go on at once. */
  more: boolean;
}

export interface WatcherStore {
  /** True while there is one: who writes attestations may have made jobs then. */
  readonly any: boolean;
  /** Makes the watchers of a plugin exactly these. One that was there goes on from where it is; a new one begins now. */
  declare(plugin: string, watchers: readonly Omit<Watcher, "plugin">[]): Promise<void>;
  /** Takes away the watchers of all plugins but these. */
  keep(plugins: readonly string[]): Promise<void>;
  /** Those of a plugin, by id. */
  of(plugin: string): Promise<KeptWatcher[]>;
  /** Makes jobs for what those that are behind have not come to, as far as their rates allow; looks at up to `limit` attestations of each. */
  catchUp(limit: number): Promise<CaughtUp>;
}
