/** `qntx ats query`: find attestations, last written first. */
import type { attestationQuery as operation } from "../../../../internal/operations/attestation.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { whenShown } from "../../facts.ts";
import { printList } from "../../paging.ts";
import { integer } from "../../values.ts";
import { statementArgs, statementOf } from "./statement.ts";

const LIMIT_MAX = 10_000;
const COLUMNS = ["when", "subjects", "predicates", "contexts", "actors", "attributes"].map((title) => ({
  title,
}));

export const atsQuery = command({
  details: "A repeated option means any of its values; different options must all hold. Words match exactly.",
  args: {
    ...statementArgs,
    since: { type: "string", valueHint: "T", description: "Said at this instant or later" },
    until: { type: "string", valueHint: "T", description: "Said at this instant or earlier" },
    limit: {
      type: "string",
      alias: "n",
      valueHint: "N",
      parse: integer(1, LIMIT_MAX),
      description: "Rows at most (default 100)",
    },
  },
  examples: [
    { line: "qntx ats query --subject acme --predicate hires", why: "who hires at acme" },
    { line: "qntx ats query --since 2030-01-01T00:00:00Z --json", why: "this year's, for a script" },
  ],
  async run({ args: { since, until, limit, ...statement }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const input = { since, until, limit, ...statementOf(statement) };
    const found = await client.call<OutputOf<typeof operation>>("ats.query", input);
    printList(out, found, {
      columns: COLUMNS,
      rows: () =>
        found.attestations.map(({ timestamp, subjects, predicates, contexts, actors, attributes }) => [
          whenShown(out, timestamp),
          ...[subjects, predicates, contexts, actors].map((words) => words.join(", ")),
          JSON.stringify(attributes),
        ]),
      empty: "Nobody has said that.",
    });
  },
});
