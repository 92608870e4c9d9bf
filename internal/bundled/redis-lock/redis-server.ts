/**
 * RedisServer: a real Redis server for tests, on a port and in a folder of its own.
 * It is Debian's, which `npm test` installs where it may; without one a test fails
 * and says what is missing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RedisServerOptions {
  /** False: it forgets everything when it ends. */
  appendOnly?: boolean;
  words?: readonly string[];
}

const START_LIMIT_MS = 20_000;
const START_TRIES = 5; // Somebody may have the port.
/** Below those that the system gives to whoever connects: a server that was killed finds its own free again. */
const [PORT_FROM, PORT_TO] = [20_000, 32_000];

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #words: readonly string[];
  #process: Bun.Subprocess;

  /** Starts one and waits until it answers. Every write is on its disk before it is acknowledged. */
  static async start({ appendOnly = true, words = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    const log = appendOnly ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
    for (let tries = 0; tries < START_TRIES; tries++) {
      const port = PORT_FROM + Math.floor(Math.random() * (PORT_TO - PORT_FROM));
      const server = new RedisServer(port, [...log, ...words]);
      if (await server.#answers()) return server;
      await server[Symbol.asyncDispose]();
    }
    throw new Error("redis-server does not start.");
  }

  constructor(port: number, words: readonly string[]) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "qntx-redis-"));
    this.#words = words;
    this.#process = this.#spawn();
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  /** Starts it again on the same port, with what it kept. */
  async restart(): Promise<void> {
    this.#process = this.#spawn();
    if (!(await this.#answers())) throw new Error(`redis-server does not start again on port ${this.port}.`);
  }

  /** Stops it in its tracks: connections stay, nothing answers. */
  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(): Bun.Subprocess {
    if (Bun.which("redis-server") === null)
      throw new Error("redis-server is not on this machine. On Debian: apt-get install redis-server");
    const own = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.#folder, "--save", ""];
    return Bun.spawn(["redis-server", ...own, ...this.#words], { stdio: ["ignore", "ignore", "ignore"] });
  }

  /** False when it ended instead. Who answers on its port may be another one. */
  async #answers(): Promise<boolean> {
    for (const until = performance.now() + START_LIMIT_MS; performance.now() < until; await Bun.sleep(20)) {
      if (this.#process.exitCode !== null) return false;
      const client = new Bun.RedisClient(this.url, { autoReconnect: false, connectionTimeout: 1_000 });
      const info = await client.send("INFO", ["server"]).catch(() => "");
      client.close();
      if (String(info).includes(`process_id:${this.#process.pid}\r`)) return true;
    }
    return false;
  }
}
