/** Proof: what a new version of a plugin must do before it takes the place of the old one. */
import { formatDuration } from "../base/duration.ts";
import type { Env } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import type { Announcement } from "./guard.ts";
import type { PluginLimits } from "./limits.ts";
import { orNothing } from "./patience.ts";
import type { Supervisor } from "./supervisor.ts";

const PROOF_LINES = 10; // Of what it said: a screen of it.

/** What whoever asks for an upgrade does in between. Each may throw, and the old version goes on. */
export interface UpgradeSteps {
  /** Refuses what the new version says of itself. */
  accept(next: Announcement): Promise<void>;
  /** Writes down that it is taken, which a host that is killed afterwards starts with. */
  keep(): Promise<void>;
}

/** Starts it, and waits until it is ready and has held out for a while. Throws a Fault that says why it has not. */
export async function proven(
  next: Supervisor,
  { env, limits }: { env: Env; limits: PluginLimits },
): Promise<Announcement> {
  next.start();
  await orNothing(env, limits.startupMs, next.settled());
  const { session } = next;
  const died = session && (await orNothing(env, limits.proofMs, session.over));
  if (session && died === undefined) return session.announcement;
  const { state, reason, lastLines } = next.status();
  const why =
    reason || (died ? `${died}.` : `It was still ${state} after ${formatDuration(limits.startupMs)}.`);
  // Why one did not come to be ready has its last lines in it already.
  const said =
    session || reason === ""
      ? lastLines
          .slice(-PROOF_LINES)
          .map((line) => `\n${line}`)
          .join("")
      : "";
  throw new Fault("failed", `The new version of plugin ${next.name} does not run: ${why}`, {
    hint: `The old one goes on.${said === "" ? "" : ` The new one said last:${said}`}`,
  });
}
