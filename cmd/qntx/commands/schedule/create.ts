/** `qntx schedule create NAME --handler H …` makes a schedule. */
import { Fault, fieldFault } from "../../../../internal/base/fault.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { scheduleCreate as operation } from "../../../../internal/operations/schedule.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { definitionArgs, definitionOf, endpointArg, handlerArg } from "./definition.ts";
import { stateSentence } from "./describe.ts";

export const scheduleCreate = command({
  details:
    "Give --handler or --endpoint, and exactly one of --every, --cron and --at; --cron and --at may be repeated.",
  args: {
    name: { type: "positional", description: "What it is called" },
    handler: handlerArg,
    endpoint: endpointArg,
    ...definitionArgs,
    paused: { type: "boolean", description: "Make it paused" },
    note: { type: "string", valueHint: "TEXT", description: "Why it is paused" },
    ifNotExists: { type: "boolean", description: "Leave a schedule of this name as it is" },
    upsert: { type: "boolean", description: "Change a schedule of this name to this" },
  },
  examples: [
    { line: "qntx schedule create poll --handler python.poll --every 5m", why: "every five minutes" },
    {
      line: 'qntx schedule create report --handler python.report --cron "0 9 * * 1-5" --tz Europe/Amsterdam',
      why: "at nine on workdays, summer and winter",
    },
    {
      line: 'qntx schedule create sync --endpoint "demo/POST /sync" --every 1h --payload \'{"full": false}\'',
      why: "a request to a route of the plugin demo",
    },
    {
      line: "qntx schedule create launch --handler python.launch --at 2030-01-31T09:00:00Z --payload @launch.json",
      why: "once, with a payload from a file",
    },
  ],
  async run({
    args: { name, handler, endpoint, paused, note, ifNotExists, upsert, ...definition },
    ...context
  }) {
    if (handler === undefined && endpoint === undefined)
      throw new Fault("usage", "--handler or --endpoint is missing.", {
        hint: "What runs is one of them; qntx handler list shows handlers, qntx plugin show PLUGIN endpoints.",
      });
    if (name === "") throw fieldFault("NAME", '"" is no name.', "A variable may be empty.");
    if (upsert && ifNotExists)
      throw new Fault("usage", "--upsert and --if-not-exists cannot be given together.", {
        hint: "One changes a schedule of that name, the other leaves it as it is.",
      });
    const { world, globals, out } = context;
    await using client = await openClient(world, globals);
    const input = { name, handler, endpoint, paused, note, ifNotExists, upsert, ...definitionOf(definition) };
    const schedule = await client.call<OutputOf<typeof operation>>("schedule.create", input);
    const verb = schedule.created ? "is made" : upsert ? "is changed" : "is there already";
    out.data(schedule, stateSentence(out, schedule, schedule.state === "paused" ? `${verb}, paused` : verb));
    schedule.warnings.forEach((warning) => out.warn(warning));
  },
});
