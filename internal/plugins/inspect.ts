/**
 * Inspect: all that can be known of a plugin without running it: which file would be
 * started and as what, what it says that it will announce, and what speaks against it.
 *
 * What is handed in is placed as an install would place it, in a folder that is gone
 * again afterwards: so its digest is the one that an install pins, an archive is looked
 * into, and what an install would refuse is refused here in the same words.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseCapability } from "../access/capability.ts";
import type { Env } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import type { PluginKind } from "../plugin/plugin.ts";
import { type Announced, readAnnounced } from "./announced.ts";
import { foreignTo } from "./diagnosis.ts";
import { checkPluginName, checkTrust, findIn, nameOfFile } from "./find.ts";
import { programIn } from "./installed.ts";
import { place } from "./placing.ts";

export interface Inspection {
  /** What its file or folder calls it. */
  name: string;
  /** What was looked at; empty for what is in the binary. */
  path: string;
  kind: PluginKind | null;
  /** The file that is started, within the path where that is a folder or an archive. */
  program: string;
  /** `0755, of user 0` */
  mode: string;
  /** SHA-256 that an install would pin. */
  digest: string;
  /** Where a name was looked for. */
  tried: string[];
  /** What package.json says. */
  manifest: { name: string; version: string; description: string } | null;
  /** Null where only a run tells: of an executable, and of source that makes it up. */
  announces: Announced | null;
  problems: string[];
}

/** Where names are looked for. */
export interface InspectOptions {
  cwd: string;
  paths: readonly string[];
  bundled: readonly string[];
}

/** Looks at a file, a folder or an archive; or, where there is none of that name, at the plugin that a host would find. Rejects with a Fault when there is neither. */
export async function inspectPlugin(env: Env, what: string, options: InspectOptions): Promise<Inspection> {
  const path = resolve(options.cwd, what);
  if (existsSync(path)) return inspectPath(env, path);
  const tried: string[] = [];
  for (const folder of what.includes("/") ? [] : options.paths) {
    const found = findIn(folder, what, tried)?.path;
    if (found === undefined) continue;
    // What is enabled is started where it lies, with the folder that it has to itself.
    const inspected = await inspectPath(env, dirname(found) === folder ? found : dirname(found));
    return { ...inspected, name: what, tried, problems: [...distrust(folder, found), ...inspected.problems] };
  }
  if (options.bundled.includes(what)) return { ...nothing(what, ""), kind: "bundled", tried };
  throw new Fault("not-found", `There is no plugin at ${path}.`, {
    ...(tried.length > 0 && {
      hint: `As the name of one it was looked for in ${tried.join(", ")}. Of one that is installed: qntx plugin show ${what}`,
    }),
  });
}

async function inspectPath(env: Env, path: string): Promise<Inspection> {
  const stat = statSync(path);
  const name = nameOfFile(path);
  const inspected = { ...nothing(name, path), mode: modeText(stat) };
  const problems = faultsOf(() => checkPluginName(name));
  const room = mkdtempSync(join(tmpdir(), "qntx-inspect-"));
  try {
    const { digest, folder } = await place(env, path, room);
    const manifest = readManifest(folder);
    const { kind, entry } = programIn(folder);
    const program = join(folder, entry);
    const known = {
      ...inspected,
      kind,
      program: stat.isFile() && path.endsWith(entry) ? "" : entry,
      digest,
      manifest,
    };
    if (kind === "executable") {
      const foreign = foreignTo(program);
      return {
        ...known,
        problems: [...problems, ...(foreign === "" ? [] : [`This machine cannot start it: ${foreign}.`])],
      };
    }
    const reading = await readAnnounced(env, { kind, path: program });
    if ("problem" in reading) return { ...known, problems: [...problems, reading.problem] };
    const { announced } = reading;
    return { ...known, announces: announced, problems: [...problems, ...doubts(name, announced)] };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const mended =
      stat.isFile() && (stat.mode & 0o111) === 0 ? [`It is no executable: chmod +x ${path}`] : [];
    return { ...inspected, problems: [...problems, sentenceOf(error), ...mended] };
  } finally {
    rmSync(room, { recursive: true, force: true });
  }
}

/** What it says that a host would not have. */
function doubts(name: string, announced: Announced): string[] {
  const unknown = announced.capabilities.flatMap((capability) => faultsOf(() => parseCapability(capability)));
  if (announced.name === null || announced.name === name) return unknown;
  const other =
    `It calls itself ${announced.name}, and its file ${name}: where [plugin] enabled names it, both must be the same. ` +
    "Installed, it may be called anything.";
  return [...unknown, other];
}

function distrust(folder: string, program: string): string[] {
  return faultsOf(() => checkTrust(folder, program));
}

/** Null where there is none, or it is not JSON: a folder may have any file of that name. */
function readManifest(folder: string): Inspection["manifest"] {
  try {
    const read: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    if (typeof read !== "object" || read === null) return null;
    const fields: Record<string, unknown> = { ...read };
    const text = (key: string) => (typeof fields[key] === "string" ? fields[key] : "");
    return { name: text("name"), version: text("version"), description: text("description") };
  } catch {
    return null;
  }
}

function nothing(name: string, path: string): Inspection {
  const unknown = { kind: null, program: "", mode: "", digest: "", manifest: null, announces: null };
  return { name, path, ...unknown, tried: [], problems: [] };
}

function modeText({ mode, uid }: { mode: number; uid: number }): string {
  return `${(mode & 0o7777).toString(8).padStart(4, "0")}, of user ${uid}`;
}

function faultsOf(check: () => unknown): string[] {
  try {
    check();
    return [];
  } catch (error) {
    return [error instanceof Fault ? sentenceOf(error) : messageOf(error)];
  }
}

function sentenceOf({ message, hint }: Fault): string {
  return hint === undefined ? message : `${message} ${hint}`;
}
