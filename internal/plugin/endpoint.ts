/**
 * Endpoint: one of a plugin's own HTTP routes, as a schedule may call it. "POST /sync"
 * says which one it is; "/sync" is enough where that is the only method. A plugin's jobs
 * for it stand in the lane `<plugin>/POST /sync`, beside those of its handlers. Pure.
 */
import type { PluginEndpoint } from "../access/principal.ts";
import { type Fault, fieldFault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";

/** What somebody wrote as an endpoint; without a method, whichever the path has. */
export interface EndpointName {
  method: string | null;
  path: string;
}

export const ENDPOINT_CHARS_MAX = 256; // A method and a path; what is longer is data, and belongs into the payload.
export const ENDPOINTS_MAX = 1_000; // Of one plugin: a page that people can still read.
/** What a schedule may call: it has a request to make, and nothing to take away. */
const METHODS: readonly string[] = ["GET", "POST"];
const LISTED_MAX = 10;

/** `POST /sync`: what people call it, and the handler of its jobs. */
export function endpointName({ method, path }: Pick<PluginEndpoint, "method" | "path">): string {
  return `${method} ${path}`;
}

/** True for a job that is a call of an endpoint. No handler has a space in its name. */
export function isEndpoint(handler: string): boolean {
  return handler.includes(" /");
}

/** True for a path with a place for something that a schedule does not know. */
export function hasParameter(path: string): boolean {
  return /[:{}*<>]/.test(path);
}

/** True for a route that a schedule can call, whatever its plugin says. */
export function isCallable({ method, path }: Pick<PluginEndpoint, "method" | "path">): boolean {
  return METHODS.includes(method) && !hasParameter(path);
}

/** Reads "POST /sync" or "/sync". Throws a Fault that names the field. */
export function parseEndpoint(text: string, field = "endpoint"): EndpointName {
  const example = 'Write it like "POST /sync" or "/sync".';
  if (text.length > ENDPOINT_CHARS_MAX)
    throw fieldFault(field, `has ${text.length} characters; at most ${ENDPOINT_CHARS_MAX} are allowed.`);
  const [, method, written] = /^\s*(?:([A-Za-z]+)\s+)?(\S+)\s*$/.exec(text) ?? [];
  if (written === undefined) throw fieldFault(field, `${shown(text)} is not an endpoint.`, example);
  const path = `/${written}`.replaceAll(/\/{2,}/g, "/");
  if (/[?#]/.test(path))
    throw fieldFault(field, `${shown(text)} has a query.`, "What it is to be told is its payload.");
  if (hasParameter(path))
    throw fieldFault(
      field,
      `${shown(text)} has a path parameter, and a schedule has nothing to put there.`,
      "Make an endpoint of its own for it, or send it as the payload.",
    );
  if (method !== undefined && !METHODS.includes(method.toUpperCase()))
    throw fieldFault(field, `${shown(text)} cannot be scheduled: a schedule calls GET or POST.`, example);
  return { method: method?.toUpperCase() ?? null, path };
}

/** The endpoint that is meant, of those that a plugin has. Throws a Fault that names the field. */
export function findEndpoint(
  plugin: string,
  endpoints: readonly PluginEndpoint[],
  text: string,
): PluginEndpoint {
  const { method, path } = parseEndpoint(text);
  const there = endpoints.filter((endpoint) => endpoint.path === path && METHODS.includes(endpoint.method));
  const [found, another] = there.filter((endpoint) => method === null || endpoint.method === method);
  if (found && another && found.method !== another.method)
    throw fieldFault(
      "endpoint",
      `${shown(text)} could be ${endpointName(found)} or ${endpointName(another)}.`,
      "Say which one.",
    );
  if (!found) throw unknown(plugin, endpoints, text);
  if (found.schedulable) return found;
  throw fieldFault(
    "endpoint",
    `${endpointName(found)} of plugin ${plugin} is not schedulable.`,
    "The plugin says so where it has its routes.",
  );
}

function unknown(plugin: string, endpoints: readonly PluginEndpoint[], text: string): Fault {
  const names = endpoints.filter(({ schedulable }) => schedulable).map(endpointName);
  const { method, path } = parseEndpoint(text);
  const meant = nearest(method === null ? path : endpointName({ method, path }), [
    ...(method === null ? endpoints.map((endpoint) => endpoint.path) : names),
  ]);
  const others = endpoints.filter((endpoint) => endpoint.path === path).map(endpointName);
  const more = names.length > LISTED_MAX ? ", …" : "";
  const hint =
    others.length > 0
      ? `There is ${others.join(" and ")}.`
      : meant !== undefined
        ? `Did you mean ${meant}?`
        : names.length > 0
          ? `Schedules may call ${names.slice(0, LISTED_MAX).join(", ")}${more}.`
          : "It has none that schedules may call.";
  return fieldFault("endpoint", `Plugin ${plugin} has no endpoint ${shown(text)}.`, hint);
}
