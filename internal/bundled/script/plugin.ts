/**
 * script: runs TypeScript, JavaScript and shell, each job in a process of its own.
 *
 * | handler         | payload                                                         |
 * | --------------- | --------------------------------------------------------------- |
 * | script.run      | { code or file, args? }: a file or its text; args is its payload |
 * | script.<name>   | anything: it is the payload of the saved .ts or .js handler      |
 * | shell.<name>    | anything: it is the stdin of the saved .sh handler               |
 *
 * A .ts or .js file exports by default a function of one argument, the job. What
 * it returns is the result. A file that exports nothing has done its work when
 * it is loaded.
 */
import { join } from "node:path";
import { toBytes } from "../../../sdk/typescript/codec.ts";
import {
  definePlugin,
  type Host,
  type Job,
  type JobOptions,
  PermanentError,
  type PluginDefinition,
} from "../../../sdk/typescript/qntx.ts";
import { selfCommand } from "../../../sdk/typescript/self.ts";
import { type SavedHandler, SavedHandlers } from "../saved-handlers.ts";
import { JobFolders } from "./folder.ts";
import { argvOf, readRun } from "./request.ts";
import { runScript, type SelfCommand } from "./script.ts";
import { runShell } from "./shell.ts";

const CONCURRENCY = Math.max(4, navigator.hardwareConcurrency * 2); // Processes; half of them usually wait for something.
const RUN = "script.run";

export interface ScriptPluginOptions {
  /** The plugin's own folder: jobs have theirs below it. */
  folder: string;
  self: SelfCommand;
}

/** Makes the plugin. */
export function createScriptPlugin(options: ScriptPluginOptions): PluginDefinition {
  let parts: Parts | undefined;
  return definePlugin({
    name: "script",
    version: "0.1.0",
    description: "Runs TypeScript, JavaScript and shell: scripts and saved handlers.",
    concurrency: CONCURRENCY,
    async start(host) {
      parts = new Parts(host, options);
      await parts.start();
    },
    stop: () => parts?.stop(),
  });
}

export default createScriptPlugin({ folder: process.cwd(), self: selfCommand });

/** The plugin from its start to its stop. */
class Parts {
  readonly #host: Host;
  readonly #self: SelfCommand;
  readonly #folders: JobFolders;
  readonly #saved: SavedHandlers;

  constructor(host: Host, { folder, self }: ScriptPluginOptions) {
    this.#host = host;
    this.#self = self;
    this.#folders = new JobFolders(folder);
    const contexts = ["script", "shell"];
    this.#saved = new SavedHandlers(host.ats, { contexts, reserved: [RUN], log: host.log });
  }

  async start(): Promise<void> {
    const announce = () => this.#host.setJobs(this.#jobs());
    await this.#saved.follow(announce);
    await announce();
  }

  stop(): void {
    this.#saved.stop();
    this.#folders.close();
  }

  #jobs(): Record<string, JobOptions> {
    const run = (job: Job) => this.#run(job);
    const jobs: Record<string, JobOptions> = { [RUN]: { run, description: "Runs a script, or a file." } };
    for (const [handler, { name }] of this.#saved.all) {
      jobs[handler] = {
        run: (job) => this.#runSaved(job, handler),
        description: `The saved handler ${name}.`,
      };
    }
    return jobs;
  }

  async #run(job: Job): Promise<unknown> {
    const request = await readRun(job.payload);
    return this.#folders.within(async (folder) => {
      const file = "file" in request ? request.file : join(folder, "script.ts");
      if ("code" in request) await Bun.write(file, request.code);
      const order = { file, argv: argvOf(request.args), payload: toBytes(request.args) };
      return runScript(job, order, { folder, self: this.#self });
    });
  }

  /** Runs what is saved now: a job that was waiting gets the newest version. */
  #runSaved(job: Job, handler: string): Promise<unknown> {
    const saved = this.#saved.all.get(handler);
    if (!saved)
      throw new PermanentError(`There is no saved handler ${handler}. Save one with: qntx handler create.`);
    return this.#folders.within((folder) =>
      saved.context === "shell" ? runShell(job, saved, folder) : this.#runFile(job, saved, folder),
    );
  }

  async #runFile(job: Job, { name, code, lang }: SavedHandler, folder: string): Promise<unknown> {
    const file = join(folder, `${name}.${lang === "js" ? "js" : "ts"}`);
    await Bun.write(file, code);
    return runScript(job, { file, argv: [], payload: job.bytes }, { folder, self: this.#self });
  }
}
