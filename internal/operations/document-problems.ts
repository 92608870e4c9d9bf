/**
 * Problems of a document: gathered while it is read, and told together. A wrong value
 * is shown, because a person looks at the message first and at the file second.
 */
import type { z } from "zod";
import { Fault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import { FIELD_OF_OPTION } from "../config/file-schedule.ts";

/** What a problem is about: how messages call it, and where its fields stand. */
export interface Subject {
  subject: string;
  lineOf(field: string): number | undefined;
}

export interface Problem {
  line: number | undefined;
  /** A sentence that names the schedule, the field and the value. */
  message: string;
  /** The way out. */
  hint: string;
}

const SHOWN_MAX = 20; // More than fit on a screen help nobody.

export class Problems {
  readonly #name: string;
  readonly #found: Problem[] = [];

  /** `name` is what messages call the document. */
  constructor(name: string) {
    this.#name = name;
  }

  add(problem: Problem): void {
    this.#found.push(problem);
  }

  /** Runs a reader; what it refuses is noted, and the answer is undefined. */
  attempt<T>({ subject, lineOf }: Subject, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const fields = error.fields.length > 0 ? error.fields : [{ field: "", message: error.message }];
      for (const { field, message } of fields) {
        const line = lineOf(rootOf(field));
        const said = field === "" ? message : `${field}: ${message}`;
        this.add({ line, message: `${subject}: ${said}`, hint: error.hint ?? "" });
      }
      return undefined;
    }
  }

  /** Checks a value's shape; what is wrong is noted and told to `onWrong` by its field, and the answer is undefined. */
  checked<T>(
    schema: z.ZodType<T>,
    value: unknown,
    { subject, lineOf }: Subject,
    onWrong: (field: string) => void = () => {},
  ): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues.flatMap(oneByOne)) {
      const [field = "", message = "", hint = ""] = sentenceOf(issue, value, schema);
      this.add({ line: lineOf(rootOf(field)), message: `${subject}: ${field}: ${message}`, hint });
      onWrong(rootOf(field));
    }
    return undefined;
  }

  /** The Fault for one thing without which nothing else can be said. */
  only(message: string, hint: string, line?: number): Fault {
    return documentFault(this.#name, [{ line, message, hint }]);
  }

  throwAny(): void {
    if (this.#found.length > 0) throw documentFault(this.#name, this.#found);
  }
}

/** The Fault for one or more problems, in the order of their lines. */
export function documentFault(name: string, found: readonly Problem[]): Fault {
  const problems = found.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  const fields = problems.slice(0, SHOWN_MAX).map(({ line, message, hint }) => ({
    field: whereIn(name, line),
    message: `${message} ${hint}`.trim(),
  }));
  const [first] = problems;
  if (first && problems.length === 1) {
    const message = `${whereIn(name, first.line)}: ${first.message}`;
    return new Fault("config", message, { hint: first.hint || undefined, fields });
  }
  return new Fault("config", `${name} has ${problems.length} mistakes; nothing was changed.`, { fields });
}

/** `x.yaml:7`. */
export function whereIn(name: string, line: number | undefined): string {
  return line === undefined ? name : `${name}:${line}`;
}

function rootOf(field: string): string {
  return field.split(".")[0] ?? field;
}

/** Keys that are not known are one issue; each of them stands in a line of its own. */
function oneByOne(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  return issue.code === "unrecognized_keys" ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue];
}

/** Field, message and way out of what zod found. */
function sentenceOf(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodType): string[] {
  const field = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const known = issue.path.length === 0 && "shape" in schema ? Object.keys(Object(schema.shape)) : [];
    const [key = ""] = issue.keys;
    const option = known.find((field) => field === FIELD_OF_OPTION[key]);
    const meant = option ?? nearest(key, known);
    const name = [...issue.path, key].join(".");
    return [name, "is not a field here.", meant ? `Did you mean ${meant}?` : ""];
  }
  const value = valueAt(root, issue.path);
  if (value === undefined)
    return [field, issue.message.startsWith("is missing") ? issue.message : "is missing."];
  if (issue.code === "invalid_type" && issue.expected === "string")
    return [field, `${shown(value)} is not a text.`, "Put it in quotes."];
  const message = /^[a-z]/.test(issue.message) ? issue.message : `must be something else: ${issue.message}.`;
  return [field, `${shown(value)} ${message}`, ""];
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = root;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}
