/**
 * Leftovers: processes of an earlier run of this host that nobody could end,
 * because the host and its keeper were killed together.
 *
 * Every process is written down with its pid, its start time, the machine's boot
 * and the marker in its environment. At start, those that match are ended with
 * their sessions and descendants, and so is every process that carries the
 * marker: it is random, so nobody else has it. A pid alone never is.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Env } from "../base/env.ts";
import {
  bootName,
  descendantsOf,
  hasInEnvironment,
  isAlive,
  killUntilNone,
  processesWith,
  processInfo,
  sessionOf,
} from "./proc.ts";

/** What is written down of a process. */
export interface Entry {
  pid: number;
  startTime: string;
  boot: string;
  run: string;
}

/** The name under which a process carries the marker of the run that it belongs to. Not a secret. */
export const RUN_VARIABLE = "QNTX_RUN";
const RUN_PATTERN = /^[0-9a-f]{32}$/;

export class Leftovers {
  readonly #env: Env;
  readonly #path: string;
  readonly #entries = new Map<number, Entry>();

  /** `path` is the file in the data folder; only the one host of that folder writes it. */
  constructor(env: Env, path: string) {
    this.#env = env;
    this.#path = path;
  }

  /** Makes the marker of one new process. */
  newRun(): string {
    return Buffer.from(this.#env.bytes(16)).toString("hex");
  }

  /** Writes a process down. */
  add(pid: number, run: string): void {
    this.#entries.set(pid, { pid, run, startTime: processInfo(pid)?.startTime ?? "", boot: bootName() });
    this.#write();
  }

  /** Forgets a process that is gone. */
  remove(pid: number): void {
    if (this.#entries.delete(pid)) this.#write();
  }

  /** Ends what an earlier host left behind. Returns how many processes that were. */
  async end(): Promise<number> {
    const entries = readEntries(this.#path);
    const ended = await Promise.all(entries.map((entry) => endFamily(this.#env, entry)));
    this.#write();
    return ended.reduce((sum, count) => sum + count, 0);
  }

  /** Ends every process that is written down now, and their families: the host is about to end. */
  async endPresent(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => endFamily(this.#env, entry)));
  }

  #write(): void {
    const next = `${this.#path}.next`;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(next, JSON.stringify([...this.#entries.values()]), { mode: 0o600 });
      renameSync(next, this.#path);
    } catch {
      // A full disk must not end the host: its keeper still sees to the processes.
    }
  }
}

/**
 * True when a process that was found is the one that was written down. Pid and
 * start time name it within one boot; where we may see the marker (`null` when
 * not) it must be there too.
 */
export function isSame(
  entry: Entry,
  found: { startTime: string; boot: string; hasMarker: boolean | null },
): boolean {
  return found.startTime === entry.startTime && found.boot === entry.boot && found.hasMarker !== false;
}

async function endFamily(env: Env, entry: Entry): Promise<number> {
  const leader = processInfo(entry.pid);
  const hasMarker = hasInEnvironment(entry.pid, RUN_VARIABLE, entry.run);
  const isOurs = leader && isSame(entry, { startTime: leader.startTime, boot: bootName(), hasMarker });
  const family = isOurs ? [leader, ...descendantsOf(entry.pid), ...sessionOf(entry.pid)] : [];
  return killUntilNone(env, () => [...family.filter(isAlive), ...processesWith(RUN_VARIABLE, entry.run)]);
}

/** A file that cannot be read as ours says nothing. */
function readEntries(path: string): Entry[] {
  try {
    const list: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(list) ? list.filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(value: unknown): value is Entry {
  return (
    typeof value === "object" &&
    value !== null &&
    "pid" in value &&
    Number.isSafeInteger(value.pid) &&
    Number(value.pid) > 1 &&
    "startTime" in value &&
    typeof value.startTime === "string" &&
    "boot" in value &&
    typeof value.boot === "string" &&
    "run" in value &&
    typeof value.run === "string" &&
    RUN_PATTERN.test(value.run)
  );
}
