/** Locks: who keeps the locks of schedules. A plugin that nobody starts cannot, and that is found before anything runs. */
import { BUNDLED_PLUGINS, type ConfigValues } from "./keys.ts";
import type { Problem } from "./problems.ts";
import type { Origins } from "./sources.ts";

/** The store, nobody, or the plugin of this name. */
export type LockKeeper = "store" | "none" | { readonly plugin: string };

/** Reads who keeps the locks. */
export function lockKeeper({ "locks.provider": provider }: Pick<ConfigValues, "locks.provider">): LockKeeper {
  return provider === "store" || provider === "none" ? provider : { plugin: provider };
}

/** Notes a lock provider that is no plugin of this host. */
export function checkLockPlugin(values: ConfigValues, origins: Origins, problems: Problem[]): void {
  const keeper = lockKeeper(values);
  if (typeof keeper === "string") return;
  const { plugin } = keeper;
  const bundled: readonly string[] = BUNDLED_PLUGINS;
  if (bundled.includes(plugin) || values["plugin.enabled"].includes(plugin)) return;
  problems.push({
    where: origins["locks.provider"].where,
    message: `locks.provider is "${plugin}", but no plugin of that name is enabled.`,
    hint: 'Add it to [plugin] enabled, or use "redis-lock", "store" or "none".',
  });
}
