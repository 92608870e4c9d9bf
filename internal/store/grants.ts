/** Grants in the store: what people said about single capabilities of plugins. */
import type { Grant } from "../access/grants.ts";

export interface GrantStore {
  /** All of them: some per plugin that is no plain one. */
  all(): Promise<Grant[]>;
  /** Says it; the last word about a capability stands. Returns it with its time. */
  say(grant: Omit<Grant, "at">): Promise<Grant>;
  /** Forgets what was said about a plugin. */
  forget(plugin: string): Promise<void>;
}
