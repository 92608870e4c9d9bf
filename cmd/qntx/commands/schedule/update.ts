/** `qntx schedule update ID …` changes a schedule; what is not given stays. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleUpdate as operation } from "../../../../internal/operations/schedule.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { definitionArgs, definitionOf, endpointArg, handlerArg } from "./definition.ts";
import { stateSentence } from "./describe.ts";
import { scheduleArg } from "./which.ts";

/** What can be taken away again, and the field that becomes null. */
const CLEARABLE = [
  { word: "blackouts", field: "blackouts" },
  { word: "end-at", field: "endAt" },
  { word: "jitter", field: "jitter" },
  { word: "max-attempts", field: "maxAttempts" },
  { word: "max-lateness", field: "maxLateness" },
  { word: "max-runs", field: "runsMax" },
  { word: "missed-window", field: "missedWindow" },
  { word: "must-start-within", field: "mustStartWithin" },
  { word: "must-succeed-within", field: "mustSucceedWithin" },
  { word: "pause-after-failures", field: "pauseAfterFailures" },
  { word: "priority", field: "priority" },
  { word: "retry", field: "retry" },
  { word: "start-at", field: "startAt" },
  { word: "timeout", field: "timeout" },
] as const;

export const scheduleUpdate = command({
  details: "A new --every counts from now; --cron, --every and --at replace each other.",
  args: {
    id: scheduleArg,
    name: { type: "string", valueHint: "NAME", description: "A new name" },
    handler: handlerArg,
    endpoint: endpointArg,
    ...definitionArgs,
    clear: {
      type: "enum",
      options: CLEARABLE.map(({ word }) => word),
      repeat: true,
      description: "Take it away; back to the default",
    },
  },
  examples: [
    { line: "qntx schedule update poll --every 10m", why: "half as often" },
    { line: "qntx schedule update poll --clear end-at", why: "without an end" },
    { line: "qntx schedule update poll --name poll-feeds", why: "under another name" },
  ],
  async run({ args: { id, name, handler, endpoint, clear, ...definition }, world, globals, out }) {
    const cleared = CLEARABLE.flatMap(({ word, field }) => (clear.includes(word) ? [[field, null]] : []));
    const stated = { name, handler, endpoint, ...definitionOf(definition) };
    refuseBoth(clear, stated);
    const change = { ...stated, ...Object.fromEntries(cleared) };
    if (Object.values(change).every((value) => value === undefined))
      throw new Fault("usage", "There is nothing to change.", { hint: "Add --help to see the options." });
    await using client = await openClient(world, globals);
    const schedule = await client.call<OutputOf<typeof operation>>("schedule.update", { id, ...change });
    out.data(schedule, stateSentence(out, schedule, `is changed (revision ${schedule.revision})`));
    schedule.warnings.forEach((warning) => out.warn(warning));
  },
});

/** Whoever takes away what they state in the same line means one of the two. */
function refuseBoth(clear: readonly string[], stated: Readonly<Record<string, unknown>>): void {
  const both = CLEARABLE.find(({ word, field }) => clear.includes(word) && stated[field] !== undefined);
  if (!both) return;
  throw new Fault("usage", `--clear ${both.word} takes away what the same line states.`, {
    hint: "Leave one of them out.",
  });
}
