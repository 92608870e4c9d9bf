/** How endpoints are named, and which one is meant. */
import { expect, test } from "bun:test";
import type { PluginEndpoint } from "../access/principal.ts";
import { Fault } from "../base/fault.ts";
import { endpointName, findEndpoint, isCallable, isEndpoint } from "./endpoint.ts";

const endpoint = (name: string, schedulable = true): PluginEndpoint => {
  const [method = "", path = ""] = name.split(" ");
  return { method, path, handler: "f", description: "", schedulable };
};
const ENDPOINTS = [
  endpoint("POST /sync"),
  endpoint("GET /both"),
  endpoint("POST /both", false),
  endpoint("DELETE /both", false),
  endpoint("GET /status"),
  endpoint("PUT /status", false),
  endpoint("POST /for-people", false),
  endpoint("GET /items/:id", false),
];

test.each([
  ["POST /sync", "POST /sync"],
  ["/sync", "POST /sync"],
  ["sync", "POST /sync"],
  ["post //sync ", "POST /sync"],
  ["/status", "GET /status"],
  ["GET /both", "GET /both"],
])("%p is %p", (text, name) => {
  expect(endpointName(findEndpoint("demo", ENDPOINTS, text))).toBe(name);
});

test.each([
  ["/both", '"/both" could be GET /both or POST /both.', "Say which one."],
  ["/snyc", 'Plugin demo has no endpoint "/snyc".', "Did you mean /sync?"],
  ["POST /snyc", 'Plugin demo has no endpoint "POST /snyc".', "Did you mean POST /sync?"],
  ["/x", 'Plugin demo has no endpoint "/x".', "Schedules may call POST /sync, GET /both, GET /status."],
  ["GET /sync", 'Plugin demo has no endpoint "GET /sync".', "There is POST /sync."],
  ["POST /for-people", "POST /for-people of plugin demo is not schedulable.", "The plugin says so"],
  ["DELETE /both", '"DELETE /both" cannot be scheduled: a schedule calls GET or POST.', "Write it like"],
  ["/items/:id", '"/items/:id" has a path parameter', "Make an endpoint of its own"],
  ["GET /items/{id}", '"GET /items/{id}" has a path parameter', "Make an endpoint of its own"],
  ["/files/*", '"/files/*" has a path parameter', "Make an endpoint of its own"],
  ["/sync?full=1", '"/sync?full=1" has a query.', "What it is to be told is its payload."],
  ["", '"" is not an endpoint.', "Write it like"],
  ["POST the /sync", '"POST the /sync" is not an endpoint.', "Write it like"],
  [`/${"x".repeat(256)}`, "has 257 characters; at most 256 are allowed.", undefined],
])("%p is refused", (text, message, hint) => {
  const fault = refusalOf(() => findEndpoint("demo", ENDPOINTS, text));
  expect(fault.fields[0]?.field).toBe("endpoint");
  expect(fault.message).toStartWith(`endpoint: ${message}`);
  if (hint === undefined) expect(fault.hint).toBeUndefined();
  else expect(fault.hint).toStartWith(hint);
});

test("a plugin without any says so", () => {
  expect(refusalOf(() => findEndpoint("demo", [], "/sync")).hint).toBe(
    "It has none that schedules may call.",
  );
});

test("only GET and POST without parameters can be called, whatever the plugin says", () => {
  const callable = ["GET /a", "POST /a/b", "PUT /a", "GET /a/*", "POST /:a", "GET /{a}"].map((name) =>
    isCallable(endpoint(name)),
  );
  expect(callable).toEqual([true, true, false, false, false, false]);
});

test("a job's handler is an endpoint or is not", () => {
  expect(["POST /sync", "GET /", "a.b", "PythonScript"].map(isEndpoint)).toEqual([true, true, false, false]);
});

function refusalOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
  }
  throw new Error("It was not refused.");
}
