/** `qntx schedule show ID`: all about one schedule. */
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleShow as operation } from "../../../../internal/operations/schedule.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { scheduleFacts } from "./describe.ts";
import { scheduleArg } from "./which.ts";

export const scheduleShow = command({
  args: { id: scheduleArg },
  examples: [{ line: "qntx schedule show report", why: "state, next run, policy, payload" }],
  async run({ args: { id }, world, globals, out }) {
    await using client = await openClient(world, globals);
    const schedule = await client.call<OutputOf<typeof operation>>("schedule.show", { id });
    out.data(schedule, await scheduleFacts(out, schedule));
  },
});
