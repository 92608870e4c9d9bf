/**
 * Front: where clients call that send no `:authority`. HTTP/2 does not ask for it and
 * servers in Go take such calls, so some of QNTX's plugins leave it out; the server of
 * this runtime resets them.
 *
 * Behind the headers of every call stands one more here, `host`, which it takes instead:
 * in a frame of its own, and as a literal that enters no table, so that nothing that was
 * sent is decoded or changed but the flag that says where the headers end. Plugins of our
 * SDK do not come this way: it costs a call one more passage through the event loop.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { pipeline, Transform } from "node:stream";
import { Fault } from "../base/fault.ts";

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9; // Of a frame: three of length, one of type, one of flags, four of stream.
const HEADERS = 1;
const CONTINUATION = 9;
const END_HEADERS = 4;

const NOTHING: Buffer = Buffer.alloc(0);

/** `host: qntx`, without indexing, by its place 38 in the static table. */
const HOST = Buffer.from([0x0f, 38 - 15, 4, ...Buffer.from("qntx")]);

export class Front {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** Leads to the server at a port of this machine. */
  constructor(port: () => number) {
    this.#server = createServer({ noDelay: true }, (client) => {
      const server = connect({ host: "127.0.0.1", port: port(), noDelay: true });
      const supplement = new Supplement();
      const through = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          done(null, supplement.pass(chunk));
        },
      });
      this.#keep(client);
      this.#keep(server);
      // Either end's death is the other's, and nobody else's affair.
      pipeline(client, through, server, () => client.destroy());
      pipeline(server, client, () => server.destroy());
    });
  }

  /** `127.0.0.1:port`, once it listens. */
  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(
          new Fault("failed", `The front of the callback server cannot listen: ${cause.message}.`, { cause }),
        ),
      );
      this.#server.listen(0, "127.0.0.1", () => {
        const address = this.#server.address();
        resolve(`127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
      });
    });
  }

  /** Ends everything at once. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

/** What one client sends, with `host` behind the headers of each call. */
export class Supplement {
  /** Bytes that pass as they are: the preface, then the contents of frames. */
  #left = PREFACE_BYTES;
  /** What follows them. */
  #next: Buffer | null = null;
  /** The beginning of a frame's header. */
  #begun: Buffer = NOTHING;
  #newest = 0;
  #opens = false;

  /** What stands for a chunk, which is changed where it is; of a header that is cut, the rest stands for it later. */
  pass(chunk: Buffer): Buffer {
    const data = this.#begun.length > 0 ? Buffer.concat([this.#begun, chunk]) : chunk;
    const out: Buffer[] = [];
    let [from, at] = [0, 0];
    while (this.#left > 0 ? at < data.length : data.length - at >= HEADER_BYTES) {
      if (this.#left > 0) {
        const passed = Math.min(data.length - at, this.#left);
        at += passed;
        this.#left -= passed;
      } else {
        this.#header(data, at);
        at += HEADER_BYTES;
      }
      if (this.#left > 0 || !this.#next) continue;
      out.push(data.subarray(from, at), this.#next);
      from = at;
      this.#next = null;
    }
    this.#begun = at === data.length ? NOTHING : Buffer.from(data.subarray(at));
    out.push(data.subarray(from, at));
    return out.length === 1 ? data.subarray(0, at) : Buffer.concat(out);
  }

  #header(data: Buffer, at: number): void {
    this.#left = data.readUIntBE(at, 3);
    const [type, flags, stream] = [data.readUInt8(at + 3), data.readUInt8(at + 4), data.readUInt32BE(at + 5)];
    if (type === HEADERS) {
      this.#opens = stream > this.#newest; // Otherwise they are trailers.
      this.#newest = Math.max(this.#newest, stream);
    }
    if ((type === HEADERS || type === CONTINUATION) && this.#opens && (flags & END_HEADERS) !== 0) {
      data.writeUInt8(flags & ~END_HEADERS, at + 4);
      this.#next = continuation(stream);
    }
  }
}

function continuation(stream: number): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES);
  frame.writeUIntBE(HOST.length, 0, 3);
  frame.writeUInt8(CONTINUATION, 3);
  frame.writeUInt8(END_HEADERS, 4);
  frame.writeUInt32BE(stream, 5);
  return Buffer.concat([frame, HOST]);
}
