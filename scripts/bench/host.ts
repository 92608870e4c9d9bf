/**
 * A host to measure: the shipped binary in its default configuration, on a data
 * folder of its own, with the plugins of `testdata/` and spoken to over its socket.
 */
import { Database } from "bun:sqlite";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Scratch } from "./scratch.ts";

const TESTDATA = join(import.meta.dir, "testdata");
const SAY_LIMIT_MS = 60_000;
const LOOK_MS = 10;
/** Debian's Python first: it is the one that has gRPC. */
const PATH = `/usr/bin:/bin:${process.env["PATH"] ?? ""}`;

/** The plugins that are measured, and the file that each is. */
const PLUGINS = {
  bench: "bench.ts",
  "bench-python": "bench.py",
  stranger: "stranger.ts",
  able: "stranger.ts",
} as const;

export type BenchPlugin = keyof typeof PLUGINS;

/** A data folder. Disposing of it ends its host. */
export class BenchHome implements AsyncDisposable {
  readonly binary: string;
  readonly #scratch = new Scratch();
  readonly path = this.#scratch.path;
  #host: BenchHost | null = null;

  constructor(binary: string) {
    this.binary = binary;
    mkdirSync(join(this.path, "plugins"), { mode: 0o755 });
  }

  /** A copy of a folder whose host has ended. */
  copy(): BenchHome {
    const copy = new BenchHome(this.binary);
    cpSync(this.path, copy.path, { recursive: true });
    return copy;
  }

  /** Says which plugins the next host starts. */
  configure({
    plugins = [],
    bundled = false,
  }: {
    plugins?: readonly BenchPlugin[];
    bundled?: boolean;
  }): void {
    for (const plugin of plugins) this.#install(plugin);
    const enabled = JSON.stringify(plugins);
    writeFileSync(join(this.path, "qntx.toml"), `[plugin]\nenabled = ${enabled}\nbundled = ${bundled}\n`);
  }

  #install(plugin: BenchPlugin): void {
    const file = join(TESTDATA, PLUGINS[plugin]);
    const path = join(this.path, "plugins", plugin);
    if (PLUGINS[plugin] !== "stranger.ts")
      return copyFileSync(file, `${path}${file.slice(file.lastIndexOf("."))}`);
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${file}' ${plugin} "$@"\n`);
    chmodSync(path, 0o755);
  }

  /** Starts a host; resolves when it says that it is ready. */
  async start(): Promise<BenchHost> {
    this.#host = new BenchHost(this);
    this.#host.readyMs = await this.#host.said("qntx is ready");
    return this.#host;
  }

  /** The variables that every process on this folder gets. */
  get vars(): Record<string, string> {
    return { PATH, HOME: this.path, QNTX_HOME: this.path };
  }

  /** Opens the database of a host that has ended. */
  database({ readonly } = { readonly: true }): Database {
    return new Database(join(this.path, "qntx.db"), { readonly, readwrite: !readonly, strict: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host?.stop();
    this.#scratch[Symbol.dispose]();
  }
}

/** One run of a host. */
export class BenchHost {
  readonly startedAt = performance.now();
  /** From its start until it said that it is ready. */
  readyMs = 0;
  readonly #home: BenchHome;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  /** When we leave without having stopped it: at once, or it would still write into a folder that goes. */
  readonly #kill = () => {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    for (const pid of [this.pid, this.#child.pid]) process.kill(pid, "SIGKILL");
  };
  #text = "";
  #changed = Promise.withResolvers<void>();

  constructor(home: BenchHome) {
    this.#home = home;
    this.#child = Bun.spawn([home.binary, "serve", "--port", "0"], {
      cwd: home.path,
      env: home.vars,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    process.prependListener("exit", this.#kill); // Before its folder's own.
    void this.#read();
  }

  /** The process that is the host: the child of the keeper that was started, where there is one. */
  get pid(): number {
    const { pid } = this.#child;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0] || pid);
  }

  /** Resolves when the host has printed the words; how long that took since its start. */
  async said(words: string): Promise<number> {
    const limit = Promise.withResolvers<string>();
    const timer = setTimeout(() => limit.resolve(`within ${SAY_LIMIT_MS} ms`), SAY_LIMIT_MS);
    const ended = this.#child.exited.then(() => "before it ended");
    while (!this.#text.includes(words)) {
      const over = await Promise.race([this.#changed.promise, ended, limit.promise]);
      if (over) throw new Error(`The host did not say "${words}" ${over}:\n${this.#text}`);
    }
    clearTimeout(timer);
    return performance.now() - this.startedAt;
  }

  /** Resolves when it has answered that it is alive: it is asked for nothing else. */
  async alive(): Promise<void> {
    const response = await fetch("http://x/healthz", { unix: join(this.#home.path, "host.sock") });
    await response.text();
  }

  /** Calls an operation. Throws what the host answered when it refused. */
  async call<T>(operation: string, input: object): Promise<T> {
    const response = await fetch(`http://x/api/v1/call/${operation}`, {
      unix: join(this.#home.path, "host.sock"),
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${operation} answered ${response.status}: ${text.slice(0, 500)}`);
    return JSON.parse(text) as T;
  }

  /** Runs one job to its end and gives its result. */
  async run<T>(handler: string, payload: object = {}): Promise<T> {
    const { id } = await this.call<{ id: string }>("job.enqueue", { handler, payload });
    return this.result(id);
  }

  /** Waits for the end of a job and gives its result. Throws when it did not complete. */
  async result<T>(id: string): Promise<T> {
    for (;;) {
      const job = await this.call<{ state: string; result: T; error: unknown }>("job.show", { id });
      if (job.state === "completed") return job.result;
      if (job.state === "failed" || job.state === "cancelled")
        throw new Error(`Job ${id} is ${job.state}: ${JSON.stringify(job.error)}\n${this.#text}`);
      await Bun.sleep(LOOK_MS);
    }
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
    process.off("exit", this.#kill);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stderr) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }
}
