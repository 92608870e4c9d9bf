/**
 * Plugin socket: `/ws/<plugin>` of the host is HandleWebSocket of the plugin, as in QNTX.
 *
 * A frame is JSON, `{"type": 1, "data": "base64"}`, both ways, and `headers` where there
 * are any: 1 is DATA, 2 is CLOSE. What a browser says otherwise ends the connection, with
 * a sentence in the close frame. A browser that does not read makes the plugin wait.
 */
import { Fault, shown } from "../base/fault.ts";
import type { Plugins } from "../plugins/plugins.ts";
import type { PluginSocket, SocketEnd } from "../plugins/web-socket.ts";
import { headersFor } from "./plugin-proxy.ts";

export const FRAME_BYTES_MAX = 1_048_576; // A message, not an upload.
const UNREAD_BYTES_MAX = 1_048_576; // Behind a browser that does not read; then the plugin waits.
const BUFFER_BYTES_MAX = 16_777_216; // What one message more may be, as HandleHTTP's answer.
const REASON_BYTES_MAX = 120; // 123 fit into a close frame.
const SUBPROTOCOL = "qntx-plugin-v1";
const DATA = 1;
const CLOSE = 2;
const FORM = 'A frame is JSON like {"type": 1, "data": "aGVsbG8="}, its data in base64.';

type Browser = Bun.ServerWebSocket<SocketBridge>;

/** The plugin whose WebSocket a path names; undefined for any other path. */
export function socketPlugin(path: string): string | undefined {
  return /^\/ws\/([^/]+)\/?$/.exec(path)?.[1];
}

/**
 * Makes a request a WebSocket of a plugin; undefined when it has become one.
 * Throws a Fault when the plugin is not there, or the request is no WebSocket's.
 */
export function upgradeToPlugin(
  plugins: Pick<Plugins, "webSocket">,
  name: string,
  { request, server }: { request: Request; server: Bun.Server<SocketBridge> },
): undefined {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket")
    throw new Fault("usage", `/ws/${name} is a WebSocket, and this request is none.`);
  const headers = Object.fromEntries(
    headersFor(request).flatMap(({ name: header, values }) =>
      header.startsWith("sec-websocket-") || header === "upgrade" ? [] : [[header, values.join(", ")]],
    ),
  );
  const socket = plugins.webSocket(name, { query: new URL(request.url).search.slice(1), headers });
  const offered = request.headers.get("sec-websocket-protocol")?.split(/\s*,\s*/) ?? [];
  const answer = offered.includes(SUBPROTOCOL) ? { "sec-websocket-protocol": SUBPROTOCOL } : {};
  if (server.upgrade(request, { data: new SocketBridge(socket), headers: answer })) return undefined;
  socket.close();
  throw new Fault("usage", `/ws/${name}: this request cannot become a WebSocket.`);
}

/** A browser's connection and the plugin's, tied together. */
export class SocketBridge {
  readonly #plugin: PluginSocket;

  constructor(plugin: PluginSocket) {
    this.#plugin = plugin;
  }

  open(browser: Browser): void {
    this.#plugin.open({
      data: (said) => {
        browser.sendText(frameOf(said));
        if (browser.getBufferedAmount() > UNREAD_BYTES_MAX) this.#plugin.pause();
      },
      ended: ({ code, reason }) => browser.close(code, cut(reason)),
    });
  }

  message(browser: Browser, frame: string | Buffer): void {
    const read = readFrame(String(frame));
    if (read === "close") browser.close(1000);
    else if ("reason" in read) browser.close(read.code, cut(read.reason));
    else this.#plugin.send(read.data, read.headers);
  }

  drain(): void {
    this.#plugin.resume();
  }

  close(): void {
    this.#plugin.close();
  }
}

/** What Bun's server is told once, for all of them. */
export const socketHandlers: Bun.WebSocketHandler<SocketBridge> = {
  maxPayloadLength: FRAME_BYTES_MAX,
  backpressureLimit: BUFFER_BYTES_MAX,
  closeOnBackpressureLimit: true,
  open: (browser) => browser.data.open(browser),
  message: (browser, frame) => browser.data.message(browser, frame),
  drain: (browser) => browser.data.drain(),
  close: (browser) => browser.data.close(),
};

/** What a browser said, or why it ends here. */
function readFrame(
  text: string,
): { data: Uint8Array; headers: Record<string, string> } | "close" | SocketEnd {
  const bad = (what: string): SocketEnd => ({ code: 1007, reason: `${what} ${FORM}` });
  const frame = parsed(text);
  if (typeof frame !== "object" || frame === null || Array.isArray(frame))
    return bad("This is no JSON object.");
  const { type, data = "", headers = {} } = frame as Record<string, unknown>;
  if (type === CLOSE) return "close";
  if (type !== DATA) return bad(`type: ${shown(type, 20)} is not 1 or 2.`);
  if (typeof data !== "string" || !BASE64.test(data)) return bad("data: is not base64.");
  if (typeof headers !== "object" || headers === null) return bad("headers: is no object.");
  const entries = Object.entries(headers).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { data: Buffer.from(data, "base64"), headers: Object.fromEntries(entries) };
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Said = Parameters<Parameters<PluginSocket["open"]>[0]["data"]>[0];

function frameOf({ data, headers, timestamp }: Said): string {
  const rest = Object.keys(headers).length > 0 ? { headers } : {};
  return JSON.stringify({
    type: DATA,
    data: data.toString("base64"),
    ...rest,
    timestamp: JSON.rawJSON(timestamp),
  });
}

/** A close frame has little room: whole characters, as many as fit. */
function cut(reason: string): string {
  if (Buffer.byteLength(reason) <= REASON_BYTES_MAX) return reason;
  const kept = Buffer.from(reason)
    .subarray(0, REASON_BYTES_MAX - 3)
    .toString();
  return `${kept.replace(/\uFFFD+$/, "")}…`;
}
