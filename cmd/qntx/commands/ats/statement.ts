/** Statement: the four fields of an attestation as options. */
import type { ArgDefs, ArgsOf } from "../../command.ts";

export const statementArgs = {
  subject: {
    type: "string",
    field: "subjects",
    repeat: true,
    valueHint: "S",
    description: "What it is about",
  },
  predicate: {
    type: "string",
    field: "predicates",
    repeat: true,
    valueHint: "P",
    description: "What is said of it",
  },
  context: {
    type: "string",
    field: "contexts",
    repeat: true,
    valueHint: "C",
    description: "In which respect",
  },
  actor: { type: "string", field: "actors", repeat: true, valueHint: "A", description: "Who says so" },
} as const satisfies ArgDefs;

/** The fields of an operation, from these options. */
export function statementOf({ subject, predicate, context, actor }: ArgsOf<typeof statementArgs>) {
  const given = (values: string[]) => (values.length === 0 ? undefined : values);
  return {
    subjects: given(subject),
    predicates: given(predicate),
    contexts: given(context),
    actors: given(actor),
  };
}
