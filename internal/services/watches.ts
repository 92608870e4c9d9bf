/** Watches: plugins that follow attestations as they are made. One that does not read is let go, and may ask again. */
import { Metadata, type ServerWritableStream } from "@grpc/grpc-js";
import { type Attestation, type AttestationFilter, matches } from "../ats/attestation.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { AttestationMessage } from "../wire/host.ts";
import { endWith } from "./answer.ts";
import { attestationMessage } from "./attestations.ts";

type Stream = Pick<
  ServerWritableStream<unknown, AttestationMessage>,
  "write" | "emit" | "on" | "end" | "sendMetadata" | "writableLength"
>;

const UNREAD_MESSAGES_MAX = 10_000; // Of one reader; then it is cut, and reads what it missed by a query.
const WATCHES_MAX = 1_000;

export class Watches {
  readonly #watches = new Map<Stream, AttestationFilter>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Sends what matches to this stream until it ends. Throws a Fault when there are too many. */
  add(filter: AttestationFilter, stream: Stream): void {
    if (this.#watches.size >= WATCHES_MAX)
      throw new Fault("exhausted", `There are ${WATCHES_MAX} watches already.`);
    this.#watches.set(stream, filter);
    stream.sendMetadata(new Metadata()); // The reader knows now that nothing from here on is missed.
    for (const event of ["cancelled", "close", "error"]) stream.on(event, () => this.#watches.delete(stream));
  }

  /** Tells everybody who asked for them. */
  tell(attestations: readonly Attestation[]): void {
    for (const [stream, filter] of this.#watches) {
      for (const attestation of attestations) {
        if (matches(attestation, filter)) stream.write(attestationMessage(attestation));
      }
      if (stream.writableLength <= UNREAD_MESSAGES_MAX) continue;
      this.#watches.delete(stream);
      endWith(stream, new Fault("exhausted", "This reader fell behind, and is told no more."), this.#log);
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const stream of this.#watches.keys()) stream.end();
    this.#watches.clear();
  }
}
