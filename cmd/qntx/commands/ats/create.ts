/** `qntx ats create --subject S …` makes an attestation. */
import type { attestationCreate as operation } from "../../../../internal/operations/attestation.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { json } from "../../values.ts";
import { statementArgs, statementOf } from "./statement.ts";

export const atsCreate = command({
  details: "What is left out is said as _; without --actor it speaks for itself.",
  args: {
    ...statementArgs,
    subject: { ...statementArgs.subject, required: true },
    attributes: {
      type: "string",
      valueHint: "JSON|@FILE|-",
      parse: json,
      description: "More about it: an object",
    },
  },
  examples: [
    {
      line: 'qntx ats create --subject acme --predicate hires --actor me --attributes \'{"role":"cook"}\'',
      why: "acme hires a cook, I say",
    },
  ],
  async run({ args: { attributes, ...statement }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const attestations = [{ ...statementOf(statement), attributes }];
    const made = await client.call<OutputOf<typeof operation>>("ats.create", { attestations });
    out.data(made, `Attestation ${made.attestations.map(({ id }) => id).join(", ")} is made.`);
  },
});
