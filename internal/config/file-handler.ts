/**
 * File handlers: `[handler."python.report"]` in qntx.toml. Limits of handlers that
 * cannot announce them, as saved scripts, or whose plugin says others: what stands
 * here counts.
 */
import { type Rate, RATE_COUNT_MAX } from "../base/rate.ts";
import { integer, type Kind, rate } from "./kinds.ts";
import { readNamedSections } from "./named-sections.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export interface FileHandler {
  /** As jobs name it. */
  readonly handler: string;
  readonly concurrency?: number;
  readonly concurrencyPerKey?: number;
  readonly rate?: Rate;
  readonly burst?: number;
}

const CONCURRENCY_MAX = 100_000; // A machine's, not a plugin's: far beyond what one runs.
const atOnce = integer(1, CONCURRENCY_MAX);

/** Everything that `[handler."x"]` takes. */
const FIELDS: Readonly<Record<keyof Omit<FileHandler, "handler">, Kind<unknown>>> = {
  concurrency: atOnce,
  concurrencyPerKey: atOnce,
  rate,
  burst: integer(1, RATE_COUNT_MAX),
};
const HOW = 'Write [handler."python.report"] on a line of its own, and its keys below.';

/** Reads all `[handler."x"]` sections; what is wrong with them is added to `problems`. */
export function readFileHandlers(file: TomlFile, problems: Problem[]): readonly FileHandler[] {
  const sections = readNamedSections(file, { word: "handler", how: HOW, fields: FIELDS }, problems);
  return sections.map(({ name, read }) => ({ handler: name, ...read }));
}
