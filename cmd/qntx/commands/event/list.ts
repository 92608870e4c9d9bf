/** `qntx event list`: what happened that somebody should know; with -f, what happens from now on too. */
import { type Millis, sleep } from "../../../../internal/base/env.ts";
import type { eventList as operation, EventView } from "../../../../internal/operations/event.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import { type Client, openClient } from "../../client.ts";
import { command, type Globals } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { idShown, whenShown } from "../../facts.ts";
import type { Out } from "../../output.ts";
import { pageArgs, printList } from "../../paging.ts";
import type { World } from "../../world.ts";

const COLUMNS = ["when", "kind", "about", "message"].map((title) => ({ title }));
const LOOK_AGAIN_MS: Millis = 500;

type Listed = OutputOf<typeof operation>;
type Filter = { kind?: string | undefined; subject?: string | undefined };

export const eventList = command({
  args: {
    kind: { type: "string", valueHint: "KIND", description: "Only of this kind, such as plugin.failed" },
    subject: {
      type: "string",
      valueHint: "NAME",
      description: "Only about this: a schedule's name or id, a plugin's name",
    },
    follow: { type: "boolean", alias: "f", description: "Show the last ones, then go on until Ctrl-C" },
    ...pageArgs,
  },
  examples: [
    { line: "qntx event list --subject report", why: "what happened to a schedule" },
    { line: "qntx event list -f --json", why: "one object a line, for a program that waits" },
  ],
  async run({ args: { follow, ...request }, world, globals, out }): Promise<ExitCode | void> {
    if (follow) return followEvents(request, { world, globals, out });
    await using client = await openClient(world, globals);
    const page = await client.call<Listed>("event.list", request);
    printList(out, page, {
      columns: COLUMNS,
      rows: () => page.events.map((event) => rowOf(out, event)),
      ...(out.terminal && { lines: () => page.events.map((event) => eventShown(out, event)) }),
      empty: "Nothing happened that somebody should know.",
      cursor: page.cursor,
    });
  },
});

/** Opened anew each time, so that a host that comes or goes is followed too. */
async function followEvents(
  request: Filter & { limit?: number | undefined },
  { world, globals, out }: { world: World; globals: Globals; out: Out },
): Promise<ExitCode> {
  const { quit } = world.quit();
  const { kind, subject, limit } = request;
  const look = async (wanted: object): Promise<Listed> => {
    await using client: Client = await openClient(world, globals);
    return await client.call<Listed>("event.list", { kind, subject, ...wanted });
  };
  let events = (await look({ limit })).events.toReversed();
  let after = 0;
  while (!quit.aborted) {
    for (const event of events) out.data(event, () => eventShown(out, event));
    after = events.at(-1)?.seq ?? after;
    if (events.length === 0) await sleep(world.env, LOOK_AGAIN_MS, quit);
    ({ events } = await look({ after }));
  }
  return EXIT.interrupted;
}

/** On a terminal the sentence has lines of its own: cut, it would lose its reason. */
function eventShown(out: Out, event: EventView): string {
  const [when, kind, about, message] = rowOf(out, event);
  return out.terminal
    ? `${when}  ${out.paint("bold", kind)}  ${about}\n  ${message}`
    : `${when}  ${kind}  ${about}  ${message}`;
}

function rowOf(out: Out, { at, kind, subject, message }: EventView): [string, string, string, string] {
  return [whenShown(out, at), kind, idShown(out, subject), message];
}
