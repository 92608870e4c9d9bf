/**
 * Cgroup: where the kernel itself holds a plugin to its memory, its share of the
 * processors and its number of processes, and knows every process of it, whatever
 * session or name that one has given itself.
 *
 *   v2  <ours>/qntx-<folder>/<plugin>-<run>         where <ours> is given to us alone, as by systemd's Delegate=yes
 *       <mount>/qntx-<folder>/<plugin>-<run>        as root, where nobody has put us into a container
 *   v1  <controller>/<ours>/qntx-<folder>/<plugin>-<run>, for each of pids, memory and cpu
 *
 * <ours> is that of the shell or service which started the host, so another start may have
 * another one: where the last host had its places stands in the data folder.
 *
 * In v2 no cgroup has both processes and children with limits, so a host that has a
 * cgroup to itself moves, with its keeper, into `qntx-host` below it.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import type { Env } from "../base/env.ts";
import { killUntilNone, type ProcessInfo, processInfo } from "./proc.ts";

/** What the kernel may be asked to hold a plugin to. */
export const CONTROLLERS = ["pids", "memory", "cpu"] as const;
export type Controller = (typeof CONTROLLERS)[number];

/** So much at most; absent means as much as there is. */
export interface CgroupLimits {
  memoryBytes?: number | undefined;
  /** 0.5 is half of one processor. */
  cores?: number | undefined;
  /** Threads count, as the kernel counts. */
  processes?: number | undefined;
}

/** How often the kernel has refused or ended something of a plugin. */
export interface CgroupRefusals {
  processes: number;
  memory: number;
}

const HOST_LEAF = "qntx-host";
const SUBTREE = "cgroup.subtree_control"; // What the children may be limited in.
const OURS = /^qntx-[0-9a-f]{12}$/;
const CPU_PERIOD_US = 100_000; // The kernel's own: long enough for a compiler's burst.
const ROOT = "/sys/fs/cgroup"; // Where every distribution mounts it.
const NOTED = "plugins.cgroups"; // In the data folder: the places of its last host, a line each.

/** The places of one host: one folder in v2, one for each controller in v1. */
export class Cgroups {
  readonly version: 1 | 2;
  readonly #folders: ReadonlyMap<Controller, string>;
  /** Places of an earlier host of this data folder that are not those of this one. */
  readonly #earlier: readonly string[];

  /** To be had from `open`. */
  constructor(version: 1 | 2, folders: ReadonlyMap<Controller, string>, earlier: readonly string[] = []) {
    this.version = version;
    this.#folders = folders;
    this.#earlier = earlier;
  }

  /** The places of the host of a data folder, made if need be; null where the kernel offers none that we may write. */
  static open(home: string, hostPids: readonly number[]): Cgroups | null {
    if (process.platform !== "linux") return null;
    const name = `qntx-${createHash("sha256").update(home).digest("hex").slice(0, 12)}`;
    const v2 = openV2(name, hostPids);
    const folders = v2 ?? openV1(name);
    if (!folders.has("pids")) return null; // Without that one nobody could be found again.
    return new Cgroups(v2 ? 2 : 1, folders, noteFolders(home, name, new Set(folders.values())));
  }

  holds(controller: Controller): boolean {
    return this.#folders.has(controller);
  }

