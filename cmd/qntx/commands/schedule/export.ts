/** `qntx schedule export [ID…]` writes schedules as a document that can be applied. */
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleExport as operation } from "../../../../internal/operations/schedule-apply.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { scheduleArg } from "./which.ts";

export const scheduleExport = command({
  details:
    "Deleted schedules are left out, and so is what happened: runs, ledgers and revisions stay here.\nThe blackouts that they observe are part of the document.",
  args: {
    ids: { ...scheduleArg, required: false, repeat: true },
    owner: {
      type: "string",
      valueHint: "OWNER",
      description: "Only schedules of file:NAME, plugin:NAME or person:NAME",
    },
    output: {
      type: "enum",
      alias: "o",
      options: ["yaml", "json"],
      default: "yaml",
      description: "How it is written",
    },
  },
  examples: [
    { line: "qntx schedule export > schedules.yaml", why: "all of them" },
    { line: "qntx schedule export report poll", why: "two" },
    { line: "qntx schedule export --owner file:prod", why: "what the document prod has made" },
  ],
  async run({ args: { ids, owner, output }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const { document } = await client.call<OutputOf<typeof operation>>("schedule.export", { ids, owner });
    const { writeDocument } = await import("../../../../internal/operations/schedule-document.ts");
    out.data(document, () =>
      output === "json" ? JSON.stringify(document, null, 2) : writeDocument(document),
    );
  },
});
