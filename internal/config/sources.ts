/** Sources: the value of each key, from the strongest place that gives one. All places are checked. */
import { assert } from "../base/fault.ts";
import type { Flags, LoadOptions, Origin } from "./config.ts";
import { isTable, said } from "./file-schedule.ts";
import { type ConfigKey, configKeys, type ConfigValues, flagOf, type Key, KEYS, variableOf } from "./keys.ts";
import type { Place } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export type Origins = Readonly<Record<ConfigKey, Origin>>;

interface Candidate {
  value: unknown;
  origin: Origin;
}

/** The data folder: needed before the file, because that is looked for in it. */
export function homeOf(options: LoadOptions, problems: Problem[]): string {
  const { value } = strongest(
    "home",
    options,
    { folder: options.cwd, userHome: options.userHome },
    null,
    problems,
  );
  return String(value);
}

/** Reads every key of the table. A wrong value is noted, and the next weaker one stands in for it. */
export function readKeys(
  options: LoadOptions,
  home: string,
  file: TomlFile | null,
  problems: Problem[],
): { values: ConfigValues; origins: Origins } {
  const read = configKeys().map((name) => {
    // The home was checked before; its mistakes need not be told twice.
    const into = name === "home" ? [] : problems;
    return [
      name,
      strongest(name, options, { folder: home, userHome: options.userHome }, file, into),
    ] as const;
  });
  // Each value has just been read by the kind that gives ConfigValues its type.
  const values = Object.fromEntries(
    read.map(([name, { value }]) => [name, value]),
  ) as unknown as ConfigValues;
  const origins = Object.fromEntries(read.map(([name, { origin }]) => [name, origin])) as unknown as Origins;
  return { values, origins };
}

function strongest(
  name: ConfigKey,
  options: LoadOptions,
  home: Place,
  file: TomlFile | null,
  problems: Problem[],
): Candidate {
  const candidates = [
    fromFlag(name, options, problems),
    fromVariable(name, options, problems),
    file ? fromFile(name, file, options, problems) : undefined,
    fallback(name, home),
  ];
  const best = candidates.find((candidate) => candidate !== undefined);
  assert(best, `${name} has a default`);
  return best;
}

function fromFlag(
  name: ConfigKey,
  { flags = {}, cwd, userHome }: LoadOptions,
  problems: Problem[],
): Candidate | undefined {
  return fromText(
    name,
    textOf(flags, name),
    { kind: "flag", where: flagOf(name) },
    { folder: cwd, userHome },
    problems,
  );
}

function textOf(flags: Flags, name: ConfigKey): string | undefined {
  return flags[name];
}

function fromVariable(
  name: ConfigKey,
  { vars, cwd, userHome }: LoadOptions,
  problems: Problem[],
): Candidate | undefined {
  const variable = variableOf(name);
  const text = vars[variable] || undefined; // An empty variable is how many tools write "not set".
  return fromText(name, text, { kind: "environment", where: variable }, { folder: cwd, userHome }, problems);
}

function fromText(
  name: ConfigKey,
  text: string | undefined,
  origin: Origin,
  place: Place,
  problems: Problem[],
): Candidate | undefined {
  if (text === undefined) return undefined;
  const { kind }: Key<unknown> = KEYS[name];
  const value = kind.parse(text, place);
  if (value !== undefined) return { value, origin };
  const hint =
    origin.kind === "flag" ? `Give ${origin.where} another value.` : `Change ${origin.where}, or unset it.`;
  problems.push({ where: origin.where, message: wrongValue(name, text), hint });
  return undefined;
}

function fromFile(
  name: ConfigKey,
  file: TomlFile,
  { userHome }: LoadOptions,
  problems: Problem[],
): Candidate | undefined {
  const [section = "", word = ""] = name.split(".");
  const table = file.table[section];
  const value = isTable(table) && Object.hasOwn(table, word) ? table[word] : undefined;
  if (value === undefined) return undefined;
  const { kind }: Key<unknown> = KEYS[name];
  const place = { folder: file.folder, userHome };
  const read = kind.read(value, place);
  const where = file.where(section, word);
  if (read !== undefined) return { value: read, origin: { kind: "file", where } };
  const meant = typeof value === "string" ? kind.parse(value, place) : undefined;
  let hint = `Change it, or delete the line to get ${defaultText(name)}.`;
  if (meant !== undefined)
    hint = Array.isArray(meant) ? `Write it like ${kind.show(meant)}.` : "Write it without quotes.";
  problems.push({ where, message: wrongValue(name, value), hint });
  return undefined;
}

function fallback(name: ConfigKey, place: Place): Candidate {
  const { kind, fallback }: Key<unknown> = KEYS[name];
  return { value: kind.read(fallback, place), origin: { kind: "default", where: "default" } };
}

function wrongValue(name: ConfigKey, value: unknown): string {
  const { kind }: Key<unknown> = KEYS[name];
  const part = kind.wrongPart?.(value);
  if (part !== undefined) return `${name} has ${part}, but must be ${kind.expects}.`;
  return `${name} is ${kind.secret ? "something else" : said(value)}, but must be ${kind.expects}.`;
}

function defaultText(name: ConfigKey): string {
  return JSON.stringify(KEYS[name].fallback);
}
