/**
 * Named sections: `[handler."python.report"]`, `[isolation.python]`. Each has a name of
 * the operator's choice and a few keys of ours.
 */
import { nearest } from "../base/suggest.ts";
import { isTable, said } from "./file-schedule.ts";
import type { Kind } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export interface NamedSections {
  /** The word in front of the names. */
  word: string;
  /** How one is written, for who has it wrong. */
  how: string;
  /** Everything that one takes. */
  fields: Readonly<Record<string, Kind<unknown>>>;
}

/** Reads all of a word, name by name; what is wrong with them is added to `problems`. */
export function readNamedSections(
  file: TomlFile,
  about: NamedSections,
  problems: Problem[],
): { name: string; read: Record<string, unknown> }[] {
  const { word, how } = about;
  const sections: unknown = file.table[word] ?? {};
  if (!isTable(sections)) {
    problems.push({ where: file.where(word), message: `${word} must be a section.`, hint: how });
    return [];
  }
  return Object.entries(sections).flatMap(([name, table]) => {
    if (isTable(table)) return [{ name, read: readOne(file, about, { name, table }, problems) }];
    const message = `${word}.${name} is ${said(table)}, but must be a section.`;
    problems.push({ where: file.where(word, name), message, hint: how });
    return [];
  });
}

function readOne(
  file: TomlFile,
  about: NamedSections,
  { name, table }: { name: string; table: Readonly<Record<string, unknown>> },
  problems: Problem[],
): Record<string, unknown> {
  const place = { folder: file.folder, userHome: "" };
  const read: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(table)) {
    const kind = Object.hasOwn(about.fields, field) ? about.fields[field] : undefined;
    const given = kind?.read(value, place);
    if (given !== undefined) read[field] = given;
    else
      problems.push({
        where: file.where(about.word, name, field),
        ...wrong(about, { name, field, value, kind }),
      });
  }
  return read;
}

function wrong(
  { word, fields }: NamedSections,
  {
    name,
    field,
    value,
    kind,
  }: { name: string; field: string; value: unknown; kind: Kind<unknown> | undefined },
): Pick<Problem, "message" | "hint"> {
  const words = Object.keys(fields);
  const message = `${field} is not a key of [${word}."${name}"].`;
  if (isTable(value))
    return { message, hint: `A name with a dot stands in quotes: [${word}."${name}.${field}"].` };
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
