/** Plugin proxy: `/api/<plugin>/*` of the host is HandleHTTP of the plugin, as in QNTX: without the prefix, with the query. */
import { Fault, shown } from "../base/fault.ts";
import { HOST_PREFIX } from "../plugins/attempt-headers.ts";
import type { PluginHttpRequest } from "../plugins/http.ts";
import type { Plugins } from "../plugins/plugins.ts";

/** Ours, not the plugin's business: what would give it the operator's rights, or speaks of the connection. */
const WITHHELD = new Set([
  "authorization",
  "cookie",
  "host",
  "connection",
  "transfer-encoding",
  "content-length",
]);
/** What a plugin's answer may not set: how the bytes travel, and what a browser may do at the host's address, is the host's affair. */
const STRIPPED = new Set([
  "access-control-allow-credentials",
  "access-control-allow-origin",
  "clear-site-data",
  "service-worker-allowed",
  "strict-transport-security",
  "connection",
  "transfer-encoding",
  "content-length",
  "content-encoding",
  "set-cookie",
]);

/** A page of a plugin runs apart from the host's own: it could act for whoever is logged in there. */
const SAFE = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
} as const;
const APART = "sandbox allow-scripts allow-forms allow-popups; frame-ancestors 'self'";

/** Hands a request to a plugin. Throws a Fault when it cannot answer. */
export async function toPlugin(
  plugins: Plugins,
  name: string,
  path: string,
  request: Request,
): Promise<Response> {
  const answer = await plugins.http(name, {
    method: request.method,
    path,
    headers: headersFor(request),
    body: new Uint8Array(await request.arrayBuffer()),
    signal: request.signal,
  });
  const headers = new Headers();
  for (const { name: header, values } of answer.headers) {
    if (STRIPPED.has(header.toLowerCase())) continue;
    for (const value of values) append(headers, { plugin: name, header, value });
  }
  for (const [header, value] of Object.entries(SAFE)) headers.set(header, value);
  headers.append("content-security-policy", APART); // Beside its own: a browser holds to both.
  const bodyless = answer.statusCode === 204 || answer.statusCode === 304 || request.method === "HEAD";
  return new Response(bodyless ? null : new Uint8Array(answer.body), { status: answer.statusCode, headers });
}

/** Adds a header as it is, in bytes. Throws a Fault for one that HTTP cannot say. */
function append(
  headers: Headers,
  { plugin, header, value }: { plugin: string; header: string; value: string },
): void {
  try {
    headers.append(header, Buffer.from(value).toString("latin1"));
  } catch {
    throw new Fault(
      "failed",
      `Plugin ${plugin} answered with header ${shown(header)}, which cannot be sent.`,
    );
  }
}

/** What of a request a plugin may know. Nobody but the host says why it calls, for which tenant and which run. */
export function headersFor(request: Request): PluginHttpRequest["headers"] {
  return [...request.headers].flatMap(([name, value]) =>
    WITHHELD.has(name) || name.startsWith(HOST_PREFIX) ? [] : [{ name, values: [value] }],
  );
}
