/**
 * Role: the process of one job of a .ts or .js handler. It loads the file, runs
 * what the file exports by default, and speaks to the plugin as a plugin speaks
 * to its host. It ends with the plugin.
 */
import { EventEmitter } from "node:events";
import { HostMessage, type PluginMessage } from "../../../sdk/typescript/messages.ts";
import { HostError } from "../../../sdk/typescript/host-error.ts";
import { importModule } from "../../../sdk/typescript/load.ts";
import { captureConsole, createJobLog } from "../../../sdk/typescript/log.ts";
import { dieWithParent } from "../../../sdk/typescript/prctl.ts";
import type {
  Attestations,
  Host,
  Job,
  JobLog,
  Locks,
  Queue,
  Scheduler,
  Secrets,
  Storage,
  Web,
} from "../../../sdk/typescript/qntx.ts";
import { JobStream } from "../../../sdk/typescript/stream.ts";
import { ASKABLE, type ToPlugin, type ToScript } from "./talk.ts";
import { NO_SERVICES } from "../../../sdk/typescript/services.ts";

/** `__script`: runs one job for the plugin that started it. Does not return. */
export function runScriptRole(): Promise<never> {
  dieWithParent();
  captureConsole();
  const asks = new Asks();
  const pipe = new Pipe();
  process.on("disconnect", () => process.exit(1)); // The plugin is gone, and with it whoever wants the result.
  process.on("SIGTERM", () => {}); // The cancel has come by the pipe; KILL follows for those who do not hear it.
  process.on("message", (message: ToScript) => {
    if (message.kind === "begin") begin(message, pipe, asks);
    else if (message.kind === "host") pipe.emit("data", message.message);
    else if (message.kind === "bye") process.exit(0);
    else asks.settle(message);
  });
  return new Promise(() => {});
}

function begin(order: Extract<ToScript, { kind: "begin" }>, pipe: Pipe, asks: Asks): JobStream {
  process.argv = [process.execPath, order.file, ...order.argv];
  const host = askedHost(asks, order.config);
  const source = { name: "script", host, handler: () => (job: Job) => perform(order.file, job) };
  // At once: a script that computes, waits for a command or ends its process has no turn of the event loop to wait for.
  const stream = new JobStream(pipe, source, { soon: (work) => work() });
  pipe.emit("data", HostMessage.create({ starts: [order.start] }));
  return stream;
}

/** A file without a default export has done its work by being loaded. */
async function perform(file: string, job: Job): Promise<unknown> {
  const { default: handler } = await importModule(file);
  if (handler === undefined) return undefined;
  if (typeof handler === "function") return handler(job);
  throw new TypeError(`The default export of ${file} is not a function. Write: export default (job) => …`);
}

/** The job stream over the channel between the two processes. */
class Pipe extends EventEmitter {
  write(message: PluginMessage): boolean {
    tell({ kind: "said", message });
    return true;
  }
  end(): void {}
}

/** Questions to the host that wait for their answer. */
class Asks {
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #count = 0;

  ask(service: string, method: string, args: unknown[]): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    const id = ++this.#count;
    this.#waiting.set(id, waiting);
    tell({ kind: "ask", id, service, method, args });
    return waiting.promise;
  }

  settle(message: Extract<ToScript, { kind: "answer" | "refusal" }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === "answer") return waiting?.resolve(message.value);
    const { code, message: sentence, ...details } = message.refusal;
    waiting?.reject(new HostError(code, sentence, details));
  }
}

function askedHost(asks: Asks, config: Record<string, string>): Host {
  const log: JobLog = createJobLog(
    (level, message, fields) => void asks.ask("log", level, [message, fields]),
  );
  const watch = () => {
    throw new Error(
      "A handler file cannot watch attestations: it lives no longer than its job. Write a plugin.",
    );
  };
  return {
    config,
    log,
    scheduler: asked<Scheduler>(asks, "scheduler"),
    queue: asked<Queue>(asks, "queue"),
    locks: asked<Locks>(asks, "locks"),
    secrets: asked<Secrets>(asks, "secrets"),
    http: asked<Web>(asks, "http"),
    storage: asked<Storage>(asks, "storage"),
    services: NO_SERVICES, // It would bring a gRPC client of its own, and is no place for one.
    ...asked<Pick<Host, "context">>(asks, "host"),
    ats: { ...asked<Omit<Attestations, "watch">>(asks, "ats"), watch },
    setJobs: async () => {
      throw new Error("A handler file cannot change the plugin's handlers. Write a plugin.");
    },
  };
}

/** An object whose methods ask the plugin for the same method of its host. */
function asked<T>(asks: Asks, service: keyof typeof ASKABLE): T {
  const methods = ASKABLE[service].map((method) => [
    method,
    (...args: unknown[]) => asks.ask(service, method, args),
  ]);
  return Object.fromEntries(methods) as T; // Its types are the host's, who answers.
}

function tell(message: ToPlugin): void {
  process.send?.(message);
}
