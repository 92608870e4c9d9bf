/** `[isolation.x]`: what it takes, and the sentence for each mistake. */
import { expect, test } from "bun:test";
import { readFileIsolations } from "./file-isolation.ts";
import type { Problem } from "./problems.ts";
import { readToml } from "./toml.ts";

function read(text: string) {
  const problems: Problem[] = [];
  const isolations = readFileIsolations(readToml(text, { name: "qntx.toml", folder: "/" }), problems);
  return { isolations, said: problems.map(({ where, message, hint }) => `${where}: ${message} ${hint}`) };
}

test("what a plugin is held to is read", () => {
  const text =
    '[isolation.weather]\nuser = "own"\nmemory = "512MiB"\ncpu = 0.5\nprocesses = 64\nfiles = 256\nfileSize = "1GiB"\n';
  expect(read(text)).toEqual({
    isolations: [
      {
        plugin: "weather",
        user: "own",
        memory: 536_870_912,
        cpu: 0.5,
        processes: 64,
        files: 256,
        fileSize: 1_073_741_824,
      },
    ],
    said: [],
  });
  expect(read("")).toEqual({ isolations: [], said: [] });
});

test.each([
  ["isolation = 3\n", "isolation must be a section."],
  ["[isolation]\nmemory = 3\n", "isolation.memory is 3, but must be a section."],
  ['[isolation."Weather!"]\ncpu = 1\n', 'isolation."Weather!" names no plugin.'],
  ['[isolation.weather]\nmemory = "512MB"\n', 'memory is "512MB", but must be an amount from "32 MiB"'],
  ["[isolation.weather]\nmemory = 512\n", "memory is 512, but must be an amount"],
  ['[isolation.weather]\nmemory = "1MiB"\n', 'but must be an amount from "32 MiB" to "4096 GiB"'],
  ["[isolation.weather]\ncpu = 0\n", "cpu is 0, but must be a number from 0.01 to 1024"],
  ["[isolation.weather]\ncpu = nan\n", "cpu is NaN, but must be a number from 0.01 to 1024"],
  ["[isolation.weather]\nprocesses = 1.5\n", "must be a whole number from 1"],
  ['[isolation.weather]\nuser = "a b"\n', 'must be "own", "host" or the name of a user'],
  ["[isolation.weather]\nmemroy = 3\n", "Did you mean memory?"],
])("%p is refused with a sentence", (text, said) => {
  expect(read(text).said.join("\n")).toContain(said);
});
