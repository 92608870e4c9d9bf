/**
 * Child: one process for one job: a group of its own, a folder of its own, an
 * environment that is spelt out. What it prints are the job's lines.
 *
 * Ending it means its group: TERM first, KILL two seconds later. What it leaves
 * behind when it ends by itself is ended too.
 */
import type { Job } from "../../../sdk/typescript/qntx.ts";

export const KILL_AFTER_MS = 2_000; // Between TERM and KILL: time to remove a file, not to finish a job.
const DRAIN_MS = 500; // For output that something outside of the group still holds open.
const LINE_CHARS_MAX = 16_384; // Longer lines are cut into several.

export interface ChildOptions {
  argv: readonly string[];
  folder: string;
  env: Record<string, string>;
  stdin?: Uint8Array;
  /** Given when the child is one of ours and speaks back. */
  onMessage?: (message: unknown) => void;
}

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: string | null;
  /** The last line that it wrote to stderr. */
  last: string;
}

/** A process that works for a job. */
export class Child {
  readonly #process: Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe">;
  readonly #job: Job;
  readonly exited: Promise<Exit>;
  #last = "";

  /** Starts it. Throws when it cannot be started. */
  constructor(job: Job, { argv, folder, env, stdin, onMessage }: ChildOptions) {
    this.#job = job;
    this.#process = Bun.spawn([...argv], {
      cwd: folder,
      env,
      detached: true, // A group of its own, with the process's id as its number.
      stdin: stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
      ...(onMessage ? { ipc: onMessage } : {}),
    });
    this.exited = this.#watch();
  }

  /** Speaks to a child of ours. What comes after its end is lost, as it would be inside. */
  send(message: unknown): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.send(message);
  }

  /** Ends the group: TERM now, KILL later. */
  kill(): void {
    this.#signal("SIGTERM");
    this.expectEnd();
  }

  /** Ends the group if it has not ended by itself in a while. */
  expectEnd(): void {
    const timer = setTimeout(() => this.#signal("SIGKILL"), KILL_AFTER_MS);
    void this.#process.exited.then(() => clearTimeout(timer));
  }

  async #watch(): Promise<Exit> {
    const { signal, log } = this.#job;
    const kill = () => this.kill();
    if (signal.aborted) kill();
    signal.addEventListener("abort", kill, { once: true });
    const said = Promise.all([
      eachLine(this.#process.stdout, (line) => log.info(line)),
      eachLine(this.#process.stderr, (line) => log.warn((this.#last = line))),
    ]);
    await this.#process.exited;
    signal.removeEventListener("abort", kill);
    this.#signal("SIGKILL"); // Whatever it has started and left.
    await Promise.race([said, Bun.sleep(DRAIN_MS)]);
    const { exitCode, signalCode } = this.#process;
    return { code: exitCode, signal: signalCode === null ? null : String(signalCode), last: this.#last };
  }

  #signal(signal: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-this.#process.pid, signal);
    } catch {
      // Nothing of the group is left.
    }
  }
}

/** A script whose process did not end well. Its kind is `exit`. */
export class ScriptExit extends Error {
  override name = "exit";
}

/** Why a process that ended like this did not do its job. */
export function exitError(exit: Exit): ScriptExit {
  return new ScriptExit(sentenceOf(exit));
}

function sentenceOf({ code, signal, last }: Exit): string {
  if (signal === "SIGKILL")
    return "The script was killed (SIGKILL). Perhaps there was no memory left for it.";
  if (signal !== null) return `The script was ended by ${signal}.`;
  return last === ""
    ? `The script ended with exit code ${code}.`
    : `The script ended with exit code ${code}: ${last}`;
}

/** Hands over whole lines; the last one even when nothing ends it. */
async function eachLine(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
    for (; rest.length > LINE_CHARS_MAX; rest = rest.slice(LINE_CHARS_MAX))
      take(rest.slice(0, LINE_CHARS_MAX));
  }
  if (rest !== "") take(rest);
}
