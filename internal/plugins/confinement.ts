/**
 * Confinement: what one process of a plugin is started with so that it cannot take what
 * belongs to others: a user of its own, a cgroup, limits of the kernel for each process.
 *
 * What the machine lets us do differs: root may give users away, a cgroup may be there
 * or not. What a person has asked for by name is done or the plugin does not start; what
 * a guest gets by itself is done as far as possible, and `plugin show` says how far.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatBytes } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { FileIsolation } from "../config/file-isolation.ts";
import { GUEST_LIMITS, type HeldTo, type Isolation, type IsolationLimits } from "../plugin/isolation.ts";
import type { Cgroup, Cgroups } from "./cgroup.ts";
import { confineWords, type Rlimits } from "./confine-words.ts";
import type { PluginSource } from "./find.ts";
import { closedTo, giveFolder, namedUser, openPassage, ownUser, showFolder, type User } from "./own-user.ts";
import { allocated, descendantsOf, type ProcessInfo, processInfo } from "./proc.ts";

/** What the host has for keeping plugins apart. */
export interface IsolationSide {
  /** The words that start this program. */
  self: readonly string[];
  cgroups: Cgroups | null;
  /** What the configuration says about a plugin. */
  sectionOf(plugin: string): FileIsolation | undefined;
}

export interface ConfinementOptions {
  source: PluginSource;
  home: string;
  /** Folder of the Python SDK. */
  pythonPath: string;
  /** Names the run. */
  run: string;
  isolation: IsolationSide;
}

const DATA_SLACK_BYTES = 1_073_741_824; // Stacks of threads and reserves are counted as data, and are not memory yet.
const BY_HOST = "the host, which looks every second";
const BY_USER = "the kernel, all that its user has";
const BY_RLIMIT = "the kernel, each process for itself";

export class Confinement {
  readonly told: Isolation;
  /** The working folder. */
  readonly cwd: string;
  readonly user: User | null;
  /** True when the kernel counts the processes of its user: of use where that is this plugin's alone. */
  readonly #isByUser: boolean;
  /** Come before the program's own words. */
  readonly words: readonly string[];
  readonly #limits: IsolationLimits;
  readonly #cgroup: Cgroup | null;
  readonly #watched: Pick<IsolationLimits, "memoryBytes" | "processes">;

