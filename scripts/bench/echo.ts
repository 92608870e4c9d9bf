/** Echo: a client of the barest server, in another process. What its calls cost, ours cannot undercut. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";

const SERVER = join(import.meta.dir, "testdata/echo.ts");
const MESSAGE = Buffer.alloc(100, "x"); // About what a small job is on the wire.
const same = (value: Buffer) => value;

interface EchoParts {
  child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  folder: string;
  port: number;
}

export class Echo implements AsyncDisposable {
  readonly #parts: EchoParts;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #waiting: (() => void)[] = [];

  constructor(parts: EchoParts) {
    this.#parts = parts;
    this.#client = new Client(`127.0.0.1:${parts.port}`, credentials.createInsecure());
    this.#stream = this.#client.makeBidiStreamRequest("/bench.Echo/Stream", same, same);
    this.#stream.on("data", () => this.#waiting.shift()?.()).on("error", () => {});
  }

  /** One gRPC call there and back. */
  call(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest("/bench.Echo/Call", same, same, MESSAGE, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  /** One message of a stream that is open, there and back. */
  message(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#stream.write(MESSAGE);
    });
  }

  /** One HTTP request over a unix socket. */
  async request(): Promise<void> {
    const unix = join(this.#parts.folder, "echo.sock");
    await (await fetch("http://x/", { unix, method: "POST", body: MESSAGE })).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stream.end();
    this.#client.close();
    this.#parts.child.stdin.end();
    await this.#parts.child.exited;
    rmSync(this.#parts.folder, { recursive: true });
  }
}

/** Starts the server. */
export async function startEcho(): Promise<Echo> {
  const folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  const child = Bun.spawn([process.execPath, SERVER, join(folder, "echo.sock")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  for await (const chunk of child.stdout) {
    return new Echo({ child, folder, port: Number(new TextDecoder().decode(chunk)) });
  }
  throw new Error("The echo server ended before it listened.");
}