  /** Makes the cgroup of one process of a plugin. Throws when the kernel refuses. */
  make(name: string, limits: CgroupLimits): Cgroup {
    const folders = new Map(
      [...this.#folders].map(([controller, folder]) => [controller, join(folder, name)]),
    );
    if (this.version === 2) for (const folder of new Set(this.#folders.values())) this.#stand(folder);
    for (const folder of new Set(folders.values())) mkdirSync(folder, { recursive: true });
    const cgroup = new Cgroup(this.version, folders);
    cgroup.limit(limits);
    return cgroup;
  }

  /** In v2 a folder alone does not do, and the keeper of another host takes away what it finds empty. */
  #stand(folder: string): void {
    if (existsSync(folder)) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, SUBTREE), enabling([...this.#folders.keys()]));
  }

  /** Ends what an earlier host left in them, and takes the folders away. Returns how many processes that were. */
  async clear(env: Env): Promise<number> {
    let ended = 0;
    for (const folder of new Set([...this.#folders.values(), ...this.#earlier])) {
      for (const child of foldersIn(folder)) {
        const left = join(folder, child);
        ended += await killUntilNone(env, () => membersOf(left));
        removeFolder(left);
      }
    }
    for (const folder of this.#earlier) removeEmpty(folder);
    return ended;
  }

  /** Takes the places of this host away, as far as nothing is in them. */
  close(): void {
    for (const folder of new Set(this.#folders.values())) removeEmpty(folder);
  }
}

/** The cgroup of one process of a plugin, and of all that it starts. */
export class Cgroup {
  readonly #version: 1 | 2;
  readonly #folders: ReadonlyMap<Controller, string>;

  constructor(version: 1 | 2, folders: ReadonlyMap<Controller, string>) {
    this.#version = version;
    this.#folders = folders;
  }

  /** The folder that a process is to be started in. */
  get path(): string {
    return this.#folders.get("pids") ?? "";
  }

  limit({ memoryBytes, cores, processes }: CgroupLimits): void {
    if (processes !== undefined) this.#write("pids", "pids.max", processes);
    if (memoryBytes !== undefined) this.#limitMemory(memoryBytes);
    if (cores !== undefined) this.#limitCpu(Math.max(1_000, Math.round(cores * CPU_PERIOD_US)));
  }

  /**
   * Takes in what a process that was just started in `path` may have started by now. In
   * v1 it is in one of several hierarchies only, and what it forked meanwhile is there too.
   */
  adopt(): void {
    const others = [...new Set(this.#folders.values())].filter((folder) => folder !== this.path);
    for (const other of others) {
      const moved = new Set<number>();
      for (let left = missingIn(this.path, moved); left.length > 0; left = missingIn(this.path, moved)) {
        for (const pid of left) {
          moved.add(pid);
          tryWrite(join(other, "cgroup.procs"), pid); // It may have ended meanwhile.
        }
      }
    }
  }

  /** Every process in it. */
  members(): ProcessInfo[] {
    return membersOf(this.path);
  }

  refusals(): CgroupRefusals {
    const memory = this.#version === 2 ? "memory.events" : "memory.oom_control";
    return {
      processes: this.#count("pids", "pids.events", "max"),
      memory: this.#count("memory", memory, "oom_kill"),
    };
  }

  /** Takes the folders away. To be called when nothing is left in it. */
  remove(): void {
    for (const folder of new Set(this.#folders.values())) removeFolder(folder);
  }

  #limitMemory(bytes: number): void {
    if (this.#version === 1) {
      this.#write("memory", "memory.limit_in_bytes", bytes);
      this.#tryWrite("memory", "memory.memsw.limit_in_bytes", bytes); // Where swap is accounted for.
      return;
    }
    this.#write("memory", "memory.max", bytes);
    this.#tryWrite("memory", "memory.swap.max", 0); // Where there is swap.
    this.#tryWrite("memory", "memory.oom.group", 1); // Half a plugin is none.
  }

  #limitCpu(quotaUs: number): void {
    if (this.#version === 2) return this.#write("cpu", "cpu.max", `${quotaUs} ${CPU_PERIOD_US}`);
    this.#write("cpu", "cpu.cfs_period_us", CPU_PERIOD_US);
    this.#write("cpu", "cpu.cfs_quota_us", quotaUs);
  }

  #write(controller: Controller, file: string, value: number | string): void {
    const folder = this.#folders.get(controller);
    if (folder !== undefined) writeFileSync(join(folder, file), String(value));
  }

  #tryWrite(controller: Controller, file: string, value: number): void {
    const folder = this.#folders.get(controller);
    if (folder !== undefined) tryWrite(join(folder, file), value);
  }

  #count(controller: Controller, file: string, word: string): number {
    const text = readOrEmpty(join(this.#folders.get(controller) ?? "/nowhere", file));
    return Number(new RegExp(`^${word} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  }
}

/** What `/proc/PID/cgroup` says: the cgroup for each controller of v1; under the empty name that of v2. */
export function pathsIn(text: string): Map<string, string> {
  const pairs = [...text.matchAll(/^\d+:([^:]*):(.*)$/gm)].flatMap(([, controllers = "", path = ""]) =>
    controllers.split(",").map((controller) => [controller, path] as const),
  );
  return new Map(pairs);
}

/** Takes away what hosts have left, wherever nothing is in it any more. For the keeper, when its host is gone. */
export function removeEmptyCgroups(): void {
  for (const folder of [...v2Bases(), ...v1Bases().values()]) {
    for (const child of foldersIn(folder)) if (OURS.test(child)) removeEmpty(join(folder, child));
  }
}

/** Writes down where the places are, and returns those that stood there and are others. */
function noteFolders(home: string, name: string, folders: ReadonlySet<string>): string[] {
  const path = join(home, NOTED);
  const noted = readOrEmpty(path).split("\n");
  // Whatever has been written there: only what has our name is ours.
  const isOurs = (at: string) => at.startsWith(`${ROOT}/`) && basename(at) === name && existsSync(at);
  const earlier = noted.filter((at) => isOurs(at) && !folders.has(at));
  tryWrite(path, [...folders, ...earlier].join("\n")); // These, too: this host may die before they are gone.
  return earlier;
}

function openV2(name: string, hostPids: readonly number[]): Map<Controller, string> | null {
  for (const base of v2Bases()) {
    const offered = readOrEmpty(join(base, "cgroup.controllers")).trim().split(" ");
    const all = CONTROLLERS.filter((controller) => offered.includes(controller));
    if (!all.includes("pids") || !isEmptied(base, hostPids)) continue;
    const place = join(base, name);
    const isMade =
      tryWrite(join(base, SUBTREE), enabling(all)) &&
      makeFolder(place) &&
      tryWrite(join(place, SUBTREE), enabling(all));
    if (isMade) return new Map(all.map((controller) => [controller, place]));
  }
  return null;
}

function enabling(controllers: readonly Controller[]): string {
  return controllers.map((controller) => `+${controller}`).join(" ");
}

/** True when a cgroup may have limited children: the root of all may; another one must have no processes of its own. */
function isEmptied(base: string, hostPids: readonly number[]): boolean {
  if (isRootOfAll(base)) return true;
  const present = pidsIn(base);
  if (!present.every((pid) => hostPids.includes(pid))) return false; // Others live here; they are not ours to move.
  const leaf = join(base, HOST_LEAF);
  return makeFolder(leaf) && present.every((pid) => tryWrite(join(leaf, "cgroup.procs"), pid));
}

/** The kernel keeps no events for the root. A container's root looks like one and is none. */
function isRootOfAll(base: string): boolean {
  return readOrEmpty(join(base, "cgroup.events")) === "";
}

function openV1(name: string): Map<Controller, string> {
  const made = [...v1Bases()].flatMap(([controller, base]) => {
    const place = join(base, name);
    return makeFolder(place) ? [[controller, place] as const] : [];
  });
  return new Map(made);
}

/** Where our places may be in v2, the best first. */
function v2Bases(): string[] {
  const mount = mounts().find(({ kind }) => kind === "cgroup2");
  const own = pathsIn(readOrEmpty("/proc/self/cgroup")).get("");
  if (!mount || own === undefined) return [];
  const ours = join(mount.at, relative(mount.root, own.replace(new RegExp(`/${HOST_LEAF}$`), "") || "/"));
  return ours === mount.at ? [ours] : [ours, mount.at];
}

/** In v1 everything may have children with limits, so it is always ours that they are below. */
function v1Bases(): Map<Controller, string> {
  const own = pathsIn(readOrEmpty("/proc/self/cgroup"));
  const bases = mounts().flatMap(({ kind, root, at, options }) => {
    const controller = CONTROLLERS.find((each) => kind === "cgroup" && options.includes(each));
    if (!controller) return [];
    return [[controller, join(at, relative(root, own.get(controller) ?? root))] as const];
  });
  return new Map(bases);
}

interface Mount {
  kind: string;
  /** What of the hierarchy is to be seen there. */
  root: string;
  at: string;
  options: string[];
}

function mounts(): Mount[] {
  return readOrEmpty("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => {
      const [, root = "", at = "", kind = "", options = ""] =
        /^\d+ \d+ \S+ (\S+) (\S+) .* - (cgroup2?) \S+ (\S+)$/.exec(line) ?? [];
      return at.startsWith(ROOT) ? [{ kind, root, at, options: options.split(",") }] : [];
    });
}

function membersOf(folder: string): ProcessInfo[] {
  return pidsIn(folder).flatMap((pid) => processInfo(pid) ?? []);
}

function missingIn(folder: string, known: ReadonlySet<number>): number[] {
  return pidsIn(folder).filter((pid) => !known.has(pid));
}

function pidsIn(folder: string): number[] {
  return readOrEmpty(join(folder, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return [];
  }
}

function removeEmpty(folder: string): void {
  for (const child of foldersIn(folder)) removeFolder(join(folder, child));
  removeFolder(folder);
}

function makeFolder(path: string): boolean {
  try {
    mkdirSync(path, { recursive: true });
    return true;
  } catch {
    return false;
  }
}

/** The kernel keeps a cgroup in which anything lives, so this can take nothing away from anybody. */
function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Somebody is in it, or it is gone.
  }
}

function tryWrite(path: string, value: number | string): boolean {
  try {
    writeFileSync(path, String(value));
    return true;
  } catch {
    return false;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
