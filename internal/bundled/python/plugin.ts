/**
 * python: runs Python, each job in a process of its own.
 *
 * | handler         | payload                                                        |
 * | --------------- | -------------------------------------------------------------- |
 * | python.script   | { code or content or file, args?, stdin? }                     |
 * | python.csv      | { text or file, code or content or handler, delimiter?, columns? } |
 * | python.webhook  | { handler, method, path, query, headers, body }                |
 * | python.<name>   | anything: it is the input of the saved handler <name>          |
 *
 * A file that defines `handler(job)` answers with what that returns; any other
 * runs as a script with `job` in scope, and may set `result`.
 */
import {
  definePlugin,
  type Host,
  type JobOptions,
  type PluginDefinition,
} from "../../../sdk/typescript/qntx.ts";
import { type SavedHandler, SavedHandlers } from "../saved-handlers.ts";
import { Interpreter } from "./interpreter.ts";
import { readCsv, readScript, savedOrder } from "./request.ts";
import { receive, webhookName } from "./webhook.ts";

const CONCURRENCY = Math.max(4, navigator.hardwareConcurrency * 2); // Processes; half of them usually wait for something.
const RESERVED = ["python.script", "python.csv", "python.webhook"];
const PYTHON_DEFAULT = "python3";

/** Makes the plugin. The zygote's file is written to `folder`, the plugin's own. */
export function createPythonPlugin(folder: string): PluginDefinition {
  let parts: Parts | undefined;
  const running = () => {
    if (!parts) throw new Error("The plugin has not been started.");
    return parts;
  };
  return definePlugin({
    name: "python",
    version: "0.1.0",
    description: "Runs Python: scripts, saved handlers, rows of CSV, webhooks.",
    concurrency: CONCURRENCY,
    jobs: jobsOf(running, []),
    http: { "POST /*": (request, host) => receive(request, host, (name) => codeOf(running(), name)) },
    async start(host) {
      const announce = () => host.setJobs(jobsOf(running, running().saved.all.values()));
      parts = await startParts(host, folder, announce);
      await announce();
    },
    async stop() {
      parts?.saved.stop();
      await parts?.interpreter.stop();
    },
  });
}

export default createPythonPlugin(process.cwd());

interface Parts {
  interpreter: Interpreter;
  saved: SavedHandlers;
}

async function startParts(host: Host, folder: string, changed: () => Promise<void>): Promise<Parts> {
  const interpreter = new Interpreter({ python: host.config["interpreter"] ?? PYTHON_DEFAULT, folder });
  interpreter.warm();
  const saved = new SavedHandlers(host.ats, { contexts: ["python"], reserved: RESERVED, log: host.log });
  await saved.follow(changed);
  return { interpreter, saved };
}

function codeOf({ saved }: Parts, name: string): string | undefined {
  return saved.all.get(`python.${name}`)?.code;
}

/** Every handler of the plugin: its own three, and one for each saved name. */
function jobsOf(running: () => Parts, saved: Iterable<SavedHandler>): Record<string, JobOptions> {
  const find = (name: string) => codeOf(running(), name);
  const jobs: Record<string, JobOptions> = {
    script: {
      run: async (job) => running().interpreter.run(job, await readScript(job.payload)),
      description: "Runs Python code, or a file.",
    },
    csv: {
      run: async (job) => running().interpreter.run(job, await readCsv(job.payload, find)),
      description: "Runs a function for each row of a CSV.",
    },
    webhook: {
      run: (job) => running().interpreter.run(job, savedOrder(webhookName(job.payload), find)),
      description: "Runs a saved handler for an HTTP request.",
    },
  };
  for (const { name } of saved) {
    jobs[`python.${name}`] = {
      run: (job) => running().interpreter.run(job, savedOrder(name, find)),
      description: `The saved handler ${name}.`,
    };
  }
  return jobs;
}
