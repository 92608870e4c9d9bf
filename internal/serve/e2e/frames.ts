/** Frames of HTTP/2, made by hand: what no library would send. */

/** Where plugins call back, and with what. */
export interface Door {
  host: string;
  port: number;
  token: string;
  handler: string;
}

export const CANCEL = Buffer.from([0, 0, 0, 8]);

/** The path of a method of ours, or of QNTX's. */
export function pathOf(method: string): string {
  const [service = "", name = ""] = method.split(".");
  const whose = ["HostService", "LockService"].includes(service) ? "qntx.v1" : "protocol";
  return `/${whose}.${service}/${name}`;
}

/** The request's headers as literals: no table, no Huffman. */
export function headers({
  path,
  token,
  authority,
}: {
  path: string;
  token: string;
  authority: boolean;
}): Buffer {
  const literal = (text: string) =>
    Buffer.concat([Buffer.from([Math.min(126, text.length)]), Buffer.from(text.slice(0, 126), "latin1")]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]),
    literal(path),
    ...(authority ? [Buffer.from([0x01]), literal("127.0.0.1")] : []),
    Buffer.from([0x0f, 0x10]),
    literal("application/grpc"),
    Buffer.from([0x00]),
    literal("te"),
    literal("trailers"),
    Buffer.from([0x0f, 0x08]),
    literal(`Bearer ${token}`),
  ]);
}

/** One frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a connection begins with. */
export const START = [Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))];
