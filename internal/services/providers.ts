/**
 * Providers: calls of one plugin to a service that another one provides. Each process of
 * a plugin has a door of its own for them, because not all of these protocols say who is
 * calling. The token of a caller stays here: the provider is handed its own instead.
 */
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Principal } from "../access/principal.ts";
import type { Env, Millis } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { SERVICE_WORDS, SERVICES, type ServiceShape, type ServiceWord } from "../plugin/service.ts";
import type { Plugins } from "../plugins/plugins.ts";
import type { ServiceCaller } from "../plugins/providers.ts";
import { bearerOf } from "./door.ts";
import { Front } from "./front.ts";
import { fieldText, withFieldText } from "./message-fields.ts";

export interface ProviderDoorOptions {
  env: Env;
  plugins: () => Pick<Plugins, "provider">;
  caller: ServiceCaller;
  principal: (token: string) => Principal | null;
}

/** Where one process reaches what others provide. */
export interface ProviderDoor {
  /** `127.0.0.1:port`. */
  address: string;
  close(): void;
}

const MESSAGE_BYTES_MAX = 16_777_216; // 16 MiB, as to and from plugins.
const CALL_MS = 600_000; // What a model may think, where the caller does not say.
const CALLS_MAX = 100; // Of one process at once: what is more is refused, and its caller knows best when to ask again.
const TOKEN_FIELD = 1;

/** Opens a door; `ours` for who sends all that HTTP/2 may ask for. */
export async function openProviderDoor(
  options: ProviderDoorOptions,
  kind: "ours" | "stranger",
): Promise<ProviderDoor> {
  const server = new Server({
    "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  });
  const relay = new Relay(options, kind);
  for (const word of SERVICE_WORDS) server.addService(definitionOf(SERVICES[word]), relay.methods(word));
  const port = await bound(server);
  if (kind === "ours") return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
  const front = new Front(() => port);
  const address = await front.listen();
  return {
    address,
    close() {
      front.close();
      server.forceShutdown();
    },
  };
}

class Relay {
  readonly #options: ProviderDoorOptions;
  readonly #kind: "ours" | "stranger";
  #running = 0;

  constructor(options: ProviderDoorOptions, kind: "ours" | "stranger") {
    this.#options = options;
    this.#kind = kind;
  }

  /** What answers the calls of a service. */
  methods(word: ServiceWord): UntypedServiceImplementation {
    const { service, unary, streams } = SERVICES[word];
    const path = (name: string) => `/${service}/${name}`;
    return Object.fromEntries([
      ...unary.map((name) => [name, this.#unary(word, path(name))] as const),
      ...streams.map((name) => [name, this.#stream(word, path(name))] as const),
    ]);
  }

  #unary(word: ServiceWord, path: string) {
    return (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      this.#counted(async () => {
        const { connection, request } = this.#lead(word, call);
        const options = { limitMs: this.#limitOf(call), signal: gone.signal };
        const given = await connection.relay(path, request, options);
        if (given.ok) answer(null, given.value);
        else answer({ code: given.code, details: given.details });
      }).catch((error: unknown) => answer(failure(error)));
    };
  }

  #stream(word: ServiceWord, path: string) {
    return (call: ServerWritableStream<Buffer, Buffer>): void => {
      this.#counted(() => this.#follow(call, word, path)).catch((error: unknown) =>
        call.emit("error", failure(error)),
      );
    };
  }

  /** Resolves when the stream is over, whoever ended it. */
  #follow(call: ServerWritableStream<Buffer, Buffer>, word: ServiceWord, path: string): Promise<void> {
    const { connection, request } = this.#lead(word, call);
    return new Promise((resolve, reject) => {
      const stream = connection.relayStream(path, {
        message(message) {
          if (!call.write(message)) stream.pause();
        },
        drained() {},
        ended(_reason, { code, details }) {
          if (code !== status.OK) return reject(new Refusal(code, details));
          call.end();
          resolve();
        },
      });
      call.on("drain", () => stream.resume());
      call.on("cancelled", () => stream.cancel());
      stream.write(request);
      stream.end();
    });
  }

  /** To whom a call goes, and with what. Throws a Fault or a Refusal. */
  #lead(
    word: ServiceWord,
    { request, metadata }: Pick<ServerUnaryCall<Buffer, Buffer>, "request" | "metadata">,
  ) {
    const { hasToken, providerField }: ServiceShape = SERVICES[word];
    const { caller, plugins } = this.#options;
    if (hasToken) this.#check(fieldText(request, TOKEN_FIELD));
    // Of QNTX's own plugins none would say it: these protocols have no place for it.
    else if (this.#kind === "ours") this.#check(bearerOf(metadata));
    const wanted = providerField === null ? "" : fieldText(request, providerField);
    const { connection, token } = plugins().provider(word, caller, wanted);
    return { connection, request: hasToken ? withFieldText(request, TOKEN_FIELD, token) : request };
  }

  #check(token: string): void {
    const who = this.#options.principal(token);
    if (who?.kind !== "plugin" || who.plugin !== this.#options.caller.plugin)
      throw new Refusal(status.UNAUTHENTICATED, "invalid authentication token");
  }

  #limitOf(call: ServerUnaryCall<Buffer, Buffer>): Millis {
    const deadline = call.getDeadline();
    const leftMs = Number(deadline) - this.#options.env.now();
    return Number.isFinite(leftMs) ? Math.max(1, Math.min(CALL_MS, leftMs)) : CALL_MS;
  }

  async #counted(call: () => Promise<void>): Promise<void> {
    if (this.#running >= CALLS_MAX)
      throw new Refusal(status.RESOURCE_EXHAUSTED, `${CALLS_MAX} calls of this plugin are under way.`);
    this.#running++;
    try {
      await call();
    } finally {
      this.#running--;
    }
  }
}

/** A status that is passed on as it is. */
class Refusal extends Error {
  readonly code: status;

  constructor(code: status, details: string) {
    super(details);
    this.code = code;
  }
}

function failure(error: unknown): { code: status; details: string } {
  if (error instanceof Refusal) return { code: error.code, details: error.message };
  const details = messageOf(error);
  if (!(error instanceof Fault)) return { code: status.INTERNAL, details };
  const hint = error.hint ? ` ${error.hint}` : "";
  return {
    code: error.code === "denied" ? status.PERMISSION_DENIED : status.UNAVAILABLE,
    details: details + hint,
  };
}

/** Its messages pass as they are. */
function definitionOf({ service, unary, streams }: ServiceShape): ServiceDefinition {
  const same = (bytes: Buffer) => bytes;
  const method = (name: string, responseStream: boolean) =>
    [
      name,
      {
        path: `/${service}/${name}`,
        requestStream: false,
        responseStream,
        requestSerialize: same,
        requestDeserialize: same,
        responseSerialize: same,
        responseDeserialize: same,
      },
    ] as const;
  return Object.fromEntries([
    ...unary.map((name) => method(name, false)),
    ...streams.map((name) => method(name, true)),
  ]);
}

function bound(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error
        ? reject(new Fault("failed", `No port for services: ${error.message}.`, { cause: error }))
        : resolve(port),
    );
  });
}
