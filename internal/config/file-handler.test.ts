/** `[handler."x"]`: what it takes, and the sentence for each mistake. */
import { expect, test } from "bun:test";
import { readFileHandlers } from "./file-handler.ts";
import type { Problem } from "./problems.ts";
import { readToml } from "./toml.ts";

function read(text: string) {
  const problems: Problem[] = [];
  const handlers = readFileHandlers(readToml(text, { name: "qntx.toml", folder: "/" }), problems);
  return { handlers, said: problems.map(({ where, message, hint }) => `${where}: ${message} ${hint}`) };
}

test("limits are read by handler", () => {
  const text =
    '[handler."python.a"]\nconcurrency = 4\nconcurrencyPerKey = 2\nrate = "50/s"\nburst = 9\n[handler.b]\n';
  expect(read(text)).toEqual({
    handlers: [
      {
        handler: "python.a",
        concurrency: 4,
        concurrencyPerKey: 2,
        rate: { count: 50, perMs: 1_000 },
        burst: 9,
      },
      { handler: "b" },
    ],
    said: [],
  });
  expect(read("")).toEqual({ handlers: [], said: [] });
});

test.each([
  // what is written, what is said
  ["[[handler]]\n", "handler must be a section."],
  ["[handler]\nx = 4\n", "handler.x is 4, but must be a section."],
  [
    '[handler."python.a"]\nconcurrency = 0\n',
    "concurrency is 0, but must be a whole number from 1 to 100000.",
  ],
  [
    '[handler."python.a"]\nconcurency = 1\n',
    'concurency is not a key of [handler."python.a"]. Did you mean concurrency?',
  ],
  ['[handler."python.a"]\nrate = 50\n', 'rate is 50, but must be a rate like "50/s"'],
  ['[handler."python.a"]\nworkers = 1\n', "The keys are concurrency, concurrencyPerKey, rate, burst."],
  ["[handler.python.a]\nconcurrency = 1\n", 'A name with a dot stands in quotes: [handler."python.a"].'],
])("%p is refused", (text, sentence) => {
  const { said } = read(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(sentence);
  expect(said[0]).toMatch(/^qntx\.toml:[12]: /);
});
