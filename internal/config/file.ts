/** File: which qntx.toml is read, and its text. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { messageOf } from "../base/fault.ts";
import type { LoadOptions } from "./config.ts";
import { pathOf } from "./kinds.ts";
import { configFault } from "./problems.ts";
import { readToml, type TomlFile } from "./toml.ts";

export interface FoundFile {
  file: TomlFile | null;
  path: string | null;
  passedOver: readonly string[];
  searched: readonly string[];
}

const FILE_NAME = "qntx.toml";
const FILE_BYTES_MAX = 1_048_576; // A thousand schedules fit; more is no configuration.

/** Finds and parses the file. Throws a Fault when a named one is missing, or when it is not TOML. */
export function findFile({ vars, flags = {}, cwd, userHome }: LoadOptions, home: string): FoundFile {
  const named = flags.config ?? (vars["QNTX_CONFIG"] || undefined);
  if (named !== undefined) {
    const path = pathOf(named, { folder: cwd, userHome });
    const where = flags.config === undefined ? "QNTX_CONFIG" : "--config";
    return { file: readFile(path, where, cwd), path, passedOver: [], searched: [path] };
  }
  const searched = [...new Set([join(home, FILE_NAME), resolve(cwd, FILE_NAME)])];
  const [path = null, ...passedOver] = searched.filter((candidate) => existsSync(candidate));
  return { file: path === null ? null : readFile(path, path, cwd), path, passedOver, searched };
}

function readFile(path: string, where: string, cwd: string): TomlFile {
  const text = readText(path, where);
  return readToml(text, { name: shortName(path, cwd), folder: dirname(path) });
}

function readText(path: string, where: string): string {
  try {
    const { size } = statSync(path);
    if (size <= FILE_BYTES_MAX) return readFileSync(path, "utf8");
  } catch (error) {
    const missing = !existsSync(path);
    throw configFault([
      {
        where,
        message: missing ? `There is no file ${path}.` : `${path} cannot be read: ${messageOf(error)}.`,
        hint: missing ? "Create it, or name another one." : "Name a file that this user may read.",
      },
    ]);
  }
  const message = `${path} has more than ${FILE_BYTES_MAX} bytes.`;
  throw configFault([{ where, message, hint: "A configuration is smaller; name another file." }]);
}

/** Relative where that is shorter to read and to click. */
function shortName(path: string, cwd: string): string {
  const near = relative(cwd, path);
  return near === "" || near.startsWith("..") ? path : near;
}
