/** Watches: plugins that follow attestations as they are made. One that does not read is let go, and may ask again. */
import type { ServedStream } from "../../sdk/typescript/server.ts";
import { type Principal, principalName } from "../access/principal.ts";
import { type Attestation, type AttestationFilter, matches } from "../ats/attestation.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { AttestationMessage } from "../wire/host.ts";
import { endWith } from "./answer.ts";
import { attestationMessage } from "./attestations.ts";

type Stream = Pick<ServedStream<unknown, AttestationMessage>, "open" | "write" | "end" | "fail" | "onClosed">;

const UNREAD_MESSAGES_MAX = 10_000; // Of one reader; then it is cut, and reads what it missed by a query.
const WATCHES_MAX = 1_000;
export const WATCHES_OF_ONE_MAX = 50; // Of one plugin: for as many filters as one program follows, and not in the place of others.

/** Who follows what. */
export interface Watch {
  filter: AttestationFilter;
  reader: Principal;
  /** Throws a Fault once it may not read any more. */
  check(): void;
}

interface Watching extends Watch {
  /** Messages that are not on their way. */
  unread: number;
}

export class Watches {
  readonly #watches = new Map<Stream, Watching>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Sends what matches to this stream until it ends. Throws a Fault when there are too many. */
  add(watch: Watch, stream: Stream): void {
    if (this.#watches.size >= WATCHES_MAX)
      throw new Fault("exhausted", `There are ${WATCHES_MAX} watches already.`);
    const name = nameOf(watch.reader);
    const own = [...this.#watches.values()].filter(({ reader }) => nameOf(reader) === name).length;
    if (own >= WATCHES_OF_ONE_MAX)
      throw new Fault("exhausted", `${name} has ${WATCHES_OF_ONE_MAX} watches already.`);
    this.#watches.set(stream, { ...watch, unread: 0 });
    stream.open(); // The reader knows now that nothing from here on is missed.
    stream.onClosed(() => this.#watches.delete(stream));
  }

  /** Tells everybody who asked for them. */
  tell(attestations: readonly Attestation[]): void {
    for (const [stream, watch] of this.#watches) {
      const found = attestations.filter((attestation) => matches(attestation, watch.filter));
      if (found.length === 0) continue;
      try {
        watch.check();
        watch.unread += found.length;
        for (const attestation of found) stream.write(attestationMessage(attestation), () => watch.unread--);
        if (watch.unread > UNREAD_MESSAGES_MAX)
          throw new Fault("exhausted", "This reader fell behind, and is told no more.");
      } catch (error) {
        this.#watches.delete(stream);
        endWith(stream, error, this.#log);
      }
    }
  }

  /** Ends all streams. */
  close(): void {
    for (const stream of this.#watches.keys()) stream.end();
    this.#watches.clear();
  }
}

function nameOf(reader: Principal): string {
  return reader.kind === "plugin" ? `Plugin ${reader.plugin}` : principalName(reader);
}
