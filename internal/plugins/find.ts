/**
 * Find: from a plugin's name to the program that is started for it.
 *
 * Only what the configuration enables is looked for, in the folders that it
 * names, under three names: `qntx-<n>-plugin`, `qntx-<n>`, `<n>`. A program
 * that somebody else could change is refused: it must lie inside its folder,
 * links followed, belong to us or root, and not be writable by others.
 *
 * It is looked for again at every start, so a new build is found and a file
 * that became writable is refused.
 */
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { Fault, shown } from "../base/fault.ts";
import { PLUGIN_NAME_PATTERN, PLUGIN_NAMES_RESERVED, type PluginKind } from "../plugin/plugin.ts";

/** What is started for a plugin, or where it already runs. */
export interface PluginSource {
  name: string;
  /** Whose it is; absent or empty for the host's own. */
  tenant?: string;
  /** True for what was installed: its digest says what it is, whatever it calls itself. */
  installed?: boolean;
  kind: PluginKind;
  /** The program and its own arguments; `--port N` and `args` follow. Empty for an address. */
  argv: readonly string[];
  /** What the configuration adds. */
  args: readonly string[];
  /** The file that was found; null for what is in the binary or runs elsewhere. */
  path: string | null;
  /** SHA-256 of the file, when the configuration pins one. */
  digest: string | null;
  /** `host:port` or `unix:/path` of a plugin that already runs. */
  address: string | null;
}

/** What the configuration says about one plugin. */
export interface PluginSection {
  args?: readonly string[];
  address?: string;
  /** SHA-256 that the file must have, in hex. */
  sha256?: string;
}

export interface FindOptions {
  /** Absolute folders, in the order in which they are searched. */
  paths: readonly string[];
  /** Names of the plugins inside the binary that may run. */
  bundled: readonly string[];
  sections: Readonly<Record<string, PluginSection>>;
  /** How the binary starts itself: `[execPath]`, or `[bun, main.ts]` in development. */
  self: readonly string[];
  /** The interpreter of Python plugins; `python3` on PATH when absent. */
  python?: string;
}

const TYPESCRIPT_ENTRY = "plugin.ts";
const PYTHON_ENTRY = "plugin.py";
const MANIFEST_BYTES_MAX = 1_048_576;

/** Checks a name before it becomes a folder, a log file and a URL. Throws a Fault. */
export function checkPluginName(name: string): void {
  if (!PLUGIN_NAME_PATTERN.test(name)) {
    throw new Fault("config", `${shown(name)} is not a plugin name.`, {
      hint: "Use lower-case letters, digits and dashes, at most 63, with no dash in front.",
    });
  }
  if (PLUGIN_NAMES_RESERVED.includes(name)) {
    throw new Fault("config", `A plugin cannot be named ${shown(name)}: /api/${name} is ours.`);
  }
}

/** What a file's or folder's plugin is called: `qntx-poller-plugin-1.2.tar.gz` is poller. */
export function nameOfFile(path: string): string {
  const bare = basename(path).replace(/(\.tar)?\.[a-z]+$/, "");
  return bare
    .replace(/^qntx-/, "")
    .replace(/-plugin$/, "")
    .replace(/-v?\d+(\.\d+)*$/, "")
    .toLowerCase();
}

/** Finds the program of one plugin. Throws a Fault that lists what was tried, or says why it was refused. */
export function findPlugin(name: string, options: FindOptions): PluginSource {
  checkPluginName(name);
  const section = (Object.hasOwn(options.sections, name) && options.sections[name]) || {};
  const base = { name, args: section.args ?? [], path: null, digest: null, address: null };
  if (section.address) return { ...base, kind: "address", argv: [], address: section.address };

  const tried: string[] = [];
  for (const folder of options.paths) {
    const program = findIn(folder, name, tried);
    if (!program) continue;
    checkTrust(folder, program.path);
    const digest = checkDigest(name, program.path, section.sha256);
    return { ...base, ...program, digest, argv: argvOf(program, options) };
  }
  // A plugin of that name on disk stands in front of the one in the binary.
  if (options.bundled.includes(name)) {
    return { ...base, kind: "bundled", argv: [...options.self, "__plugin", "--bundled", name] };
  }
  throw new Fault("not-found", `Plugin ${name} was not found. Tried: ${triedText(tried)}.`, {
    hint: "Put it into one of these places, name its folder under [plugin] paths, or remove it from [plugin] enabled.",
  });
}

/** What is started. */
export interface Program {
  kind: "executable" | "typescript" | "python";
  path: string;
}

/** How a program is started. */
export function argvOf(
  { kind, path }: Program,
  { self, python = "python3" }: Pick<FindOptions, "self" | "python">,
): string[] {
  if (kind === "typescript") return [...self, "__plugin", "--plugin-path", path];
  return kind === "python" ? [python, path] : [path];
}

