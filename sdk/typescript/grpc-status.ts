/** GrpcStatus: how a call on an HTTP/2 stream ended, from its trailers; or, where there are none, from what broke. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from "node:http2";
import { status } from "@grpc/grpc-js";
import { textOf } from "./ending.ts";

/** Status and sentence of a call. */
export interface Ending {
  code: status;
  details: string;
  /** What came with the status, where the peer said one. */
  trailers?: IncomingHttpHeaders;
}

/** Listens to a stream; what it gives is to be asked for when the stream is closed. */
export function endingOfStream(stream: ClientHttp2Stream): () => Ending {
  let head: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  let broke = "";
  const { session } = stream;
  stream.once("response", (headers) => (head = headers));
  stream.once("trailers", (headers) => (trailers = headers));
  stream.on("error", (error) => (broke ||= textOf(error)));
  return () => {
    const ending = said(trailers) ?? said(head);
    if (ending) return ending;
    if (session?.destroyed) return { code: status.UNAVAILABLE, details: broke || "The connection was lost." };
    return unsaid(head[constants.HTTP2_HEADER_STATUS], stream.rstCode ?? 0, broke);
  };
}

/** What the peer says; it may say it in place of an answer. */
function said(headers: IncomingHttpHeaders): Ending | null {
  const text = headers["grpc-status"];
  if (typeof text !== "string") return null;
  const code = Number(text);
  const message = headers["grpc-message"];
  const details = typeof message === "string" ? decoded(message) : "";
  return { code: status[code] === undefined ? status.UNKNOWN : code, details, trailers: headers };
}

/** As the protocol of gRPC maps them. */
const OF_RESET = new Map<number, status>([
  [constants.NGHTTP2_REFUSED_STREAM, status.UNAVAILABLE],
  [constants.NGHTTP2_CANCEL, status.CANCELLED],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, status.RESOURCE_EXHAUSTED],
  [constants.NGHTTP2_INADEQUATE_SECURITY, status.PERMISSION_DENIED],
]);
const OF_HTTP = new Map<number, status>([
  [400, status.INTERNAL],
  [401, status.UNAUTHENTICATED],
  [403, status.PERMISSION_DENIED],
  [404, status.UNIMPLEMENTED],
  [429, status.UNAVAILABLE],
  [502, status.UNAVAILABLE],
  [503, status.UNAVAILABLE],
  [504, status.UNAVAILABLE],
]);

function unsaid(http: unknown, reset: number, broke: string): Ending {
  if (typeof http === "number" && http !== 200)
    return { code: OF_HTTP.get(http) ?? status.UNKNOWN, details: `It answered with HTTP status ${http}.` };
  if (http === undefined && reset === 0)
    // Bun (1.4.4) keeps the code of some resets to itself.
    return { code: status.UNAVAILABLE, details: broke || "It ended the call without an answer." };
  const details = broke || `It ended the call without a status (HTTP/2 code ${reset}).`;
  return { code: OF_RESET.get(reset) ?? status.INTERNAL, details };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
