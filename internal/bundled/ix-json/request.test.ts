import { describe, expect, test } from "bun:test";
import { canonical, pollIdOf, readPollRequest } from "./request.ts";

const URL_TEXT = "https://example.org/items.json";

describe("a request", () => {
  test("is read with its interval in words or in seconds", () => {
    const words = readPollRequest({ url: URL_TEXT, every: "5m", headers: { "X-Key": "a" }, name: " n " });
    expect(words).toMatchObject({
      problems: [],
      value: { every: "5m", name: "n", headers: { "x-key": "a" } },
    });
    expect(readPollRequest({ url: URL_TEXT, intervalSeconds: 30 }).value.every).toBe("30s");
  });

  const refused: [string, unknown, string[]][] = [
    ["nothing", undefined, ["body", "url", "every"]],
    ["a list", [], ["body", "url", "every"]],
    ["no address", { every: "5m" }, ["url"]],
    ["an address of another kind", { url: "file:///etc/passwd", every: "5m" }, ["url"]],
    ["an address with a login", { url: "https://me:pw@example.org", every: "5m" }, ["url"]],
    ["an address without end", { url: `https://x/${"y".repeat(1_000)}`, every: "5m" }, ["url"]],
    ["no interval", { url: URL_TEXT }, ["every"]],
    ["two intervals", { url: URL_TEXT, every: "5m", intervalSeconds: 300 }, ["every"]],
    ["an interval in no words", { url: URL_TEXT, every: "often" }, ["every"]],
    ["half a second", { url: URL_TEXT, intervalSeconds: 0.5 }, ["intervalSeconds"]],
    ["an unknown field", { url: URL_TEXT, every: "5m", interval: 3 }, ["interval"]],
    ["a name that is a number", { url: URL_TEXT, every: "5m", name: 3 }, ["name"]],
    ["a mapping that is a text", { url: URL_TEXT, every: "5m", mapping: "$" }, ["mapping"]],
    ["headers that are a list", { url: URL_TEXT, every: "5m", headers: [] }, ["headers"]],
    [
      "a header that breaks the line",
      { url: URL_TEXT, every: "5m", headers: { a: "b\r\nc: d" } },
      ["headers.a"],
    ],
    ["a header of the connection", { url: URL_TEXT, every: "5m", headers: { Host: "b" } }, ["headers.Host"]],
    ["a header with a bad name", { url: URL_TEXT, every: "5m", headers: { "a b": "c" } }, ["headers.a b"]],
  ];
  test.each(refused)("with %s is refused", (_, body, fields) => {
    expect(readPollRequest(body).problems.map((problem) => problem.field)).toEqual(fields);
  });

  test("has an id of its words: the same words, the same poll", () => {
    const id = (body: object) => pollIdOf(readPollRequest({ url: URL_TEXT, every: "5m", ...body }).value);
    const mapping = { items: "$[*]", subject: "$.id" };
    const swapped = { subject: "$.id", items: "$[*]" };
    expect(id({ mapping })).toBe(id({ mapping: swapped, every: "1h", headers: { a: "b" } }));
    const others = [{}, { mapping }, { name: "x" }, { url: `${URL_TEXT}?a` }];
    expect(new Set(others.map(id)).size).toBe(others.length);
  });

  test("has the same words in whatever order its fields come", () => {
    expect(canonical({ b: [1, { d: null, c: "x" }], a: undefined })).toBe(
      '{"a":null,"b":[1,{"c":"x","d":null}]}',
    );
  });
});
