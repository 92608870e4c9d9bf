import { expect, test } from "bun:test";
import { Redactor } from "./redactor.ts";

function knowing(...values: string[]): Redactor {
  const redactor = new Redactor();
  for (const [index, value] of values.entries()) redactor.learn(`p.key${index}`, value);
  return redactor;
}

test.each<[what: string, values: string[], text: string, clean: string]>([
  ["nothing known", [], "hunter2-hunter2", "hunter2-hunter2"],
  ["one", ["hunter2-hunter2"], "key=hunter2-hunter2!", "key=[secret p.key0]!"],
  ["each time", ["hunter22"], "hunter22hunter22", "[secret p.key0][secret p.key0]"],
  [
    "the longer of two",
    ["hunter22", "hunter22-prod"],
    "hunter22-prod hunter22",
    "[secret p.key1] [secret p.key0]",
  ],
  ["a short one stays", ["8080808"], "port 8080808", "port 8080808"],
  ["in JSON", ['say "it" now'], '{"a":"say \\"it\\" now"}', '{"a":"[secret p.key0]"}'],
  ["in an address", ["a b/c?d=e&f"], "GET /?k=a%20b%2Fc%3Fd%3De%26f", "GET /?k=[secret p.key0]"],
  ["dollars", ["$&$1$$abc"], "x $&$1$$abc", "x [secret p.key0]"],
  ["line by line", ["-----BEGIN\nMIIEvQIBADAN\n==\n"], "got MIIEvQIBADAN ==", "got [secret p.key0] =="],
  [
    "cut in it",
    ["hunter2-hunter2"],
    "key=hunter2-hunt… (cut: 9000 bytes)",
    "key=[secret p.key0]… (cut: 9000 bytes)",
  ],
  [
    "cut in a letter of it",
    ["hunterühunter"],
    "hunter\uFFFD… (cut: 9 bytes)",
    "[secret p.key0]… (cut: 9 bytes)",
  ],
  ["cut behind its first letters", ["hunter2-hunter2"], "key=hun… (cut: 9 bytes)", "key=hun… (cut: 9 bytes)"],
  ["its beginning in a whole line", ["postgres://me:pw@db"], "to postgres", "to postgres"],
])("%s", (_, values, text, clean) => {
  expect(knowing(...values).redact(text)).toBe(clean);
});

test("a name cannot break the line that it stands in", () => {
  const redactor = new Redactor();
  redactor.learn('secrets.p.a"b\n', "hunter2-hunter2");
  expect(redactor.redact("hunter2-hunter2")).toBe("[secret p.a_b_]");
});

test("of a secret that changes all the time, the newest twenty are known, and the others stay", () => {
  const redactor = knowing("hunter2-hunter2");
  const value = (index: number) => `secret-${index}-value`;
  for (let index = 1; index <= 30; index++) redactor.learn("p.key", value(index));
  expect([30, 11, 10].map((index) => redactor.redact(value(index)))).toEqual([
    "[secret p.key]",
    "[secret p.key]",
    value(10),
  ]);
  expect(redactor.redact("hunter2-hunter2")).toBe("[secret p.key0]");
});
