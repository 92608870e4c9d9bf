import { expect, test } from "bun:test";
import { readFileSecrets, secretOf, secretsOwner } from "./file-secrets.ts";
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
  expect(secretOf(secrets, { owner: "weather", name: "KEY" }, source)).toBe("hunter2-hunter2");
  for (const [owner, name] of [
    ["weather", "THEIRS"],
    ["weather", "constructor"],
    ["other", "KEY"],
    ["nobody", "KEY"],
    [secretsOwner({ plugin: "weather", tenant: "acme" }), "KEY"],
  ] as const)
    expect([owner, name, secretOf(secrets, { owner, name }, source)]).toEqual([owner, name, null]);
  expect(learned).toEqual([["secrets.weather.KEY", "hunter2-hunter2"]]);
});

test("those of a tenant's plugin are for that tenant's alone", () => {
  const { secrets, said } = read('[secrets."acme/weather"]\nKEY = "env:A_KEY"\n');
  expect(said).toEqual([]);
  const of = (tenant: string) =>
    secretOf(secrets, { owner: secretsOwner({ plugin: "weather", tenant }), name: "KEY" }, SOURCE);
  expect(["acme", "globex", ""].map(of)).toEqual(["hunter2-hunter2", null, null]);
});

test("what is not there is said with its place", () => {
  const { secrets } = read('[secrets.weather]\nKEY = "env:GONE"\n');
  expect(() => secretOf(secrets, { owner: "weather", name: "KEY" }, SOURCE)).toThrow(
    "secrets.weather.KEY refers to the variable GONE, which is not set.",
  );
});

test.each([
  ["secrets = 1", "secrets must be a section."],
  ['[secrets]\nKEY = "env:A"', 'qntx.toml:2: secrets.KEY is "env:A", but must be a section.'],
  ['[secrets.weather]\nKEY = "hunter2"', 'secrets.weather.KEY must be "env:NAME" or "file:PATH"'],
  ["[secrets.weather]\nKEY = 7", 'secrets.weather.KEY must be "env:NAME" or "file:PATH"'],
  ['[secrets.weather]\n"a b" = "env:A"', 'secrets.weather."a b" is no name of a secret.'],
  ['[secrets."a/b/c"]\nKEY = "env:A"', 'secrets."a/b/c" names no plugin.'],
  ['[secrets."Acme/weather"]\nKEY = "env:A"', 'secrets."Acme/weather" names no plugin.'],
  ['[secrets."/weather"]\nKEY = "env:A"', 'secrets."/weather" names no plugin.'],
  ['[secrets.Weather]\nKEY = "env:A"', 'secrets."Weather" names no plugin.'],
])("%s is refused, and a secret that was written out is not shown", (text, sentence) => {
  const { said } = read(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(sentence);
  expect(said[0]).not.toContain("hunter2");
});
