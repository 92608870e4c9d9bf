/** Locks: from the configuration to who is asked for them, and the check that it is there when all plugins are settled. */
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { LockKeeper } from "../config/locks.ts";
import type { Plugins } from "../plugins/plugins.ts";
import { NO_LOCKS } from "../pulse/locker.ts";
import type { LockProvider } from "../store/locks.ts";
import type { Store } from "../store/store.ts";

export interface Locks {
  /** A plugin's name, "store" or "none". */
  name: string;
  provider: LockProvider;
  /** Resolves when it may be asked. */
  ready(): Promise<void>;
}

/** Who is asked for locks. The plugins may not be made yet. */
export function locksOf(keeper: LockKeeper, { locks }: Pick<Store, "locks">, plugins: () => Plugins): Locks {
  if (keeper === "store") return { name: keeper, provider: locks, ready: async () => {} };
  if (keeper === "none") return { name: keeper, provider: NO_LOCKS, ready: async () => {} };
  const name = keeper.plugin;
  const plugin = () => plugins().locks(name);
  const provider: LockProvider = {
    tryLock: async (wish) => plugin().tryLock(wish),
    renew: async (token, ttlMs) => plugin().renew(token, ttlMs),
    release: async (token) => plugin().release(token),
  };
  return { name, provider, ready: () => plugins().settled };
}

/** Throws a Fault when the plugin that should keep the locks has not started, or keeps none. One that is late is waited for. */
export function checkLockKeeper(keeper: LockKeeper, plugins: Plugins, log: Log): void {
  if (typeof keeper === "string") return;
  const name = keeper.plugin;
  const { state, reason } = plugins.status(name);
  const announcement = plugins.announcementOf(name);
  if (announcement?.lockProvider) return;
  if (announcement) {
    throw new Fault(
      "config",
      `locks.provider is "${name}", but that plugin says that it provides no locks.`,
      {
        hint: "Name one that does, such as redis-lock.",
      },
    );
  }
  if (state === "late" || state === "starting") {
    log.warn("the lock provider is late; schedules that need a lock wait for it", { plugin: name });
    return;
  }
  throw new Fault(
    "config",
    `locks.provider is "${name}", and that plugin has not started: ${reason || state}`,
    {
      hint: "Schedules would wait for ever; mend it, or name another provider.",
    },
  );
}
