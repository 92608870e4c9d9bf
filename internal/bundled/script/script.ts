/**
 * Script: runs a .ts or .js file in a process of its own, which is this same
 * program in another role: nothing else needs to be installed.
 */
import {
  HostMessage,
  type JobFinish,
  JobStart,
  type PluginMessage,
} from "../../../sdk/typescript/messages.ts";
import { HostError } from "../../../sdk/typescript/host-error.ts";
import { RemoteEnding, textOf } from "../../../sdk/typescript/ending.ts";
import type { Fields, Host, Job } from "../../../sdk/typescript/qntx.ts";
import { Child, exitError } from "./child.ts";
import { environmentOf } from "./facts.ts";
import { ASKABLE, type Refusal, type ToPlugin, type ToScript } from "./talk.ts";

/** What shall run. */
export interface ScriptOrder {
  /** The file that is imported. */
  file: string;
  /** What the script finds behind its name in process.argv. */
  argv: string[];
  /** What the handler gets as its payload. */
  payload: Uint8Array;
}

/** The command that starts this program in a role. */
export type SelfCommand = (role: string, ...args: string[]) => string[];

/** Runs the file. Resolves with its result as bytes; throws what it threw, why it was ended, or how it ended. */
export async function runScript(
  job: Job,
  order: ScriptOrder,
  { folder, self }: { folder: string; self: SelfCommand },
): Promise<Uint8Array | undefined> {
  job.signal.throwIfAborted();
  const conversation = new Conversation(job);
  const child = new Child(job, {
    argv: self("__script"),
    folder,
    env: environmentOf(job, folder),
    // From our own program. A script that forges a message deceives nobody but itself.
    onMessage: (message) => conversation.hear(message as ToPlugin),
  });
  conversation.begin(child, order);
  const exit = await child.exited;
  const { finish } = conversation;
  if (finish) return resultOf(job, finish);
  if (exit.code === 0) return undefined; // It ended its process itself, and well.
  job.signal.throwIfAborted();
  throw exitError(exit);
}

/** The plugin's end of the talk with one process. */
class Conversation {
  readonly #job: Job;
  #child: Child | undefined;
  finish: JobFinish | undefined;

  constructor(job: Job) {
    this.#job = job;
  }

  begin(child: Child, { file, argv, payload }: ScriptOrder): void {
    this.#child = child;
    const { signal, qntx } = this.#job;
    const start = startOf(this.#job, payload);
    this.#tell({ kind: "begin", file, argv, config: { ...qntx.config }, start });
    signal.addEventListener("abort", () => this.#cancel(start), { once: true });
  }

  hear(message: ToPlugin): void {
    if (message.kind === "ask") void this.#answer(message);
    else this.#relay(message.message);
  }

  #tell(message: ToScript): void {
    this.#child?.send(message);
  }

  #cancel({ jobId, fence }: JobStart): void {
    const reason: unknown = this.#job.signal.reason;
    const word = reason instanceof Error && "reason" in reason ? String(reason.reason) : "cancelled";
    this.#tell({
      kind: "host",
      message: HostMessage.create({ cancels: [{ jobId, fence, reason: word }] }),
    });
  }

  #relay({ logs, progress, finishes }: PluginMessage): void {
    for (const { level, message, fields } of logs)
      this.#job.log[readLevel(level)](message, readFields(fields));
    for (const { current, total, message } of progress) this.#job.progress(current, total, message);
    const [finish] = finishes;
    if (!finish) return;
    this.finish = finish;
    this.#tell({ kind: "bye" });
    this.#child?.expectEnd();
  }

  async #answer({ id, service, method, args }: Extract<ToPlugin, { kind: "ask" }>): Promise<void> {
    try {
      this.#tell({ kind: "answer", id, value: await askHost(this.#job.qntx, service, method, args) });
    } catch (error) {
      this.#tell({ kind: "refusal", id, refusal: refusalOf(error) });
    }
  }
}

function startOf(job: Job, payload: Uint8Array): JobStart {
  const { id: jobId, handler, attempt, maxAttempts, timeoutMs, trigger, catchup } = job;
  const facts = { jobId, handler, attempt, maxAttempts, timeoutMs, trigger, catchup, fence: 1 };
  const { scheduleId = "", declaredId = "", occurrence = "", runCount = 0, tenant = "" } = job;
  const made = { scheduleId, declaredId, occurrence, runCount, tenant };
  return { ...JobStart.create({ ...facts, ...made }), payload: Buffer.from(payload) };
}

function resultOf(job: Job, { success, result, error, cost }: JobFinish): Uint8Array | undefined {
  job.cost(cost);
  if (error) throw new RemoteEnding(error);
  return success && result.length > 0 ? result : undefined;
}

function readLevel(level: string): "debug" | "info" | "warn" | "error" {
  return level === "debug" || level === "warn" || level === "error" ? level : "info";
}

function readFields(text: string): Fields | undefined {
  return text === "" ? undefined : JSON.parse(text);
}

/** Calls a method of the host that a script may call. */
function askHost(host: Host, service: string, method: string, args: unknown[]): unknown {
  const known = Object.entries(ASKABLE).some(
    ([name, methods]) => name === service && methods.some((each) => each === method),
  );
  if (!known) throw new HostError("UNIMPLEMENTED", `A script cannot ask for ${service}.${method}.`);
  const part: object = service === "host" ? host : Reflect.get(host, service);
  return Reflect.apply(Reflect.get(part, method), part, args);
}

function refusalOf(error: unknown): Refusal {
  const message = textOf(error);
  if (!(error instanceof HostError))
    return { code: "UNKNOWN", message, hint: "", fields: [], retryAfterMs: 0 };
  const { status: code, hint, fields, retryAfterMs = 0 } = error;
  return { code, message, hint, fields: [...fields], retryAfterMs };
}
