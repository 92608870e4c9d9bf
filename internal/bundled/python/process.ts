/**
 * PythonProcess: one zygote as a process: orders go in, what its children say
 * comes out. What it promises is in `zygote.py`.
 *
 * When it dies, its children's groups are ended here: the kernel ends the
 * children (they asked for that), but not what they have started themselves.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../../../sdk/typescript/qntx.ts";
import { type Ending, ScriptError } from "./ending.ts";
import zygote from "./zygote.py" with { type: "text" };
import zygoteChild from "./zygote_child.py" with { type: "text" };

/** What a child shall do. */
export interface Order {
  code: string;
  /** What the code is called in tracebacks: `name.py`, or the path that it was read from. */
  path: string;
  args?: string[];
  stdin?: string;
  /** Rows that the code's `row` or `handler` is given, one by one. */
  csv?: CsvOrder;
}

/** Exactly one of text and file. */
export interface CsvOrder {
  text?: string;
  file?: string;
  delimiter?: string;
  /** Names of the columns, when the first row does not say them. */
  columns?: string[];
}

interface Run {
  job: Job;
  pid: number;
  over: PromiseWithResolvers<Ending>;
}

/** A line of the zygote: our own program, so it is read and not checked. */
interface ZygoteEvent {
  id: string;
  pid?: number;
  log?: "debug" | "info" | "warn" | "error";
  text?: string;
  fields?: Record<string, string | number | boolean | null>;
  progress?: [current: number, total: number, message: string];
  cost?: number;
  end?: Ending;
}

/** A zygote that runs, or has ended. */
export class PythonProcess {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #runs = new Map<string, Run>();
  #count = 0;
  #lastWords = "";
  #ended = false;
  /** Resolves when the process and its output have ended. */
  readonly exited: Promise<void>;

  /** Starts `interpreter` with the zygote, which is written to `folder`. Throws when that cannot be started. */
  constructor(interpreter: string, folder: string) {
    writeProgram(folder);
    this.#child = Bun.spawn([interpreter, "-B", join(folder, "zygote.py")], {
      cwd: folder,
      env: { ...process.env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.exited = this.#watch();
  }

  get ended(): boolean {
    return this.#ended;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Runs an order as a child. Resolves with how it ended; rejects when the zygote itself dies. */
  run(job: Job, order: Order): Promise<Ending> {
    const run = String(++this.#count);
    const kill = () => this.#send({ kill: run });
    const over = Promise.withResolvers<Ending>();
    this.#runs.set(run, { job, pid: 0, over });
    this.#send({ run, job: about(job), ...order });
    job.signal.addEventListener("abort", kill, { once: true });
    return over.promise.finally(() => job.signal.removeEventListener("abort", kill));
  }

  /** Ends what runs, then the zygote. */
  async stop(): Promise<void> {
    for (const run of this.#runs.keys()) this.#send({ kill: run });
    await Promise.all([...this.#runs.values()].map(({ over }) => over.promise.catch(() => {})));
    if (!this.#ended) void this.#child.stdin.end();
    await this.exited;
  }

  #send(message: object): void {
    if (this.#ended) return;
    // A pipe that is broken already: the end of the process is about to be seen, and fails the runs.
    const broken = () => {};
    try {
      this.#child.stdin.write(`${JSON.stringify(message)}\n`);
      Promise.resolve(this.#child.stdin.flush()).catch(broken);
    } catch {
      broken();
    }
  }

  async #watch(): Promise<void> {
    const said = eachLine(this.#child.stderr, (line) => {
      this.#lastWords = line;
      process.stderr.write(`${line}\n`);
    });
    await eachLine(this.#child.stdout, (line) => this.#take(JSON.parse(line)));
    await Promise.all([said, this.#child.exited]);
    this.#ended = true;
    const how = this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
    const sentence = `Python itself ended (${how}) while the job ran. ${this.#lastWords}`.trim();
    for (const { pid, over } of this.#runs.values()) {
      killGroup(pid);
      over.reject(new ScriptError(sentence, "exit", ""));
    }
    this.#runs.clear();
  }

  #take(event: ZygoteEvent): void {
    const run = this.#runs.get(event.id);
    if (!run) return;
    const { job } = run;
    if (event.pid !== undefined) run.pid = event.pid;
    if (event.log !== undefined) job.log[event.log](event.text ?? "", event.fields);
    if (event.progress) job.progress(...event.progress);
    if (event.cost !== undefined) job.cost(event.cost);
    if (event.end) {
      this.#runs.delete(event.id);
      run.over.resolve(event.end);
    }
  }
}

function writeProgram(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const files = { "zygote.py": zygote, "zygote_child.py": zygoteChild };
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    writeFileSync(`${file}.${process.pid}`, text);
    renameSync(`${file}.${process.pid}`, file); // A neighbour may be starting from it just now.
  }
}

/** What a script finds in `job`. */
function about(job: Job): object {
  return {
    id: job.id,
    handler: job.handler,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    trigger: job.trigger,
    scheduleId: job.scheduleId ?? null,
    occurrence: job.occurrence ?? null,
    catchup: job.catchup,
    payload: Buffer.from(job.bytes).toString(),
  };
}

function killGroup(pid: number): void {
  if (pid === 0) return; // It had not been forked, or not said so.
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it was left.
  }
}

async function eachLine(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  }
  if (rest !== "") take(rest);
}
