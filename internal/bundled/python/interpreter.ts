/**
 * Interpreter: keeps one zygote warm, and runs code in it. A zygote that died is
 * replaced when the next job comes, so one that cannot live costs a start per
 * job and never a loop.
 */
import type { Job } from "../../../sdk/typescript/qntx.ts";
import { resultOf } from "./ending.ts";
import { type Order, PythonProcess } from "./process.ts";

/** Where Python is, and where the zygote may be written. */
export interface InterpreterOptions {
  /** A name on PATH, or a path. */
  python: string;
  folder: string;
}

/** Runs code, each job in a process of its own. */
export class Interpreter {
  readonly #options: InterpreterOptions;
  #process: PythonProcess | undefined;

  constructor(options: InterpreterOptions) {
    this.#options = options;
  }

  /** The zygote's process id; undefined when none runs. */
  get pid(): number | undefined {
    return this.#process?.ended === false ? this.#process.pid : undefined;
  }

  /** Starts Python now, so that the first job finds it warm. Says nothing when there is none: each job will. */
  warm(): void {
    if (this.#find() !== null) this.#running();
  }

  /** Runs the order for the job. Resolves with its result as JSON; throws what it raised, or why it was ended. */
  async run(job: Job, order: Order): Promise<Uint8Array | undefined> {
    if (job.signal.aborted) throw job.signal.reason;
    try {
      return resultOf(await this.#running().run(job, order));
    } catch (error) {
      // Whatever it raised when it was told to end, this is why. One that finished all the same has finished.
      throw job.signal.aborted ? job.signal.reason : error;
    }
  }

  /** Ends the zygote and everything that it runs. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  #running(): PythonProcess {
    if (this.#process && !this.#process.ended) return this.#process;
    const { python, folder } = this.#options;
    const found = this.#find();
    if (found === null) {
      const where = python.includes("/") ? "" : ` on PATH (${process.env["PATH"] ?? "empty"})`;
      throw new Error(`There is no ${python}${where}. Install Python 3.8 or newer; this job is tried again.`);
    }
    this.#process = new PythonProcess(found, folder);
    return this.#process;
  }

  #find(): string | null {
    return Bun.which(this.#options.python, { PATH: process.env["PATH"] ?? "" });
  }
}
