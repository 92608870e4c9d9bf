/**
 * A real host for end-to-end tests: the binary as a process of its own, on a data
 * folder and a port of its own, driven by the command line as a person would.
 *
 * `QNTX_BIN` names the binary; without it the program runs from its source.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { socketPath } from "../../http/socket.ts";

const ROOT = join(import.meta.dir, "../../..");
const START_LIMIT_MS = 60_000; // Generous: the machine may be busy with other tests.
const LOOK_MS = 25;

/** The words that start qntx. */
export const QNTX: readonly string[] = process.env["QNTX_BIN"]
  ? [resolve(process.env["QNTX_BIN"])] // Hosts run in folders of their own.
  : [process.execPath, "--no-install", "--no-env-file", "run", join(ROOT, "cmd/qntx/main.ts")];

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface StartOptions {
  /** Added to `qntx serve`. */
  words?: readonly string[];
  vars?: Record<string, string>;
  /** A program that runs it, as strace does. */
  under?: readonly string[];
  /** What is run instead of the program. */
  program?: readonly string[];
}

/** A data folder with what a test puts into it, and the hosts that ran on it. */
export class Place implements AsyncDisposable {
  readonly home: string;
  #running: RunningHost | null = null;

  constructor(config = "") {
    this.home = mkdtempSync(join(tmpdir(), "qntx-e2e-"));
    this.write("qntx.toml", config);
  }

