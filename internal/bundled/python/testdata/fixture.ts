/** The python plugin under the SDK's own runtime, over gRPC, for tests; only its attestations and its queue are in memory. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTPRequest } from "../../../../proto/gen/protocol/domain.ts";
import type { JobFinish } from "../../../../proto/gen/qntx/v1/plugin.ts";
import { asked, Driver, type StreamDriver } from "../../../../sdk/typescript/driver.ts";
import type { Attestation, Attestations, Host, Queue } from "../../../../sdk/typescript/qntx.ts";
import { MemoryAttestations } from "../../memory-host.ts";
import { createPythonPlugin } from "../plugin.ts";

export const BOUND_MS = 30_000; // Generous: other tests run beside these.

/** Attestations in memory, with a stream of the new ones. */
class LiveAttestations implements Attestations {
  readonly memory = new MemoryAttestations();
  readonly #readers = new Set<(attestation: Attestation) => void>();

  async create(attestation: Parameters<Attestations["create"]>[0]): Promise<Attestation> {
    const made = await this.memory.create(attestation);
    for (const read of this.#readers) read(made);
    return made;
  }

  createMany: Attestations["createMany"] = (attestations) => this.memory.createMany(attestations);
  query: Attestations["query"] = (filter) => this.memory.query(filter);
  exists: Attestations["exists"] = (id) => this.memory.exists(id);

  watch(_filter: unknown, signal?: AbortSignal): AsyncIterable<Attestation> {
    const stream = new ReadableStream<Attestation>({
      start: (controller) => {
        this.#readers.add((attestation) => controller.enqueue(attestation));
        signal?.addEventListener("abort", () => controller.close(), { once: true });
      },
    });
    return stream;
  }

  save(name: string, code: string) {
    return this.create({ subjects: [name], ...HANDLER, attributes: { code, lang: "py" } });
  }

  remove(name: string) {
    return this.create({ subjects: [name], ...HANDLER, attributes: { deleted: true } });
  }
}

export const HANDLER = { predicates: ["handler"], contexts: ["python"] };

/** The plugin, served. `await using` ends it and whatever it started. */
export class Fixture implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "qntx-python-test-"));
  readonly ats = new LiveAttestations();
  readonly enqueued: unknown[][] = [];
  #driver: Driver | undefined;

  async start(config: Record<string, string> = {}): Promise<this> {
    const definition = createPythonPlugin(this.folder);
    const queue: Queue = {
      enqueue: async (...words) => {
        this.enqueued.push(words);
        return { id: "JB_7", created: true };
      },
      enqueueMany: async () => [],
    };
    const start = (host: Host) => definition.start?.({ ...host, ats: this.ats, queue });
    const http = Object.fromEntries(
      Object.entries(definition.http ?? {}).map(([route, answer]) => [
        route,
        (request: Request, host: Host) =>
          (typeof answer === "function" ? answer : answer.run)(request, { ...host, queue }),
      ]),
    );
    this.#driver = await Driver.start({ ...definition, start, http }, { config });
    return this;
  }

  get driver(): Driver {
    if (!this.#driver) throw new Error("not started");
    return this.#driver;
  }

  async post(path: string, body: string, headers: Record<string, string> = {}) {
    const { domain } = this.driver;
    const request = HTTPRequest.fromPartial({
      method: "POST",
      path,
      body: Buffer.from(body),
      headers: Object.entries(headers).map(([name, value]) => ({ name, values: [value] })),
    });
    const answer = await asked(domain, domain.handleHttp, request);
    return { status: answer.statusCode, body: JSON.parse(answer.body.toString()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

export function resultOf(finish: JobFinish): unknown {
  expect(finish.error?.message ?? "").toBe("");
  return finish.result.length === 0 ? undefined : JSON.parse(finish.result.toString());
}

export function linesOf(stream: StreamDriver, job: string): string[] {
  return stream.logs.filter(({ jobId }) => jobId === job).map(({ level, message }) => `${level} ${message}`);
}

/** True while a process lives: a dead one that nobody has waited for does not count. */
function lives(pid: number): boolean {
  return (
    Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)])
      .stdout.toString()
      .trim()
      .replace(/^Z.*/, "") !== ""
  );
}

export async function untilDead(pid: number): Promise<void> {
  while (lives(pid)) await Bun.sleep(10);
}
