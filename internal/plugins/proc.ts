/**
 * Proc: what Linux tells about processes in /proc, and how a whole family of
 * them is ended. Elsewhere there is no /proc: the lists are empty, and only
 * process groups are ended.
 *
 * A pid alone is never believed: it may belong to somebody else by now. The
 * pair of pid and start time is a process.
 */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { type Env, type Millis, sleep } from "../base/env.ts";

/** One process at one moment. */
export interface ProcessInfo {
  pid: number;
  ppid: number;
  /** Pid of the session's first process. The number is not given again while anybody is in it. */
  session: number;
  /** `R`, `S`, `T` for stopped, `Z` for dead but not yet reaped. */
  state: string;
  /** Clock ticks since the machine's start: with the pid, a name that is never given twice. */
  startTime: string;
}

/** Reads one process; null when there is none. */
export function processInfo(pid: number): ProcessInfo | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name stands in parentheses and may hold anything, parentheses too: what follows the last one is safe.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return {
      pid,
      state: fields[0] ?? "",
      ppid: Number(fields[1]),
      session: Number(fields[3]),
      startTime: fields[19] ?? "",
    };
  } catch {
    return null;
  }
}

/** Bytes of memory that a process has now, its own and those that it shares; 0 when it is gone. */
export function allocated(pid: number): number {
  try {
    return (
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1_024
    );
  } catch {
    return 0;
  }
}

/** All processes of the machine that can be seen. */
export function allProcesses(): ProcessInfo[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names.flatMap((name) => (/^\d+$/.test(name) ? (processInfo(Number(name)) ?? []) : []));
}

/** True when this process ignores a signal, as `nohup` makes it. To be asked before a handler is installed. */
export function isIgnored(signal: NodeJS.Signals): boolean {
  try {
    const status = readFileSync("/proc/self/status", "latin1");
    const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    return ((mask >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
  } catch {
    return false; // Not Linux.
  }
}

/** Children, their children, and so on; not the process itself. */
export function descendantsOf(pid: number): ProcessInfo[] {
  const children = Map.groupBy(allProcesses(), (info) => info.ppid);
  const found: ProcessInfo[] = [];
  const visit = (parent: number) => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      visit(child.pid);
    }
  };
  visit(pid);
  return found;
}

/** Everybody in the session that a process began, also when that process is gone. */
export function sessionOf(pid: number): ProcessInfo[] {
  return allProcesses().filter(({ session }) => session === pid);
}

/** True when the process was started with `NAME=value` in its environment; null when we may not look. */
export function hasInEnvironment(pid: number, name: string, value: string): boolean | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`${name}=${value}`);
  } catch {
    return null; // It is gone, another user's, or has hidden its memory, as our own plugins do.
  }
}

/** All processes but this one that carry `NAME=value`, as far as we may look. */
export function processesWith(name: string, value: string): ProcessInfo[] {
  return allProcesses().filter(({ pid }) => pid !== process.pid && hasInEnvironment(pid, name, value));
}

/** A name for this boot of the machine; empty where there is none. */
export function bootName(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

/** True while this very process runs; a zombie has ended. */
export function isAlive({ pid, startTime }: Pick<ProcessInfo, "pid" | "startTime">): boolean {
  const info = processInfo(pid);
  return info !== null && info.startTime === startTime && info.state !== "Z";
}

/** Sends a signal to a pid, or with a negative one to a group. False when nobody is there. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Ends processes for good, if they are still those that were meant. */
export function killAll(processes: readonly ProcessInfo[]): void {
  for (const info of processes) if (isAlive(info)) signal(info.pid, "SIGKILL");
}

const KILL_ROUND_MS = 20; // Between looking again for what was forked while we killed.
const KILL_ROUNDS_MAX = 100; // Two seconds: what still lives then waits in the kernel for a disk.

/** Kills what `find` finds until it finds nothing. Returns how many processes it killed. */
export async function killUntilNone(env: Env, find: () => readonly ProcessInfo[]): Promise<number> {
  const killed = new Set<string>();
  for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
    const left = find().filter((info) => info.state !== "Z");
    if (left.length === 0) break;
    for (const info of left) killed.add(`${info.pid} ${info.startTime}`);
    killAll(left);
    await sleep(env, KILL_ROUND_MS satisfies Millis);
  }
  return killed.size;
}
