/** `qntx handler run NAME` runs a handler now: what it says goes to stderr, what it gives to stdout. */
import { Fault } from "../../../../internal/base/fault.ts";
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import type { JobView } from "../../../../internal/operations/job-view.ts";
import { type Client, openClient } from "../../client.ts";
import { command } from "../../command.ts";
import type { ExitCode } from "../../exit.ts";
import { handlerNames } from "../../names.ts";
import { json } from "../../values.ts";
import { followJob, saidShown } from "../job/follow.ts";
import { printEnd, requireHost, waitForJob, waitTimeoutArg } from "../job/waiting.ts";
import { handlerArg } from "./which.ts";

export const handlerRun = command({
  details: "It is tried once. Exits 8 unless it completes.",
  args: {
    name: { ...handlerArg, complete: handlerNames },
    payload: { type: "string", valueHint: "JSON|@FILE|-", parse: json, description: "What it is given" },
    waitTimeout: waitTimeoutArg,
  },
  examples: [
    { line: 'qntx handler run vacancies --payload \'{"city":"Utrecht"}\'', why: "try what was just saved" },
    { line: "qntx handler run ixgest.git --payload @repo.json | jq .commits", why: "a plugin's own handler" },
  ],
  async run({ args: { name, payload, waitTimeout }, world, globals, out }): Promise<ExitCode> {
    await using client = await openClient(world, globals);
    requireHost(client);
    const handler = await announcedName(client, name);
    const { id } = await client.call<JobView>("job.enqueue", { handler, payload, maxAttempts: 1 });
    const end = new AbortController();
    const said = followJob(client, id, {
      world,
      follow: true,
      quit: end.signal,
      onLine: (line) =>
        out.say(line.level === "info" ? saidShown(line) : `${line.level}: ${saidShown(line)}`),
    });
    const ended = waitForJob(client, id, { world, waitTimeout }).catch((error: unknown) => {
      end.abort();
      throw error;
    });
    const [job] = await Promise.all([ended, said]);
    return printEnd(out, job);
  },
});

/** A saved handler by its short name; any other name is taken as it is, if a plugin may announce it. */
async function announcedName(client: Client, name: string): Promise<string> {
  try {
    return (await client.call<HandlerView>("handler.show", { name })).handler;
  } catch (error) {
    if (error instanceof Fault && error.code === "not-found" && (await isAnnounced(client, name)))
      return name;
    throw error;
  }
}

async function isAnnounced(client: Client, name: string): Promise<boolean> {
  const { plugins } = await client.call<{ plugins: { name: string; handlers: string[] }[] }>("plugin.list");
  return plugins.some((plugin) =>
    plugin.handlers.some((handler) => handler === name || `${plugin.name}/${handler}` === name),
  );
}
