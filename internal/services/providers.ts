/**
 * Providers: calls of one plugin to a service that another one provides. Each process of
 * a plugin has a door of its own for them, because not all of these protocols say who is
 * calling. The token of a caller stays here: the provider is handed its own instead.
 */
import { status } from "@grpc/grpc-js";
import {
  type Call,
  GrpcServer,
  Refusal,
  type ServedStream,
  type StreamMethod,
  type UnaryMethod,
} from "../../sdk/typescript/server.ts";
import type { Principal } from "../access/principal.ts";
import type { Millis } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { SERVICE_WORDS, SERVICES, type ServiceShape, type ServiceWord } from "../plugin/service.ts";
import type { Plugins } from "../plugins/plugins.ts";
import type { ServiceCaller } from "../plugins/providers.ts";
import { bearerOf } from "./door.ts";
import { Front } from "./front.ts";
import { fieldText, withFieldText } from "./message-fields.ts";

export interface ProviderDoorOptions {
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
const CALL_MS: Millis = 600_000; // What a model may think, where the caller does not say.
const CALLS_MAX = 100; // Of one process at once: what is more is refused, and its caller knows best when to ask again.
const TOKEN_FIELD = 1;
const AS_THEY_ARE = {
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
};

/** Opens a door; `ours` for who sends all that HTTP/2 may ask for. */
export async function openProviderDoor(
  options: ProviderDoorOptions,
  kind: "ours" | "stranger",
): Promise<ProviderDoor> {
  const server = new GrpcServer({ bytesMax: MESSAGE_BYTES_MAX });
  const relay = new Relay(options, kind);
  for (const word of SERVICE_WORDS) relay.serve(server, word);
  const port = await listening(server);
  if (kind === "ours") return { address: `127.0.0.1:${port}`, close: () => server.close() };
  const front = new Front(() => port);
  const address = await front.listen();
  return {
    address,
    close() {
      front.close();
      server.close();
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

  /** Answers the calls of a service; its messages pass as they are. */
  serve(server: GrpcServer, word: ServiceWord): void {
    const { service, unary, streams } = SERVICES[word];
    for (const name of unary) {
      const path = `/${service}/${name}`;
      server.unary({ path, ...AS_THEY_ARE }, this.#unary(word, path));
    }
    for (const name of streams) {
      const path = `/${service}/${name}`;
      server.stream({ path, ...AS_THEY_ARE }, this.#stream(word, path));
    }
  }

  #unary(word: ServiceWord, path: string): UnaryMethod<Buffer, Buffer> {
    return (asked, call) =>
      this.#counted(async () => {
        const { connection, request } = this.#lead(word, asked, call);
        const gone = new AbortController();
        call.onClosed(() => gone.abort());
        const limitMs = Math.max(1, Math.min(CALL_MS, call.limitMs ?? CALL_MS));
        const given = await connection.relay(path, request, { limitMs, signal: gone.signal });
        if (given.ok) return given.value;
        throw new Refusal(given.code, given.details);
      });
  }

  #stream(word: ServiceWord, path: string): StreamMethod<Buffer, Buffer> {
    return (asked, stream) =>
      void this.#counted(async () => this.#follow(stream, { word, path, asked })).catch((error: Refusal) =>
        stream.fail(error),
      );
  }

  /** Resolves when the stream is over, whoever ended it. */
  #follow(
    to: ServedStream<unknown, Buffer>,
    { word, path, asked }: { word: ServiceWord; path: string; asked: Buffer },
  ): Promise<void> {
    const { connection, request } = this.#lead(word, asked, to);
    return new Promise((resolve, reject) => {
      const from = connection.relayStream(path, {
        message(message) {
          if (!to.write(message)) from.pause();
        },
        drained() {},
        ended(_reason, { code, details }) {
          if (code !== status.OK) return reject(new Refusal(code, details));
          to.end();
          resolve();
        },
      });
      to.on("drain", () => from.resume());
      to.onClosed(() => from.cancel());
      from.write(request);
      from.end();
    });
  }

  /** To whom a call goes, and with what. Throws a Fault or a Refusal. */
  #lead(word: ServiceWord, request: Buffer, call: Pick<Call, "header">) {
    const { hasToken, providerField }: ServiceShape = SERVICES[word];
    const { caller, plugins } = this.#options;
    if (hasToken) this.#check(fieldText(request, TOKEN_FIELD));
    // Of QNTX's own plugins none would say it: these protocols have no place for it.
    else if (this.#kind === "ours") this.#check(bearerOf(call));
    const wanted = providerField === null ? "" : fieldText(request, providerField);
    const { connection, token } = plugins().provider(word, caller, wanted);
    return { connection, request: hasToken ? withFieldText(request, TOKEN_FIELD, token) : request };
  }

  #check(token: string): void {
    const who = this.#options.principal(token);
    if (who?.kind !== "plugin" || who.plugin !== this.#options.caller.plugin)
      throw new Refusal(status.UNAUTHENTICATED, "invalid authentication token");
  }

  async #counted<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= CALLS_MAX)
      throw new Refusal(status.RESOURCE_EXHAUSTED, `${CALLS_MAX} calls of this plugin are under way.`);
    this.#running++;
    try {
      return await call();
    } catch (error) {
      throw refusalOf(error);
    } finally {
      this.#running--;
    }
  }
}

/** A status is passed on as it is. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const details = messageOf(error);
  if (!(error instanceof Fault)) return new Refusal(status.INTERNAL, details);
  const hint = error.hint ? ` ${error.hint}` : "";
  return new Refusal(error.code === "denied" ? status.PERMISSION_DENIED : status.UNAVAILABLE, details + hint);
}

async function listening(server: GrpcServer): Promise<number> {
  try {
    return await server.listen(0);
  } catch (error) {
    throw new Fault("failed", `No port for services: ${messageOf(error)}.`, { cause: error });
  }
}
