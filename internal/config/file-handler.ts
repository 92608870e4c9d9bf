/**
 * File handlers: `[handler."python.report"]` in qntx.toml. Limits of handlers that
 * cannot announce them, as saved scripts, or whose plugin says others: what stands
 * here counts.
 */
import { type Rate, RATE_COUNT_MAX } from "../base/rate.ts";
import { nearest } from "../base/suggest.ts";
import { isTable, said } from "./file-schedule.ts";
import { integer, type Kind, rate } from "./kinds.ts";
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

/** Reads all `[handler."x"]` sections; what is wrong with them is added to `problems`. */
export function readFileHandlers(file: TomlFile, problems: Problem[]): readonly FileHandler[] {
  const sections: unknown = file.table["handler"] ?? {};
  if (!isTable(sections)) {
    problems.push({ where: file.where("handler"), message: "handler must be a section.", hint: HOW });
    return [];
  }
  return Object.entries(sections).flatMap(([handler, table]) => {
    if (isTable(table)) return [readOne(file, handler, table, problems)];
    const message = `handler.${handler} is ${said(table)}, but must be a section.`;
    problems.push({ where: file.where("handler", handler), message, hint: HOW });
    return [];
  });
}

const HOW = 'Write [handler."python.report"] on a line of its own, and its keys below.';

function readOne(
  file: TomlFile,
  handler: string,
  table: Readonly<Record<string, unknown>>,
  problems: Problem[],
): FileHandler {
  const place = { folder: file.folder, userHome: "" };
  const read: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(table)) {
    const kind = isField(field) ? FIELDS[field] : undefined;
    const given = kind?.read(value, place);
    if (given !== undefined) read[field] = given;
    else
      problems.push({
        where: file.where("handler", handler, field),
        ...wrong(handler, { field, value, kind }),
      });
  }
  return { handler, ...read };
}

function isField(word: string): word is keyof typeof FIELDS {
  return Object.hasOwn(FIELDS, word);
}

function wrong(
  handler: string,
  { field, value, kind }: { field: string; value: unknown; kind: Kind<unknown> | undefined },
): Pick<Problem, "message" | "hint"> {
  const words = Object.keys(FIELDS);
  const message = `${field} is not a key of [handler."${handler}"].`;
  if (isTable(value))
    return { message, hint: `A name with a dot stands in quotes: [handler."${handler}.${field}"].` };
  if (kind)
    return {
      message: `${field} is ${said(value)}, but must be ${kind.expects}.`,
      hint: `The keys are ${words.join(", ")}.`,
    };
  const meant = nearest(field, words);
  return {
    message,
    hint: meant ? `Did you mean ${meant}?` : `The keys are ${words.join(", ")}.`,
  };
}