  /** The host that was started last. */
  get host(): RunningHost {
    if (!this.#running) throw new Error("No host was started here.");
    return this.#running;
  }

  /** Writes a file below the data folder. Returns its path. */
  write(name: string, text: string, mode = 0o644): string {
    const path = join(this.home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    return path;
  }

  /** Runs one command line to its end. */
  async cli(
    words: readonly string[],
    { stdin = "", vars = {} }: { stdin?: string; vars?: Record<string, string> } = {},
  ): Promise<Ended> {
    const child = Bun.spawn([...QNTX, ...words], {
      cwd: this.home,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.home, QNTX_HOME: this.home, ...vars },
      stdin: new TextEncoder().encode(stdin),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { code, stdout, stderr };
  }

  /** Runs a command line with --json and gives its answer. Throws what it said when it failed. */
  async json<T = Record<string, unknown>>(...words: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.cli([...words, "--json"]);
    if (code !== 0) throw new Error(`qntx ${words.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Runs a command line that answers with one JSON object a line. */
  async jsonLines<T = Record<string, unknown>>(...words: string[]): Promise<T[]> {
    const { code, stdout, stderr } = await this.cli([...words, "--json"]);
    if (code !== 0) throw new Error(`qntx ${words.join(" ")} ended with ${code}: ${stderr}`);
    const lines = stdout.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as T);
  }

  /** Enqueues a job as a person does, and gives its id. */
  async enqueue(handler: string, payload: unknown, ...options: string[]): Promise<string> {
    const words = ["job", "enqueue", handler, "--payload", JSON.stringify(payload), ...options];
    return (await this.json<JobShown>(...words)).id;
  }

  /** Calls an operation of the running host over its socket: for what is asked again and again, without a process each time. */
  async call<T = Record<string, unknown>>(operation: string, input: object = {}): Promise<T> {
    const answer = await fetch(`http://x/api/v1/call/${operation}`, {
      unix: socketPath(this.home),
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    if (!answer.ok) throw new Error(`${operation} was refused: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** What `plugin show` says of a plugin. */
  plugin(name: string): Promise<PluginShown> {
    return this.call<PluginShown>("plugin.show", { name });
  }

  /** Calls the host as a browser or a script does: over TCP, with the operator's token. POST when there is a body. */
  http(path: string, { body }: { body?: string } = {}): Promise<Response> {
    const token = readFileSync(join(this.home, "operator.token"), "utf8").trim();
    return fetch(`${this.host.address}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body }),
    });
  }

  /** Calls a plugin's endpoint with JSON, and gives the JSON that it answers. Throws what it said when it refused. */
  async post<T = Record<string, unknown>>(path: string, body: unknown): Promise<T> {
    const answer = await this.http(path, { body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`POST ${path} was answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }

  /** Starts a host and resolves when it says that it is ready. */
  async start({
    words = [],
    vars = {},
    under = [],
    program = QNTX,
  }: StartOptions = {}): Promise<RunningHost> {
    const child = Bun.spawn([...under, ...program, "serve", "--port", "0", ...words], {
      cwd: this.home,
      env: { PATH: process.env["PATH"] ?? "", HOME: this.home, QNTX_HOME: this.home, ...vars },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.#running = new RunningHost(child);
    await this.#running.said(/qntx is ready/);
    return this.#running;
  }

  /** Waits until the probe gives something; what is waited for is named when it does not come. */
  async until<T>(
    what: string,
    probe: () => Promise<T | null | undefined | false>,
    limitMs = START_LIMIT_MS,
  ): Promise<T> {
    for (const until = performance.now() + limitMs; performance.now() < until; await Bun.sleep(LOOK_MS)) {
      const found = await probe();
      if (found !== null && found !== undefined && found !== false) return found;
    }
    throw new Error(
      `Waited ${limitMs} ms in vain for ${what}. The host said:\n${this.#running?.text.slice(-4_000)}`,
    );
  }

  /** The job with this id once it has ended. */
  ended(id: string, limitMs?: number): Promise<JobShown> {
    const isOver = ({ state }: JobShown) => ["completed", "failed", "cancelled"].includes(state);
    return this.until(
      `the end of job ${id}`,
      async () => {
        const job = await this.call<JobShown>("job.show", { id });
        return isOver(job) && job;
      },
      limitMs,
    );
  }

  /** Waits until handlers are registered and jobs run. */
  async working(): Promise<void> {
    await this.#running?.said(/jobs run/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.kill();
    rmSync(this.home, { recursive: true, force: true });
  }
}

export interface JobShown {
  id: string;
  state: string;
  handler: string;
  attempt: number;
  result: unknown;
  error: { message: string; kind: string; attempt: number; stack?: string } | null;
  progress: { current: number; total: number; message: string } | null;
  waiting: string | null;
  pluginVersion: string | null;
  payload: unknown;
  scheduleId: string | null;
  costActual: number;
  lost: number;
  interrupted: number;
  history: { attempt: number; kind: string; message: string }[];
}

export interface PluginShown {
  name: string;
  state: string;
  reason: string;
  pid: number | null;
  version: string;
  handlers: string[];
  restarts: number;
  running: number;
  stream: boolean;
  lastLines: string[];
}

/** One run of the host. */
export class RunningHost {
  readonly process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  text = "";
  #changed = Promise.withResolvers<void>();
  readonly #ended: Promise<unknown>;

  constructor(child: Bun.Subprocess<"ignore", "ignore", "pipe">) {
    this.process = child;
    this.#ended = Promise.all([child.exited, this.#read()]); // Its last words arrive after its end.
  }

  get address(): string {
    return /address=(\S+)/.exec(this.text)?.[1] ?? "";
  }

  /** The pid of the process that does the work, behind its keeper. */
  get pid(): number {
    const children = readFileSync(
      `/proc/${this.process.pid}/task/${this.process.pid}/children`,
      "utf8",
    ).trim();
    return Number(children.split(" ")[0] || this.process.pid);
  }

  /** Resolves when the host has printed something that matches. */
  async said(pattern: RegExp, limitMs = START_LIMIT_MS): Promise<void> {
    const limit = Promise.withResolvers<"late">();
    const timer = setTimeout(() => limit.resolve("late"), limitMs);
    const ended = this.#ended.then(() => "ended" as const);
    try {
      while (!pattern.test(this.text)) {
        const next = await Promise.race([this.#changed.promise, ended, limit.promise]);
        if (next === undefined || pattern.test(this.text)) continue;
        throw new Error(
          `The host ${next === "late" ? "did not say" : "ended before"} ${pattern}:\n${this.text}`,
        );
      }
    } finally {
      clearTimeout(timer); // A program that is done would wait for it.
    }
  }

  /** Asks it to end and waits. Resolves with its exit code. */
  async stop(): Promise<number> {
    this.process.kill("SIGTERM");
    return this.process.exited;
  }

  /** Ends it without asking, as the end of a test does: the keeper is killed, and the host ends what it has started. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    const { pid } = this;
    this.process.kill("SIGKILL");
    await this.process.exited;
    await gone(pid);
  }

  /** Kills the host alone; its keeper ends what it has left behind. */
  async killHost(): Promise<void> {
    process.kill(this.pid, "SIGKILL");
    await this.process.exited;
  }

  /** Kills keeper and host in one moment, as a machine that fails does: nobody is left to end their plugins. */
  async crash(): Promise<void> {
    const pids = [this.process.pid, this.pid];
    for (const pid of pids) process.kill(pid, "SIGSTOP"); // Or the one would notice the other's end.
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await this.process.exited;
    await gone(pids[1] ?? 0);
  }

  get #hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.process.stderr) {
      this.text += decoder.decode(chunk, { stream: true });
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }
}

/** Resolves when a process that is not our child has ended. */
async function gone(pid: number): Promise<void> {
  for (
    const until = performance.now() + START_LIMIT_MS;
    performance.now() < until;
    await Bun.sleep(LOOK_MS)
  ) {
    try {
      if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))) return;
    } catch {
      return;
    }
  }
  throw new Error(`Process ${pid} is still there.`);
}
