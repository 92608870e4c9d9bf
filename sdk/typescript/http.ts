/**
 * HTTP: requests below `/api/<plugin>`, which the host passes on, as the
 * platform's own Request and Response.
 */
import type { HTTPHeader, HTTPRequest, HTTPResponse } from "../../proto/gen/protocol/domain.ts";
import type { Endpoint } from "../../proto/gen/qntx/v1/plugin.ts";
import { PluginError, refuseUnknown } from "./names.ts";
import type { Host, HttpHandler, HttpRoute } from "./qntx.ts";

const ROUTE_PATTERN = /^([A-Z]+) (\/\S*)$/;

export interface Router {
  endpoints: Endpoint[];
  /** The signal is aborted when nobody waits for the answer any more. */
  answer(request: HTTPRequest, host: Host, signal?: AbortSignal): Promise<HTTPResponse>;
}

/** What a schedule can call: it has a request to make, and nothing to put into a path. */
const SCHEDULABLE = /^(GET|POST) [^:{}*<>]*$/;

const ROUTE_FIELDS: Record<keyof HttpRoute, true> = { run: true, schedulable: true, description: true };

/** Checks the routes of a plugin and makes the one function that answers them. */
export function createRouter(plugin: string, routes: Record<string, HttpHandler | HttpRoute>): Router {
  const handlers = new Map<string, HttpHandler>();
  const endpoints = Object.entries(routes).map(([key, given]): Endpoint => {
    const [, method, path] = ROUTE_PATTERN.exec(key) ?? [];
    const route = typeof given === "function" ? { run: given } : given;
    if (!method || !path || typeof route?.run !== "function") {
      throw new PluginError(
        `Route ${JSON.stringify(key)} of plugin ${plugin} is not like "GET /path": a function.`,
      );
    }
    if (typeof given !== "function")
      refuseUnknown(`route ${JSON.stringify(key)} of plugin ${plugin}`, given, ROUTE_FIELDS);
    const schedulable = route.schedulable ?? SCHEDULABLE.test(key);
    if (schedulable && !SCHEDULABLE.test(key)) {
      throw new PluginError(
        `Route ${JSON.stringify(key)} of plugin ${plugin} cannot be schedulable: only GET or POST of a path without parameters is.`,
      );
    }
    handlers.set(key, route.run);
    return {
      method,
      path,
      description: route.description ?? "",
      schedulable,
      handler: route.run.name || key,
    };
  });
  return {
    endpoints,
    async answer(request, host, signal) {
      const path = pathOf(request.path);
      const handler = handlerOf(handlers, request.method, path);
      if (handler) return toAnswer(await handler(toRequest(request, signal), host));
      const methods = new Set(endpoints.map(({ method }) => method));
      const allowed = [...methods].filter((method) => handlerOf(handlers, method, path));
      if (allowed.length === 0) return plainAnswer(404, `Plugin ${plugin} has no route ${path}.\n`);
      const answer = plainAnswer(405, `${path} answers ${allowed.join(", ")}.\n`);
      answer.headers.push({ name: "allow", values: [allowed.join(", ")] });
      return answer;
    },
  };
}

/** The exact route, or else the nearest folder of it that has a route `/…/*`. */
function handlerOf(
  handlers: ReadonlyMap<string, HttpHandler>,
  method: string,
  path: string,
): HttpHandler | undefined {
  let found = handlers.get(`${method} ${path}`);
  for (let at = path.lastIndexOf("/"); !found && at >= 0; at = path.lastIndexOf("/", at - 1)) {
    found = handlers.get(`${method} ${path.slice(0, at)}/*`);
    if (at === 0) break; // lastIndexOf takes a negative start for 0.
  }
  return found;
}

/** The path of a request without its query. */
export function pathOf(path: string): string {
  return path.split("?", 1)[0] || "/";
}

/** An answer of plain text. */
export function plainAnswer(statusCode: number, text: string): HTTPResponse {
  const headers = [{ name: "content-type", values: ["text/plain; charset=utf-8"] }];
  return { statusCode, headers, body: Buffer.from(text) };
}

function toRequest({ method, path, headers, body }: HTTPRequest, signal?: AbortSignal): Request {
  const bodyless = method === "GET" || method === "HEAD"; // Request throws for a body there.
  return new Request(`http://plugin.localhost${path.startsWith("/") ? path : `/${path}`}`, {
    method,
    ...(signal && { signal }),
    headers: headers.flatMap(({ name, values }) => values.map((value): [string, string] => [name, value])),
    ...(bodyless ? {} : { body: new Uint8Array(body) }),
  });
}

async function toAnswer(response: Response): Promise<HTTPResponse> {
  const headers: HTTPHeader[] = [];
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") headers.push({ name, values: [value] });
  }
  const cookies = response.headers.getSetCookie(); // The one header that must not be joined.
  if (cookies.length > 0) headers.push({ name: "set-cookie", values: cookies });
  return { statusCode: response.status, headers, body: Buffer.from(await response.arrayBuffer()) };
}
