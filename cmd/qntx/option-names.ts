/**
 * Option names: an operation refuses a field, a person wrote an option. What is
 * said of the field `timezone` becomes what is said of `--tz`, in the sentence
 * and in the list of fields.
 */
import { Fault } from "../../internal/base/fault.ts";
import { type ArgDefs, nameOf } from "./command.ts";

/** The same error, with the command's options for the operation's fields. */
export function withOptionNames(error: unknown, args: ArgDefs): unknown {
  if (!(error instanceof Fault) || error.fields.length === 0) return error;
  const names = new Map(Object.entries(args).map(([key, arg]) => [fieldOf(key, arg), nameOf(key, arg)]));
  // An expression is `cron[1]`, an attestation's attributes are `attestations.0.attributes`.
  const nameFor = (field: string) => {
    const known = field.split(/[.[]/).find((word) => names.has(word));
    return names.get(known ?? "") ?? field;
  };
  const lines = error.message.split("\n").map((line) => {
    const said = error.fields.find(({ field }) => line.startsWith(`${field}: `));
    return said ? nameFor(said.field) + line.slice(said.field.length) : line;
  });
  return new Fault(error.code, lines.join("\n"), {
    hint: error.hint,
    fields: error.fields.map(({ field, message }) => ({ field: nameFor(field), message })),
    retryAfterMs: error.retryAfterMs,
    limit: error.limit,
    cause: error,
  });
}

function fieldOf(key: string, arg: ArgDefs[string]): string {
  return ("field" in arg ? arg.field : undefined) ?? key;
}
