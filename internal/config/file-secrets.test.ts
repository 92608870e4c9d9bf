import { expect, test } from "bun:test";
import { readFileSecrets, secretOf } from "./file-secrets.ts";
import type { Problem } from "./problems.ts";
import { readToml } from "./toml.ts";

function read(text: string) {
  const problems: Problem[] = [];
  const secrets = readFileSecrets(readToml(text, { name: "qntx.toml", folder: "/" }), problems);
  return { secrets, said: problems.map(({ where, message, hint }) => `${where}: ${message} ${hint}`) };
}

const SOURCE = { vars: { A_KEY: "hunter2-hunter2" }, place: { folder: "/nowhere", userHome: "/nobody" } };

test("each plugin has its own names, and whoever keeps secrets out of texts is told what they lead to", () => {
  const { secrets, said } = read(
    '[secrets.weather]\nKEY = "env:A_KEY"\n[secrets.other]\nTHEIRS = "env:B_KEY"\n',
  );
  expect(said).toEqual([]);
  const learned: string[][] = [];
  const source = { ...SOURCE, onSecret: (...known: string[]) => void learned.push(known) };
  expect(secretOf(secrets, { plugin: "weather", name: "KEY" }, source)).toBe("hunter2-hunter2");
  for (const [plugin, name] of [
    ["weather", "THEIRS"],
    ["weather", "constructor"],
    ["other", "KEY"],
    ["nobody", "KEY"],
  ] as const)
    expect([plugin, name, secretOf(secrets, { plugin, name }, source)]).toEqual([plugin, name, null]);
  expect(learned).toEqual([["secrets.weather.KEY", "hunter2-hunter2"]]);
});

test("what is not there is said with its place", () => {
  const { secrets } = read('[secrets.weather]\nKEY = "env:GONE"\n');
  expect(() => secretOf(secrets, { plugin: "weather", name: "KEY" }, SOURCE)).toThrow(
    "secrets.weather.KEY refers to the variable GONE, which is not set.",
  );
});

test.each([
  ["secrets = 1", "secrets must be a section."],
  ['[secrets]\nKEY = "env:A"', 'qntx.toml:2: secrets.KEY is "env:A", but must be a section.'],
  ['[secrets.weather]\nKEY = "hunter2"', 'secrets.weather.KEY must be "env:NAME" or "file:PATH"'],
  ["[secrets.weather]\nKEY = 7", 'secrets.weather.KEY must be "env:NAME" or "file:PATH"'],
  ['[secrets.weather]\n"a b" = "env:A"', 'secrets.weather."a b" is no name of a secret.'],
  ['[secrets.Weather]\nKEY = "env:A"', 'secrets."Weather" names no plugin.'],
])("%s is refused, and a secret that was written out is not shown", (text, sentence) => {
  const { said } = read(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(sentence);
  expect(said[0]).not.toContain("hunter2");
});
