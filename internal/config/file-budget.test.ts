/** `[budget."x"]`: what it takes, and the sentence for each mistake. */
import { expect, test } from "bun:test";
import { readFileBudgets } from "./file-budget.ts";
import type { Problem } from "./problems.ts";
import { readToml } from "./toml.ts";

function read(text: string) {
  const problems: Problem[] = [];
  const budgets = readFileBudgets(readToml(text, { name: "qntx.toml", folder: "/" }), problems);
  return { budgets, said: problems.map(({ where, message, hint }) => `${where}: ${message} ${hint}`) };
}

test("limits are read by scope", () => {
  const text =
    '[budget."tenant:acme"]\ncostPerDay = 2.5\ncallsPerMinute = 60\n[budget."plugin:python"]\ncostPerMonth = 100\n';
  expect(read(text)).toEqual({
    budgets: [
      { scope: "tenant:acme", amounts: { costPerDay: 2.5, callsPerMinute: 60 } },
      { scope: "plugin:python", amounts: { costPerMonth: 100 } },
    ],
    said: [],
  });
  expect(read("")).toEqual({ budgets: [], said: [] });
});

test.each([
  // what is written, what is said
  ["[[budget]]\n", "budget must be a section."],
  ["[budget]\ncostPerDay = 4\n", "costPerDay stands outside of any budget."],
  ['[budget]\n"tenant:a" = 4\n', 'budget."tenant:a" is 4, but must be a section.'],
  ["[budget.acme]\ncostPerDay = 4\n", "does not say whose budget it is."],
  ["[budget.tenant.acme]\ncostPerDay = 4\n", "does not say whose"],
  ['[budget."tenent:acme"]\ncostPerDay = 4\n', "Did you mean tenant:acme?"],
  ['[budget."tenant:acme"]\ncostPerDay = -1\n', "costPerDay is -1, but must be a number above 0"],
  ['[budget."tenant:acme"]\ncostPerDay = nan\n', "must be a number above 0"],
  ['[budget."tenant:acme"]\ncostPerDay = "10"\n', "must be a number above 0"],
  ['[budget."tenant:acme"]\ncallsPerMinute = 1.5\n', "but must be a whole number from 1"],
  ['[budget."tenant:acme"]\ncostPerYear = 1\n', 'costPerYear is not a key of [budget."tenant:acme"].'],
  ['[budget."tenant:acme"]\ncostsPerDay = 1\n', "Did you mean costPerDay?"],
  ['[budget."tenant:acme"]\n', "is empty."],
])("%p is refused", (text, sentence) => {
  const { said } = read(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(sentence);
  expect(said[0]).toMatch(/^qntx\.toml:[12]: /);
});
