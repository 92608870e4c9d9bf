/** Frames: how gRPC puts messages into a stream of bytes: a flag, the length in four bytes, and the message. */

const HEAD_BYTES = 5;

type Inflate = (message: Buffer) => Buffer;

/** A message as it is sent. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  frame[0] = 0; // Not compressed.
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/** Finds the messages in what arrives, wherever it is cut. */
export class Frames {
  readonly #bytesMax: number;
  readonly #inflate: Inflate;
  #chunks: Buffer[] = [];
  #held = 0;
  /** Bytes without which there is nothing to look at. */
  #wanted = HEAD_BYTES;

  /** `inflate` makes of a message that is compressed what it was; a client gets none that it has not asked for. */
  constructor(bytesMax: number, inflate: Inflate = refuseCompressed) {
    this.#bytesMax = bytesMax;
    this.#inflate = inflate;
  }

  /** Gives the messages that are whole now. Throws for one that is too large, and what `inflate` throws. */
  push(bytes: Buffer): Buffer[] {
    const found: Buffer[] = [];
    this.#chunks.push(bytes);
    this.#held += bytes.length;
    if (this.#held < this.#wanted) return found;
    const [first = bytes] = this.#chunks;
    let rest = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    for (this.#wanted = HEAD_BYTES; rest.length >= HEAD_BYTES; this.#wanted = HEAD_BYTES) {
      this.#wanted += this.#length(rest);
      if (rest.length < this.#wanted) break;
      const message = rest.subarray(HEAD_BYTES, this.#wanted);
      found.push(rest[0] === 0 ? message : this.#inflate(message));
      rest = rest.subarray(this.#wanted);
    }
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return found;
  }

  #length(frame: Buffer): number {
    const length = frame.readUInt32BE(1);
    if (length <= this.#bytesMax) return length;
    throw new Error(`The message has ${length} bytes; at most ${this.#bytesMax} are taken.`);
  }
}

function refuseCompressed(): never {
  throw new Error("The message is compressed, which it was not asked to be.");
}
