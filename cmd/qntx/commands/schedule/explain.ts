/** `qntx schedule explain ID --at T`: why it ran, or did not, in one sentence. */
import type { scheduleExplain as operation } from "../../../../internal/operations/explain.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { scheduleArg } from "./which.ts";

export const scheduleExplain = command({
  details: "Without --at, the last one whose time is over.",
  args: {
    id: scheduleArg,
    at: { type: "string", valueHint: "T", description: "The moment for which it was meant" },
  },
  examples: [
    {
      line: "qntx schedule explain report --at 2026-11-20T09:00:00Z",
      why: "why did it not run this morning?",
    },
  ],
  async run({ args, world, globals, out }) {
    await using client = await openClient(world, globals);
    const answer = await client.call<OutputOf<typeof operation>>("schedule.explain", args);
    out.data(answer, answer.at === null ? answer.sentence : `${answer.at}: ${answer.sentence}`);
  },
});
