/** Input from outside, checked with an operation's schema. A file of its own, because run.ts knows the table and the table knows everything. */
import type { z } from "zod";
import { Fault, type FieldFault } from "../base/fault.ts";

const FIELDS_MAX = 20; // Whoever has so many wrong has looked at the first one by then.
const FIELD_CHARS_MAX = 200; // Their keys are theirs to choose, and are quoted.

/** Checks input from outside. Throws one Fault that names every wrong field, or the first ones of very many. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input ?? {}, { error: inOurWords });
  if (result.success) return result.data;
  const fields = result.error.issues.slice(0, FIELDS_MAX).map((issue): FieldFault => {
    if (issue.code === "unrecognized_keys") {
      return { field: fieldName(issue.keys.join(", ")), message: "is not a field of this operation." };
    }
    return { field: fieldName(issue.path.join(".")) || "input", message: issue.message };
  });
  throw new Fault("usage", fields.map(({ field, message }) => `${field}: ${message}`).join("\n"), { fields });
}

function fieldName(path: string): string {
  return path.length > FIELD_CHARS_MAX ? `${path.slice(0, FIELD_CHARS_MAX)}…` : path;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** What is wrong, where the schema does not say it itself. Undefined leaves it to zod. */
function inOurWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type") {
    if (issue.input === undefined) return "is missing.";
    return `must be ${KINDS[issue.expected] ?? issue.expected}.`;
  }
  if (issue.code === "invalid_value") return `must be one of ${issue.values.join(", ")}.`;
  if (issue.code === "invalid_key") return "cannot be a key.";
  if (issue.code === "invalid_union") return "is not what this field takes.";
  if (issue.code === "too_big") {
    return issue.origin === "string"
      ? `has more than ${issue.maximum} characters.`
      : issue.origin === "array"
        ? `has more than ${issue.maximum} values.`
        : `must be at most ${issue.maximum}.`;
  }
  if (issue.code === "too_small") {
    return issue.origin === "string" || issue.origin === "array"
      ? "is too short."
      : `must be at least ${issue.minimum}.`;
  }
  return undefined;
}
