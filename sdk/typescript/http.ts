/**
 * HTTP: requests below `/api/<plugin>`, which the host passes on, as the
 * platform's own Request and Response.
 */
import type { HTTPHeader, HTTPRequest, HTTPResponse } from "../../proto/gen/protocol/domain.ts";
import type { Endpoint } from "../../proto/gen/qntx/v1/plugin.ts";
import { PluginError } from "./names.ts";
import type { Host, HttpHandler } from "./qntx.ts";

const ROUTE_PATTERN = /^([A-Z]+) (\/\S*)$/;

export interface Router {
  endpoints: Endpoint[];
  answer(request: HTTPRequest, host: Host): Promise<HTTPResponse>;
}

/** Checks the routes of a plugin and makes the one function that answers them. */
export function createRouter(plugin: string, routes: Record<string, HttpHandler>): Router {
  const handlers = new Map<string, HttpHandler>();
  const endpoints = Object.entries(routes).map(([key, handler]) => {
    const [, method, path] = ROUTE_PATTERN.exec(key) ?? [];
    if (!method || !path || typeof handler !== "function") {
      throw new PluginError(
        `Route ${JSON.stringify(key)} of plugin ${plugin} is not like "GET /path": a function.`,
      );
    }
    handlers.set(`${method} ${path}`, handler);
    return { method, path, description: "", schedulable: method === "POST" };
  });
  return {
    endpoints,
    async answer(request, host) {
      const path = pathOf(request.path);
      const handler = handlers.get(`${request.method} ${path}`);
      if (handler) return toAnswer(await handler(toRequest(request), host));
      const allowed = endpoints.filter((endpoint) => endpoint.path === path).map(({ method }) => method);
      if (allowed.length === 0) return plainAnswer(404, `Plugin ${plugin} has no route ${path}.\n`);
      const answer = plainAnswer(405, `${path} answers ${allowed.join(", ")}.\n`);
      answer.headers.push({ name: "allow", values: [allowed.join(", ")] });
      return answer;
    },
  };
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

function toRequest({ method, path, headers, body }: HTTPRequest): Request {
  const bodyless = method === "GET" || method === "HEAD"; // Request throws for a body there.
  return new Request(`http://plugin.localhost${path.startsWith("/") ? path : `/${path}`}`, {
    method,
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
