/** `qntx blackout show NAME`: its ranges, and which schedules observe it. */
import type { blackoutShow as operation } from "../../../../internal/operations/blackout.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { factLines, whenInFull } from "../../facts.ts";
import { blackoutArg } from "./which.ts";

export const blackoutShow = command({
  args: { name: blackoutArg },
  examples: [{ line: "qntx blackout show holidays", why: "when, and for whom" }],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const blackout = await client.call<OutputOf<typeof operation>>("blackout.show", args);
    const { name, description, timezone, ranges, observers, updatedAt } = blackout;
    const lines = ranges.map(({ from, to, note }) =>
      `${from === to ? from : `${from}..${to}`} ${note}`.trim(),
    );
    const facts = factLines(out, [
      ["name", name],
      ["about", description],
      ["zone", timezone],
      ["ranges", lines.join("\n")],
      ["observed by", observers.map((observer) => observer.name || observer.id).join("\n")],
      ["changed", whenInFull(out, updatedAt)],
    ]);
    out.data(blackout, facts);
  },
});
