/** Echo: a client of the barest server, in another process. What its calls cost, ours cannot undercut. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MethodDefinition } from "@grpc/grpc-js";
import { Channel, type MessageStream } from "../../sdk/typescript/channel.ts";
import { CLOCK } from "../../sdk/typescript/host.ts";

const SERVER = join(import.meta.dir, "testdata/echo.ts");
const MESSAGE = Buffer.alloc(100, "x"); // About what a small job is on the wire.
const BYTES_MAX = 1_000;
const LIMIT_MS = 30_000; // Only a broken build waits this long.

const CALL = method("/bench.Echo/Call", false);
const STREAM = method("/bench.Echo/Stream", true);

interface EchoParts {
  child: Bun.Subprocess<"pipe", "pipe", "inherit">;
  folder: string;
  port: number;
}

export class Echo implements AsyncDisposable {
  readonly #parts: EchoParts;
  readonly #channel: Channel;
  readonly #stream: MessageStream<Buffer>;
  readonly #waiting: (() => void)[] = [];

  constructor(parts: EchoParts) {
    this.#parts = parts;
    this.#channel = new Channel(CLOCK, { address: `127.0.0.1:${parts.port}`, bytesMax: BYTES_MAX });
    this.#stream = this.#channel.stream(STREAM, {
      message: () => this.#waiting.shift()?.(),
      drained() {},
      ended() {},
    });
  }

  /** One gRPC call there and back. */
  async call(): Promise<void> {
    const answer = await this.#channel.call(CALL, MESSAGE, { limitMs: LIMIT_MS });
    if (!answer.ok) throw new Error(answer.details);
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
    this.#channel.close();
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

/** Bytes as they are. */
function method(path: string, stream: boolean): MethodDefinition<Buffer, Buffer> {
  const same = (value: Buffer) => value;
  return {
    path,
    requestStream: stream,
    responseStream: stream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
