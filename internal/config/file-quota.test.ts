/** `[quota.NAME]`: what it takes, and the sentence for each mistake. */
import { expect, test } from "bun:test";
import { readFileQuotas } from "./file-quota.ts";
import type { Problem } from "./problems.ts";
import { readToml } from "./toml.ts";

function read(text: string) {
  const problems: Problem[] = [];
  const quotas = readFileQuotas(readToml(text, { name: "qntx.toml", folder: "/" }), problems);
  const said = problems.map(({ where, message, hint }) => `${where}: ${message} ${hint}`);
  return { quotas: Object.fromEntries(quotas), said };
}

test("limits are read by plugin", () => {
  const text = '[quota.demo]\nschedules = 100\nscheduleInterval = "1m"\n[quota.demo-acme]\nschedules = 1\n';
  const quotas = { demo: { schedules: 100, scheduleInterval: 60_000 }, "demo-acme": { schedules: 1 } };
  expect(read(text)).toEqual({ quotas, said: [] });
  expect(read("")).toEqual({ quotas: {}, said: [] });
});

test.each([
  // what is written, what is said
  ["[[quota]]\n", "quota must be a section."],
  ["[quota]\nschedules = 4\n", "schedules stands outside of any plugin's quota. Write [quota.NAME]"],
  ["[quota]\ndemo = 4\n", "quota.demo is 4, but must be a section."],
  ['[quota."Demo"]\nschedules = 4\n', '[quota."Demo"] does not name a plugin.'],
  ["[quota.demo]\nschedules = -1\n", "schedules is -1, but must be a whole number from 1 to 1000000."],
  ['[quota.demo]\nschedules = "50"\n', 'schedules is "50", but must be a whole number'],
  ["[quota.demo]\nscheduleInterval = 300\n", 'but must be a duration from "1s" to "1d".'],
  ["[quota.demo]\nschedulePayloadBytes = 100001\n", "but must be a whole number from 1 to 100000."],
  ["[quota.demo]\nschedule = 4\n", "schedule is not a key of [quota.demo]. Did you mean schedules?"],
  ["[quota.demo]\nx = 4\n", "x is not a key of [quota.demo]. The keys are schedules, "],
])("%p is refused", (text, sentence) => {
  const { said } = read(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(sentence);
  expect(said[0]).toMatch(/^qntx\.toml:[12]: /);
});