function namesOf(name: string): string[] {
  return [`qntx-${name}-plugin`, `qntx-${name}`, name];
}

/** The program of a plugin in a folder; `tried` is told every path that was looked at. */
export function findIn(folder: string, name: string, tried: string[]): Program | null {
  if (!isAbsolute(folder)) {
    throw new Fault("config", `[plugin] paths: ${shown(folder)} is not an absolute path.`, {
      hint: "A relative folder would be another one for each place that qntx is started from.",
    });
  }
  for (const candidate of namesOf(name)) {
    const path = join(folder, candidate);
    tried.push(path);
    const program = readCandidate(path, name) ?? readScript(path);
    if (program) return program;
  }
  return null;
}

function readCandidate(path: string, name: string): Program | null {
  const stat = statOf(path);
  if (stat?.isDirectory()) return readFolder(path, name);
  return stat?.isFile() && isExecutable(path) ? { kind: "executable", path } : null;
}

/** What of a folder is started, whatever its plugin is called; null when nothing tells. */
export function findInFolder(folder: string): { kind: Program["kind"]; entry: string } | null {
  const named = readdirSync(folder).filter((file) => /^qntx-.+/.test(file));
  const program = readFolder(folder, "plugin") ?? readNamed(folder, named);
  return program && { kind: program.kind, entry: relative(folder, program.path) };
}

function readFolder(folder: string, name: string): Program | null {
  const typescript = join(folder, TYPESCRIPT_ENTRY);
  if (statOf(typescript)?.isFile() && saysItIsAPlugin(join(folder, "package.json"))) {
    return { kind: "typescript", path: typescript };
  }
  const named = readNamed(folder, namesOf(name));
  if (named) return named;
  const python = join(folder, PYTHON_ENTRY);
  return statOf(python)?.isFile() ? { kind: "python", path: python } : null;
}

function readNamed(folder: string, names: readonly string[]): Program | null {
  for (const name of names) {
    const path = join(folder, name);
    if (statOf(path)?.isFile() && isExecutable(path)) return { kind: "executable", path };
  }
  return null;
}

function readScript(path: string): Program | null {
  if (statOf(`${path}.ts`)?.isFile()) return { kind: "typescript", path: `${path}.ts` };
  return statOf(`${path}.py`)?.isFile() ? { kind: "python", path: `${path}.py` } : null;
}

function saysItIsAPlugin(manifestPath: string): boolean {
  const stat = statOf(manifestPath);
  if (!stat?.isFile() || stat.size > MANIFEST_BYTES_MAX) return false;
  try {
    const manifest: unknown = JSON.parse(readFileSync(manifestPath, "utf8"));
    return (
      typeof manifest === "object" &&
      manifest !== null &&
      "qntx-plugin" in manifest &&
      manifest["qntx-plugin"] === true
    );
  } catch {
    return false;
  }
}

/** Throws a Fault for a program that lies elsewhere or that somebody else could have written. */
export function checkTrust(folder: string, path: string): void {
  const inside = relative(realpathSync(folder), realpathSync(path));
  if (inside.startsWith("..") || isAbsolute(inside)) {
    throw new Fault("denied", `${path} leads out of ${folder}, to ${realpathSync(path)}.`, {
      hint: "Put the program itself there, or add the folder that it lies in to [plugin] paths.",
    });
  }
  for (let at = realpathSync(path); ; at = dirname(at)) {
    checkOwner(at);
    if (at === realpathSync(folder)) return;
  }
}

function checkOwner(path: string): void {
  const stat = statSync(path);
  const us = process.getuid?.() ?? stat.uid;
  if (stat.uid !== us && stat.uid !== 0) {
    throw new Fault("denied", `${path} belongs to user ${stat.uid}, who could change what qntx runs.`, {
      hint: `Make it yours: chown ${us} ${path}`,
    });
  }
  if ((stat.mode & 0o022) !== 0) {
    throw new Fault("denied", `${path} can be changed by others (mode ${(stat.mode & 0o777).toString(8)}).`, {
      hint: `Take that right away: chmod go-w ${path}`,
    });
  }
}

/** Returns the pinned digest when the file has it. */
function checkDigest(name: string, path: string, pinned: string | undefined): string | null {
  if (pinned === undefined) return null;
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  if (digest === pinned.toLowerCase()) return digest;
  throw new Fault("denied", `Plugin ${name}: ${path} is not the file that was pinned (SHA-256 ${digest}).`, {
    hint: "Install the version that you trust again, or pin this one.",
  });
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // A file in place of a folder, or no right to look.
  }
}

/** True for a file that may be started. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return (statSync(path).mode & 0o111) !== 0;
  } catch {
    return false;
  }
}

function triedText(tried: readonly string[]): string {
  if (tried.length === 0) return "no folder, because [plugin] paths is empty";
  return `${tried.join(", ")}, each also with .ts and .py`;
}
