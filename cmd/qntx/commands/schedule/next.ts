/** `qntx schedule next`: when a schedule fires next, or would. Without an ID it needs neither host nor data folder. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { NextView } from "../../../../internal/operations/schedule-next.ts";
import { openClient } from "../../client.ts";
import { command, type Globals } from "../../command.ts";
import { whenShown } from "../../facts.ts";
import type { Out } from "../../output.ts";
import { integer } from "../../values.ts";
import type { World } from "../../world.ts";
import { given, whenArgs } from "./definition.ts";
import { scheduleArg } from "./which.ts";

const COUNT_MAX = 1_000;

export const scheduleNext = command({
  details: "Give a schedule, or --cron or --every to try one out.",
  args: {
    id: { ...scheduleArg, required: false },
    ...whenArgs,
    anchor: { type: "string", valueHint: "T", description: "Where --every counts from (default now)" },
    from: { type: "string", valueHint: "T", description: "Fires after this instant (default now)" },
    to: {
      type: "string",
      valueHint: "T",
      description:
        "All from --from on and before this instant, as the ledger counts: by what was in force then",
    },
    count: {
      type: "string",
      alias: "n",
      valueHint: "N",
      parse: integer(1, COUNT_MAX),
      description: "How many (default 10; with --to 1000)",
    },
  },
  examples: [
    { line: "qntx schedule next report", why: "the next ten runs" },
    {
      line: "qntx schedule next report --from 2030-01-01T00:00:00Z --to 2030-02-01T00:00:00Z",
      why: "everything planned in January, blackouts too",
    },
    { line: 'qntx schedule next --cron "0 9 * * MON#1" --tz Europe/London -n 3', why: "try an expression" },
  ],
  async run({ args: { id, every, cron, tz, anchor, from, to, count }, world, globals, out }) {
    if (id === undefined && every === undefined && cron.length === 0)
      throw new Fault("usage", "Of what?", { hint: "Name a schedule, or give --cron or --every." });
    const input = { id, every, cron: given(cron), timezone: tz, anchor, from, to, count };
    const next = id === undefined ? await preview(world, input) : await stored(world, globals, input);
    out.data(next, () => instantLines(out, next));
    if (next.instants.length === 0)
      out.say(to === undefined ? "It does not fire any more." : "It planned nothing there.");
    const { total = 0, instants } = next;
    if (total > instants.length) out.say(`These are the first ${instants.length} of ${total}.`);
  },
});

async function preview(world: World, input: object): Promise<NextView> {
  const { previewNext } = await import("../../../../internal/operations/schedule-next.ts");
  return previewNext(world.env, input);
}

async function stored(world: World, globals: Globals, input: object): Promise<NextView> {
  await using client = await openClient(world, globals);
  return await client.call<NextView>("schedule.next", input);
}

/** In a pipe one instant a line; for people also how long until then, and what the clock on the wall says. */
function instantLines(out: Out, { instants, timezone }: NextView): string {
  if (!out.terminal) return instants.join("\n");
  const columns = [{ title: "instant" }, { title: timezone }, { title: "from now" }];
  return out.table(
    columns,
    instants.map((instant) => [instant, onTheWall(instant, timezone), whenShown(out, instant)]),
  );
}

function onTheWall(instant: string, timezone: string): string {
  return new Intl.DateTimeFormat("sv-SE", {
    timeZone: timezone,
    dateStyle: "short",
    timeStyle: "medium",
  }).format(new Date(instant));
}