  /** Makes everything ready for one process. Throws a Fault when it cannot be as the configuration says. */
  constructor({ source, home, pythonPath, run, isolation }: ConfinementOptions) {
    const isGuest = source.installed === true;
    const section = isolation.sectionOf(source.name);
    const limits = limitsOf(section, isGuest);
    this.cwd = join(home, "plugins-data", keptAs(source));
    mkdirSync(this.cwd, { recursive: true, mode: 0o700 });
    const place = { source, home, cwd: this.cwd, pythonPath, self: isolation.self };
    const wanted = section?.user ?? (isGuest ? null : "host");
    const { user, note } = userFor(place, wanted);
    const { cgroups } = isolation;
    this.user = user;
    this.#limits = limits;
    this.#cgroup =
      cgroups && isLimited(limits) ? cgroups.make(`${source.name}-${run.slice(0, 12)}`, limits) : null;
    this.#isByUser = !this.#cgroup && user !== null && (wanted ?? "own") === "own";
    this.#watched = this.#cgroup ? {} : limits;
    this.words = isGuest || user ? [...isolation.self, ...confineWords(this.#rlimits())] : [];
    const told = heldTo(limits, {
      cgroups: this.#cgroup && cgroups,
      hasWords: this.words.length > 0,
      isByUser: this.#isByUser,
    });
    this.told = { user: user ? `${user.uid}${note}` : `the host's${note}`, ...told };
  }

  /** The cgroup's folder, where a process is to be started in one. */
  get cgroup(): string | null {
    return this.#cgroup?.path ?? null;
  }

  /** Environment that differs for a user who has no home of that name. */
  get vars(): Record<string, string> {
    return this.user ? { HOME: this.cwd, TMPDIR: this.cwd } : {};
  }

  /** To be called when the process is there. */
  started(): void {
    this.#cgroup?.adopt();
  }

  /** All that the kernel knows to belong to it; nothing without a cgroup. */
  members(): ProcessInfo[] {
    return this.#cgroup?.members() ?? [];
  }

  /** True when somebody has to look, because the kernel does not tell or does not see to it. */
  get isWatched(): boolean {
    return this.#cgroup !== null || isLimited(this.#watched);
  }

  /** What the kernel has refused it until now, in words. */
  refusals(): { text: string; count: number }[] {
    const { processes = 0, memory = 0 } = this.#cgroup?.refusals() ?? {};
    const { processes: most = 0, memoryBytes = 0 } = this.#limits;
    return [
      { count: processes, text: `asked for more than its ${most} processes and threads, and got none` },
      { count: memory, text: `took more than its ${formatBytes(memoryBytes)} of memory, and lost a process` },
    ].filter(({ count }) => count > 0);
  }

  /** What a process takes too much of, where only we look; empty while it does not. */
  excess(pid: number): string {
    const { memoryBytes, processes } = this.#watched;
    const family = [processInfo(pid) ?? [], descendantsOf(pid)].flat();
    if (processes !== undefined && family.length > processes)
      return `it had more than its ${processes} processes`;
    if (memoryBytes === undefined) return "";
    const bytes = family.reduce((sum, each) => sum + allocated(each.pid), 0);
    return bytes > memoryBytes ? `it took more than its ${formatBytes(memoryBytes)} of memory` : "";
  }

  /** Why the kernel may have ended it; empty when it had no reason. */
  endedFor(): string {
    const { memory = 0 } = this.#cgroup?.refusals() ?? {};
    return memory > 0 ? `it took more than its ${formatBytes(this.#limits.memoryBytes ?? 0)} of memory` : "";
  }

  /** To be called when nothing of it is left. */
  end(): void {
    this.#cgroup?.remove();
  }

  #rlimits(): Rlimits {
    const { files = GUEST_LIMITS.files, fileSizeBytes, memoryBytes, processes } = this.#limits;
    return {
      core: 0, // What is in memory stays there.
      files,
      ...(fileSizeBytes !== undefined && { fileSize: fileSizeBytes }),
      ...(this.#isByUser && processes !== undefined && { processes }),
      // The second between two looks must not be enough to take all there is.
      ...(!this.#cgroup && memoryBytes !== undefined && { data: memoryBytes + DATA_SLACK_BYTES }),
    };
  }
}

function limitsOf(section: FileIsolation | undefined, isGuest: boolean): IsolationLimits {
  const { memory, cpu, processes, files, fileSize } = section ?? {};
  const said = { memoryBytes: memory, cores: cpu, processes, files, fileSizeBytes: fileSize };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return { ...(isGuest ? GUEST_LIMITS : {}), ...Object.fromEntries(given) };
}

function isLimited({ memoryBytes, cores, processes }: IsolationLimits): boolean {
  return memoryBytes !== undefined || cores !== undefined || processes !== undefined;
}

function heldTo(
  { memoryBytes, cores, processes, files, fileSizeBytes }: IsolationLimits,
  { cgroups, hasWords, isByUser }: { cgroups: Cgroups | null; hasWords: boolean; isByUser: boolean },
): Pick<Isolation, "limits" | "notes"> {
  const byKernel = cgroups && `the kernel, all its processes together (cgroup v${cgroups.version})`;
  const limits: HeldTo[] = [];
  const notes: string[] = [];
  const hold = (limit: HeldTo["limit"], most: string, by: string | null) => {
    if (by !== null) limits.push({ limit, most, by });
    else notes.push(`${limit} is not held to ${most}: the host may write no cgroup`);
  };
  const inCgroup = (controller: "memory" | "cpu" | "pids", otherwise: string | null) =>
    cgroups?.holds(controller) ? byKernel : otherwise;
  if (memoryBytes !== undefined) hold("memory", formatBytes(memoryBytes), inCgroup("memory", BY_HOST));
  if (cores !== undefined) hold("cpu", `${cores} ${cores === 1 ? "core" : "cores"}`, inCgroup("cpu", null));
  if (processes !== undefined)
    hold("processes", String(processes), inCgroup("pids", isByUser ? BY_USER : BY_HOST));
  const byRlimit = hasWords ? BY_RLIMIT : null;
  if (files !== undefined) hold("files", String(files), byRlimit);
  if (fileSizeBytes !== undefined) hold("file size", formatBytes(fileSizeBytes), byRlimit);
  return { limits, notes };
}

interface Place {
  source: PluginSource;
  home: string;
  cwd: string;
  pythonPath: string;
  self: readonly string[];
}

/** The user that it runs as; null for the host's own. `wanted` is null where a user of its own is only better. */
function userFor(place: Place, wanted: string | null): { user: User | null; note: string } {
  if (wanted === "host") return { user: null, note: "" };
  const { name } = place.source;
  const trouble = process.getuid?.() === 0 ? "" : "qntx does not run as root";
  const user = trouble === "" ? userCalled(wanted ?? "own", place) : null;
  const closed = user && prepared(user, place);
  if (user && closed === null)
    return { user, note: wanted === null || wanted === "own" ? ", its own" : ` (${wanted})` };
  const why = trouble || `${closed} is closed to other users`;
  if (wanted === null) return { user: null, note: `, and not one of its own: ${why}` };
  throw new Fault("config", `Plugin ${name} cannot run as user ${wanted}: ${why}.`, {
    hint: trouble
      ? `Start qntx as root, or take user out of [isolation.${name}].`
      : `Open it (chmod o+x for a folder, o+r for a file), or keep it where others may read, as in /opt or /var/lib.`,
  });
}

/** Whose files they are: a plugin that another tenant had under this name leaves none to the next. */
function keptAs({ name, tenant = "" }: PluginSource): string {
  return tenant === "" ? name : `${tenant}@${name}`;
}

function userCalled(wanted: string, { source, home }: Place): User {
  if (wanted === "own") return ownUser(home, keptAs(source));
  const user = namedUser(wanted);
  if (user) return user;
  throw new Fault("config", `There is no user ${wanted} for plugin ${source.name} on this machine.`, {
    hint: `Write user = "own" under [isolation.${source.name}] for one that needs no name.`,
  });
}

/** Lets the user have what it needs. Returns what is closed to it all the same; null when nothing is. */
function prepared(user: User, { source, home, cwd, pythonPath, self }: Place): string | null {
  const above = closedTo(user, dirname(home), "pass");
  if (above !== null) return above;
  openPassage(home);
  giveFolder(cwd, user);
  if (source.installed && source.path !== null && source.digest !== null) showInstalled(user, home, source);
  const needed = [cwd, source.path, pythonPath, ...self.filter((word) => word.startsWith("/"))];
  for (const path of needed) {
    const closed = path && closedTo(user, path, "read");
    if (closed) return closed;
  }
  return null;
}

function showInstalled(user: User, home: string, { name, digest }: PluginSource): void {
  const root = join(home, "installed", name);
  chmodSync(root, 0o711);
  showFolder(join(root, digest ?? ""), user);
}
