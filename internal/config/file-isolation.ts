/**
 * File isolation: `[isolation.weather]` in qntx.toml. What the processes of a plugin may
 * take, and as whom they run. A section of its own, because the keys of `[weather]` belong
 * to the plugin, and `user` is a word that many plugins have a use for.
 */
import { PLUGIN_NAME } from "./keys.ts";
import { bytes, decimal, integer, type Kind, word } from "./kinds.ts";
import { readNamedSections } from "./named-sections.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export interface FileIsolation {
  readonly plugin: string;
  /** `own`, `host`, or the name of a user of this machine. */
  readonly user?: string;
  /** Bytes, all its processes together. */
  readonly memory?: number;
  /** Processors; 0.5 is half of one. */
  readonly cpu?: number;
  /** Processes and threads, all together. */
  readonly processes?: number;
  /** Open files of one process. */
  readonly files?: number;
  /** Bytes of a file that it writes. */
  readonly fileSize?: number;
}

const USER_NAME = /^[a-z_][a-z0-9_-]{0,31}$/;
const GIB = 1_073_741_824;

/** Everything that `[isolation.x]` takes. */
const FIELDS: Readonly<Record<keyof Omit<FileIsolation, "plugin">, Kind<unknown>>> = {
  user: word(USER_NAME, '"own", "host" or the name of a user'),
  memory: bytes(32 * 1_048_576, 4_096 * GIB), // Below that no runtime starts.
  cpu: decimal(0.01, 1_024),
  processes: integer(1, 4_194_304), // The kernel's own greatest number.
  files: integer(64, 1_048_576), // Below that no runtime starts.
  fileSize: bytes(1_048_576, 4_096 * GIB),
};
const HOW = "Write [isolation.NAME] on a line of its own, with the name of a plugin, and its keys below.";

/** Reads all `[isolation.x]` sections; what is wrong with them is added to `problems`. */
export function readFileIsolations(file: TomlFile, problems: Problem[]): readonly FileIsolation[] {
  const sections = readNamedSections(file, { word: "isolation", how: HOW, fields: FIELDS }, problems);
  return sections.map(({ name, read }) => {
    if (!PLUGIN_NAME.test(name))
      problems.push({
        where: file.where("isolation", name),
        message: `isolation."${name}" names no plugin.`,
        hint: HOW,
      });
    return { plugin: name, ...read };
  });
}
