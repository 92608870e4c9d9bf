/** Call: one unary call to the host as a promise. */
import { type MethodDefinition, status } from "@grpc/grpc-js";
import { FieldFaults } from "../../proto/gen/qntx/v1/host.ts";
import type { Channel } from "./channel.ts";
import { HostError } from "./host-error.ts";

export const CALL_TIMEOUT_MS = 30_000; // A host that takes longer is gone or stuck, and the caller should know.

/** One unary call to the host. Rejects with a HostError. */
export type Ask = <Q, R>(method: MethodDefinition<Q, R>, request: Q) => Promise<R>;

/** Where the host is, and who we are to it. */
export interface HostPlace {
  address: string;
  token: string;
}

/** The way to the host, which a plugin that runs by itself may outlive: its next one listens elsewhere, and gives another token. */
export class HostLine {
  #place: HostPlace = { address: "", token: "" };
  #channel: Channel | null = null;
  #headers: Readonly<Record<string, string>> = {};
  readonly #open: (address: string) => Channel;

  constructor(place: HostPlace, open: (address: string) => Channel) {
    this.#open = open;
    this.move(place);
  }

  get channel(): Channel {
    return (this.#channel ??= this.#open(this.#place.address));
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#headers;
  }

  get token(): string {
    return this.#place.token;
  }

  /** Calls go there from now on; what is under way to another address ends. */
  move({ address, token }: HostPlace): void {
    if (address !== this.#place.address) {
      this.#channel?.close();
      this.#channel = null;
    }
    this.#place = { address, token };
    this.#headers = { authorization: `Bearer ${token}`, "qntx-refusals": "status" };
  }

  /** Ends what is under way; nothing is asked any more. */
  close(): void {
    this.channel.close();
  }
}

/** Calls to the host. */
export function asking(line: HostLine): Ask {
  return async (method, request) => {
    const { channel, headers } = line;
    const answer = await channel.call(method, request, { limitMs: CALL_TIMEOUT_MS, headers });
    if (answer.ok) return answer.value;
    const code = status[answer.code] ?? "UNKNOWN";
    throw new HostError(code, answer.details || code, faultsOf(answer.trailers?.["qntx-fields-bin"]));
  };
}

/** What our host says of a refusal beside the sentence. */
function faultsOf(trailer: unknown): FieldFaults | undefined {
  if (typeof trailer !== "string") return undefined;
  try {
    return FieldFaults.decode(Buffer.from(trailer, "base64"));
  } catch {
    return undefined; // The sentence of the error is enough.
  }
}
