/**
 * Api: requests to operations and to plugins. The same function answers on the
 * unix socket, where whoever may open it is the operator, and on TCP, behind the
 * guard.
 */
import type { Context } from "../operations/operation.ts";
import { callOperation } from "../operations/run.ts";
import { lostDigits } from "../base/digits.ts";
import type { Millis } from "../base/env.ts";
import { Fault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import type { Log } from "../base/log.ts";
import { PLUGIN_NAMES_RESERVED } from "../plugin/plugin.ts";
import { faultAnswer, jsonAnswer } from "./answer.ts";

export interface ApiOptions {
  log: Log;
  /** The context of a call by the operator. */
  context: () => Context;
  /** Aborted when the host lets go of its connections: what waits for something is answered now. */
  closing: AbortSignal;
  ready: () => boolean;
  now: () => Millis;
  /** What Prometheus is answered. */
  metrics: () => string;
  /** Hands a request to a plugin: `path` is what follows `/api/<plugin>`. */
  toPlugin: (plugin: string, path: string, request: Request) => Promise<Response>;
}

export const BODY_BYTES_MAX = 8_388_608; // 8 MiB: ten thousand jobs in one call, or an upload to a plugin.
const CALL_PATH = "/api/v1/call/";

/** Answers one request. Never rejects. */
export async function answer(options: ApiOptions, request: Request): Promise<Response> {
  try {
    return await route(options, request);
  } catch (error) {
    return faultAnswer(error, options.log);
  }
}

/** Answers the probes, which need no token; undefined for anything else. */
export function answerProbe({ ready, now }: ApiOptions, path: string): Response | undefined {
  if (path === "/healthz") return jsonAnswer({ ok: true, at: formatInstant(now()) });
  if (path === "/readyz") return jsonAnswer({ ok: ready() }, ready() ? 200 : 503);
  return undefined;
}

async function route(options: ApiOptions, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const probe = answerProbe(options, pathname);
  if (probe) return probe;
  if (pathname === "/metrics")
    return new Response(options.metrics(), { headers: { "content-type": "text/plain; version=0.0.4" } });
  if (pathname.startsWith(CALL_PATH)) return callNamed(options, pathname.slice(CALL_PATH.length), request);

  const [, plugin, rest] = /^\/api\/([^/]+)(\/.*)?$/.exec(pathname) ?? [];
  if (plugin !== undefined && !PLUGIN_NAMES_RESERVED.includes(plugin)) {
    return options.toPlugin(plugin, `${rest ?? "/"}${search}`, request);
  }
  throw new Fault("not-found", `There is nothing at ${shown(pathname)}.`);
}

async function callNamed(
  { context, closing }: ApiOptions,
  name: string,
  request: Request,
): Promise<Response> {
  if (request.method !== "POST")
    throw new Fault("usage", `${request.method} is not how an operation is called; POST is.`);
  const type = request.headers.get("content-type") ?? "";
  if (!type.startsWith("application/json"))
    throw new Fault("usage", "content-type: must be application/json.");
  const input = await readBody(request);
  const asked = {
    ...context(),
    /** Made for whoever wants to know: to make one costs as much as to answer a small call. */
    get signal() {
      return AbortSignal.any([request.signal, closing]);
    },
  };
  return jsonAnswer(await callOperation(asked, name, input));
}

async function readBody(request: Request): Promise<unknown> {
  const text = await request.text();
  if (text === "") return {};
  const lost = lostDigits(text);
  if (lost !== undefined)
    throw new Fault("usage", `The number ${shown(lost)} would lose digits.`, {
      hint: "Write it as a text, in quotes.",
    });
  try {
    const body: unknown = JSON.parse(text);
    return body;
  } catch {
    throw new Fault("usage", "The body is not JSON.");
  }
}
