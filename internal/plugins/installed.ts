/**
 * Installed: from what was placed in the data folder to the program that is started.
 * Its digest is compared at every start: a file that somebody changed does not run.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Install, Program } from "../plugin/install.ts";
import { argvOf, type FindOptions, findInFolder, isExecutable, type PluginSource } from "./find.ts";
import { digestOfFolder } from "./placing.ts";

/** Where the programs of one install lie, by their digests. */
export function installRoot(home: string, name: string): string {
  return join(home, "installed", name);
}

/** What of a placed folder is started. Throws a Fault that says what was looked for. */
export function programIn(folder: string): Pick<Program, "kind" | "entry"> {
  const inner = onlyFolderIn(folder);
  if (inner !== null) {
    const { kind, entry } = programIn(join(folder, inner));
    return { kind, entry: join(inner, entry) };
  }
  const found = findInFolder(folder) ?? onlyFileIn(folder);
  if (found) return found;
  throw new Fault("usage", "It is not installed: nothing in it can be started.", {
    hint: "A plugin is an executable, a .ts or .py file, or a folder with plugin.ts (and a package.json that says it is a plugin), plugin.py or an executable.",
  });
}

/** The program of an install, its digest checked. Throws a Fault when it is gone or another. */
export async function installedSource(
  install: Install,
  { home, options }: { home: string; options: Pick<FindOptions, "self" | "python"> },
): Promise<PluginSource> {
  const { name, tenant, kind, digest } = install;
  const folder = join(installRoot(home, name), digest);
  const path = join(folder, install.entry);
  if (!existsSync(path))
    throw new Fault("not-found", `Plugin ${name} was installed, and ${path} is gone.`, {
      hint: `Install it again: qntx plugin upgrade ${name} --file ${install.file}`,
    });
  const present = await digestOfFolder(folder);
  if (present !== digest)
    throw new Fault(
      "denied",
      `Plugin ${name} is not what was installed: something in ${folder} was changed.`,
      {
        hint: `Install what you trust: qntx plugin upgrade ${name} --file FILE`,
      },
    );
  const argv = argvOf({ kind, path }, options);
  return { name, tenant, kind, argv, args: [], path, digest, address: null, installed: true };
}

/** Archives often have everything in one folder. */
function onlyFolderIn(folder: string): string | null {
  const [only, ...more] = readdirSync(folder, { withFileTypes: true });
  return only?.isDirectory() && more.length === 0 ? only.name : null;
}

function onlyFileIn(folder: string): Pick<Program, "kind" | "entry"> | null {
  const files = readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile());
  const [only] = files;
  if (only !== undefined && files.length === 1) {
    if (only.endsWith(".ts")) return { kind: "typescript", entry: only };
    if (only.endsWith(".py")) return { kind: "python", entry: only };
  }
  const [entry, another] = files.filter((name) => isExecutable(join(folder, name)));
  if (another !== undefined)
    throw new Fault("usage", `It is not installed: ${entry} and ${another} can both be started.`, {
      hint: "Name the one that is the plugin qntx-NAME-plugin.",
    });
  return entry === undefined ? null : { kind: "executable", entry };
}
