/**
 * Keeper: the small process in front of the host. Whoever of the two survives
 * the other ends everything that the host has started.
 *
 *   qntx serve (keeper) ──► host ──► plugins ──► whatever they start
 *
 * The keeper is the subreaper of all these: a process whose parent dies becomes
 * the keeper's child and can be found, also when it has a session of its own.
 * PDEATHSIG alone is not enough: it reaches children only, and it follows the
 * thread that spawned them. Between keeper and host is a pipe on which nothing
 * is said; its end says that the keeper is gone.
 *
 * Killed together, they leave what `leftovers.ts` ends at the next start. Linux
 * only; elsewhere the host runs without a keeper.
 */
import { constants } from "node:os";
import type { Env } from "../base/env.ts";
import { removeEmptyCgroups } from "./cgroup.ts";
import { type Libc, openLibc } from "./libc.ts";
import { allProcesses, descendantsOf, isIgnored, killUntilNone, signal } from "./proc.ts";

/** Tells the host the pid of its keeper. */
export const KEEPER_VARIABLE = "QNTX_KEEPER";
const LIFELINE_FD = 3; // The first after stdin, stdout and stderr.
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SIGNAL_BASE = 128; // As shells tell a death by signal.

/** True when this machine lets a keeper do its work. */
export function canKeep(): boolean {
  return openLibc() !== null;
}

/**
 * Runs `argv` as the host until it ends, then ends all that it has left behind.
 * Resolves with the exit code for this process. Throws when it cannot be spawned.
 */
export async function runKeeper(
  env: Env,
  { argv, vars }: { argv: readonly string[]; vars: NodeJS.ProcessEnv },
): Promise<number> {
  const libc = openLibc();
  libc?.becomeSubreaper();
  let hostPid = 0;
  const forward = (name: NodeJS.Signals) => {
    if (hostPid > 0) signal(hostPid, name);
  };
  const forwarded = FORWARDED.filter((name) => !isIgnored(name)); // By nohup, for one.
  // Before the host is there, so that no signal falls between.
  for (const name of forwarded) process.on(name, forward);

  // A session of its own: Ctrl-C in a terminal must reach the host once, through us, and not twice.
  const host = Bun.spawn([...argv], {
    env: { ...vars, [KEEPER_VARIABLE]: String(process.pid) },
    stdio: ["inherit", "inherit", "inherit", "pipe"],
    detached: true,
  });
  hostPid = host.pid;
  const reap = () => reapAdopted(libc, hostPid);
  process.on("SIGCHLD", reap);
  await host.exited;
  hostPid = 0;

  await killUntilNone(env, () => {
    reap();
    return descendantsOf(process.pid);
  });
  process.off("SIGCHLD", reap);
  for (const name of forwarded) process.off(name, forward);
  removeEmptyCgroups(); // A host that was killed had no time to.
  return host.signalCode === null ? (host.exitCode ?? 1) : SIGNAL_BASE + signalNumber(host.signalCode);
}

/**
 * Calls `onGone` when this process has a keeper and loses it. Returns false
 * when it has none. The host must then end what it has started, and itself.
 */
export function watchKeeper(vars: NodeJS.ProcessEnv, onGone: () => void): boolean {
  const keeper = vars[KEEPER_VARIABLE];
  if (keeper === undefined) return false;
  // Somebody else is our parent already: it was gone before we could look.
  if (keeper !== String(process.ppid)) onGone();
  else void drain(LIFELINE_FD).then(onGone);
  return true;
}

/** Resolves when the other end is closed. */
async function drain(fd: number): Promise<void> {
  try {
    for await (const _ of Bun.file(fd).stream()) continue;
  } catch {
    // A pipe that cannot be read is no lifeline either.
  }
}

/** Takes the dead among the children that we did not spawn; Bun takes its own. */
function reapAdopted(libc: Libc | null, hostPid: number): void {
  for (const { pid, ppid, state } of allProcesses()) {
    if (ppid === process.pid && pid !== hostPid && state === "Z") libc?.reap(pid);
  }
}

function signalNumber(name: string | number): number {
  if (typeof name === "number") return name;
  const signals: Record<string, number> = constants.signals;
  return signals[name] ?? 0;
}
