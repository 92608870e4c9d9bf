/** Frames: how gRPC puts messages into a stream of bytes: a flag, the length in four bytes, and the message. */

const HEAD_BYTES = 5;
const MESSAGES_HELD_MAX = 32; // Of the largest: what is asked for at once and is not all read yet.
const ROOM_BYTES = 262_144; // For most messages all that they need: what is not written to is no memory yet.
const NOTHING = Buffer.alloc(0);

type Inflate = (message: Buffer) => Buffer;

/** What Bun may hold of one connection, in MB: its own 10 are three messages, and of what is more it ends calls as well without a message. */
export function sessionMemory(bytesMax: number): number {
  return Math.ceil((MESSAGES_HELD_MAX * bytesMax) / 1_000_000);
}

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
  /** What has come of a message that is not whole, with room behind it: as a list of what came, each byte could cost a hundred. */
  #begun: Buffer = NOTHING;
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
    let rest = this.#held === 0 ? bytes : this.#gathered(bytes);
    if (rest.length < this.#wanted) return this.#keep(rest, found);
    for (this.#wanted = HEAD_BYTES; rest.length >= HEAD_BYTES; this.#wanted = HEAD_BYTES) {
      this.#wanted += this.#length(rest);
      if (rest.length < this.#wanted) break;
      const message = rest.subarray(HEAD_BYTES, this.#wanted);
      found.push(rest[0] === 0 ? message : this.#inflate(message));
      rest = rest.subarray(this.#wanted);
    }
    return this.#keep(rest, found);
  }

  #keep(rest: Buffer, found: Buffer[]): Buffer[] {
    // A message that is whole may still be read: what follows it must not be written over it.
    if (found.length > 0 || this.#held === 0) this.#begun = rest.length === 0 ? NOTHING : rest;
    this.#held = rest.length;
    return found;
  }

  /** All of it up to now; what does not fit is moved to where there is more room. */
  #gathered(bytes: Buffer): Buffer {
    const held = this.#held + bytes.length;
    if (held > this.#begun.length) {
      const room = Buffer.allocUnsafe(Math.max(held, Math.min(this.#wanted, 4 * held + ROOM_BYTES)));
      room.set(this.#begun.subarray(0, this.#held));
      this.#begun = room;
    }
    this.#begun.set(bytes, this.#held);
    return this.#begun.subarray(0, held);
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
