/**
 * Client: how a command reaches the operations. A host that runs on the data
 * folder is spoken to through its socket. Without one, the command takes the
 * host's lock for as long as it lasts and runs the same operation in process. If
 * the lock is just being taken or left, the socket is tried again for a while.
 */
import { existsSync } from "node:fs";
import { type Env, sleep } from "../../internal/base/env.ts";
import { Fault, type FaultShape, fieldFault, type FieldFault, shown } from "../../internal/base/fault.ts";
import type { Config } from "../../internal/config/config.ts";
import { hostAnswers, socketPath } from "../../internal/http/socket.ts";
import type { OpenedStore } from "../../internal/store/open.ts";
import type { Globals } from "./command.ts";
import { isFaultCode } from "./exit.ts";
import { programArgv } from "./self.ts";
import { openConfig } from "./settings.ts";
import type { World } from "./world.ts";

export interface Client extends AsyncDisposable {
  /** True when a running host answers. */
  readonly live: boolean;
  /** Runs an operation. The caller names the shape of the answer: it is the operation's own. */
  call<Output>(operation: string, input?: unknown): Promise<Output>;
}

const SETTLE_MS = 5_000; // How long a host may take to come or go before we give up.
/** What makes something without a line in the audit trail, and may be the first. */
const MAKERS: ReadonlySet<string> = new Set(["job.enqueue", "job.enqueueMany", "job.batch", "ats.create"]);
const LOOK_AGAIN_MS = 100;

/** Opens the way to the operations. Throws a Fault, code unreachable, when there is none. */
export async function openClient(world: World, globals: Globals): Promise<Client> {
  if (globals.server !== undefined) return remoteClient(globals.server, world);
  const config = await openConfig(world, globals);
  const { env } = world;
  const path = socketPath(config.home);
  if (isNamed(world, globals) && !existsSync(config.home)) return new FolderlessClient(env, config);
  for (const until = env.mono() + SETTLE_MS; ; await sleep(env, LOOK_AGAIN_MS)) {
    if (await hostAnswers(env, path)) return new HostClient("http://localhost", { unix: path });
    const opened = await openOwnStore(env, config);
    if (opened) return new StoreClient(env, config, opened);
    if (env.mono() >= until) throw busy(config.home);
  }
}

/** A folder that somebody names may be a slip; the usual one is made by whatever comes first. */
function isNamed({ vars }: World, { home }: Globals): boolean {
  return home !== undefined || Boolean(vars["QNTX_HOME"]);
}

function remoteClient(server: string, { vars }: World): Client {
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? ""))
    throw fieldFault(
      "--server",
      `${shown(server)} is not an address.`,
      "Write it like http://127.0.0.1:8877.",
    );
  const token = vars["QNTX_TOKEN"];
  if (!token) {
    throw new Fault("usage", "--server needs the token of that host.", {
      hint: "Put it into QNTX_TOKEN; it is in operator.token in the host's data folder.",
    });
  }
  return new HostClient(server.replace(/\/+$/, ""), { headers: { authorization: `Bearer ${token}` } });
}

async function openOwnStore(env: Env, { home, locks }: Config): Promise<OpenedStore | null> {
  const [{ openStore }, { silentLog }] = await Promise.all([
    import("../../internal/store/open.ts"),
    import("../../internal/base/log.ts"),
  ]);
  return openStore(env, home, { locksBy: locks, log: silentLog });
}

function busy(home: string): Fault {
  return new Fault("unreachable", `${home} is in use by a process that does not answer.`, {
    hint: "Another command may be running, or a host may be starting or ending. Try again.",
  });
}

/** Speaks to a running host. */
class HostClient implements Client {
  readonly live = true;
  readonly #base: string;
  readonly #options: { unix?: string; headers?: Record<string, string> };

  constructor(base: string, options: { unix?: string; headers?: Record<string, string> }) {
    this.#base = base;
    this.#options = options;
  }

  async call<Output>(operation: string, input: unknown = {}): Promise<Output> {
    const { headers, ...rest } = this.#options;
    const response = await this.#fetch(`${this.#base}/api/v1/call/${operation}`, {
      ...rest,
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.ok && body !== undefined) return body as Output; // An answer that was cut is none.
    throw faultOf(body, response.status, this.#base);
  }

  async #fetch(url: string, init: BunFetchRequestInit): Promise<Response> {
    try {
      return await fetch(url, { ...init, timeout: false } as BunFetchRequestInit);
    } catch (error) {
      throw new Fault("unreachable", `The host at ${this.#options.unix ?? this.#base} does not answer.`, {
        hint: this.#options.unix
          ? "It may just have ended; see its log."
          : "Is the address right, and does a host run there?",
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What a host answers when it did not do what was asked. `code` may be a word that we do not know, like `internal`. */
interface Refusal {
  error?: Omit<FaultShape, "fields"> & { fields?: readonly FieldFault[] };
}

/** Makes the Fault again that the host sent. */
function faultOf(body: unknown, status: number, base: string): Fault {
  const error = (body as Refusal | null | undefined)?.error;
  if (!error && status === 413)
    return new Fault("usage", "That is more than a host takes in one call.", { hint: "Send less at once." });
  if (!error)
    return new Fault("unreachable", `${base} answered with status ${status}, and not as a qntx host does.`);
  const { code, message, hint, ...more } = error;
  return new Fault(isFaultCode(code) ? code : "failed", message, { hint: hint ?? undefined, ...more });
}

/** Runs operations in this process, on a store that nobody else has open. */
class StoreClient implements Client {
  readonly live = false;
  readonly #env: Env;
  readonly #config: Config;
  readonly #opened: OpenedStore;

  constructor(env: Env, config: Config, opened: OpenedStore) {
    this.#env = env;
    this.#config = config;
    this.#opened = opened;
  }

  async call<Output>(operation: string, input: unknown = {}): Promise<Output> {
    const [{ callOperation }, { silentLog }] = await Promise.all([
      import("../../internal/operations/run.ts"),
      import("../../internal/base/log.ts"),
    ]);
    const context = {
      env: this.#env,
      log: silentLog,
      store: this.#opened.store,
      principal: { kind: "operator", name: "operator", ...this.#config.people } as const,
      host: null,
      home: this.#config.home,
      self: programArgv(),
    };
    return (await callOperation(context, operation, input)) as Output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.store.close().finally(() => this.#opened.lock.release());
  }
}

/** Where there is no data folder: whoever only looks makes none, for its name may be a slip. */
class FolderlessClient implements Client {
  readonly live = false;
  readonly #env: Env;
  readonly #config: Config;
  #client: Client | null = null;

  constructor(env: Env, config: Config) {
    this.#env = env;
    this.#config = config;
  }

  async call<Output>(operation: string, input: unknown = {}): Promise<Output> {
    const { findOperation } = await import("../../internal/operations/table.ts");
    if (!this.#client && !MAKERS.has(operation) && !findOperation(operation)?.changes)
      throw noFolder(this.#config.home);
    this.#client ??= await this.#make();
    return this.#client.call<Output>(operation, input);
  }

  async #make(): Promise<Client> {
    const opened = await openOwnStore(this.#env, this.#config);
    if (!opened) throw busy(this.#config.home);
    return new StoreClient(this.#env, this.#config, opened);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }
}

function noFolder(home: string): Fault {
  return new Fault("not-found", `There is no data folder ${home}.`, {
    hint: "Is the path right? A host makes one, and so does what is made first: qntx serve, qntx schedule create.",
  });
}
