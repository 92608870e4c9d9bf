/** Windows that slide in steps, and the words for budgets. */
import { expect, test } from "bun:test";
import {
  BUDGET_LIMIT_NAMES,
  BUDGET_LIMITS,
  leftAt,
  parseScope,
  spentNow,
  stepOf,
  wrongAmount,
} from "./budget.ts";
import { Fault } from "./fault.ts";

const NOW = Date.UTC(2030, 0, 15, 12, 7, 30);

test.each(BUDGET_LIMIT_NAMES)("%s is a whole number of steps, few enough to add up", (limit) => {
  const { windowMs, stepMs } = BUDGET_LIMITS[limit];
  expect(windowMs % stepMs).toBe(0);
  expect(windowMs / stepMs).toBeLessThanOrEqual(120);
});

test.each(BUDGET_LIMIT_NAMES)(
  "%s: what was spent counts for its window, and at most a step longer",
  (limit) => {
    const { windowMs, stepMs } = BUDGET_LIMITS[limit];
    for (let part = 0; part < stepMs; part += stepMs / 5) {
      const at = NOW + part;
      const spent = [{ step: stepOf(limit, at), amount: 2 }];
      const opens = leftAt(limit, { amount: 1, spent, reserved: 0 }, at) ?? 0;
      expect(opens - at).toBeGreaterThanOrEqual(windowMs);
      expect(opens - at).toBeLessThanOrEqual(windowMs + stepMs);
      expect(spentNow(limit, spent, at + windowMs - 1)).toBe(2);
      expect(spentNow(limit, spent, opens - 1)).toBe(2);
      expect(spentNow(limit, spent, opens)).toBe(0);
    }
  },
);

const day = BUDGET_LIMITS.costPerDay;
const step = stepOf("costPerDay", NOW);
const leaves = (number: number) => (number + 1) * day.stepMs + day.windowMs;

test.each([
  // is                                   amount spent                       reserved  opens
  ["nothing spent", 10, [], 0, NOW],
  ["something left", 10, [[step, 9.99]], 0, NOW],
  ["as much as there is", 10, [[step, 10]], 0, leaves(step)],
  [
    "the oldest leaves first",
    10,
    [
      [step - 9, 1],
      [step, 9],
    ],
    0,
    leaves(step - 9),
  ],
  [
    "so much that the oldest is not enough",
    10,
    [
      [step - 9, 1],
      [step - 3, 5],
      [step, 9],
    ],
    0,
    leaves(step - 3),
  ],
  ["what has left counts no more", 10, [[step - 97, 20]], 0, NOW],
  [
    "tenths that nearly add up",
    1,
    [
      [step - 2, 0.7],
      [step - 1, 0.1],
      [step, 0.2],
    ],
    0,
    leaves(step - 2),
  ],
  ["very little", 1e-11, [], 0, NOW],
  ["what runs keeps its part", 10, [[step - 9, 4]], 6, leaves(step - 9)],
  ["what runs uses it up", 10, [[step, 1]], 10, null],
  ["a clock that was set back by a year", 1, [[step + 35_040, 5]], 0, leaves(step)],
  [
    "tenths that do not add up",
    0.3,
    [
      [step - 2, 0.1],
      [step - 1, 0.1],
      [step, 0.1],
    ],
    0,
    leaves(step - 2),
  ],
] as [string, number, [number, number][], number, number | null][])(
  "%s",
  (_, amount, spent, reserved, opens) => {
    const rows = spent.map(([at, part]) => ({ step: at, amount: part }));
    expect(leftAt("costPerDay", { amount, spent: rows, reserved }, NOW)).toBe(opens);
  },
);

test.each([
  ["tenant:acme", { kind: "tenant", name: "acme" }],
  ["tenant:", { kind: "tenant", name: "" }],
  ["handler:python.report", { kind: "handler", name: "python.report" }],
  ["plugin:ix-json", { kind: "plugin", name: "ix-json" }],
] as const)("%s is a scope", (text, scope) => {
  expect(parseScope(text, "scope")).toEqual(scope);
});

test.each([
  ["acme", "does not say whose"],
  ["handlr:x", "does not say whose"],
  ["handler:", "names no handler"],
  ["plugin:", "names no plugin"],
  ["handler:p/x", "names a plugin as well"],
  ["tenant:a b", "cannot be the name"],
  [`tenant:${"x".repeat(300)}`, "cannot be the name"],
])("%s is none", (text, why) => {
  expect(() => parseScope(text, "scope")).toThrow(Fault);
  expect(() => parseScope(text, "scope")).toThrow(why);
});

test.each([
  ["costPerDay", 0.01, true],
  ["costPerDay", 0, false],
  ["costPerDay", -1, false],
  ["costPerDay", Number.NaN, false],
  ["costPerDay", Number.POSITIVE_INFINITY, false],
  ["costPerDay", "10", false],
  ["callsPerMinute", 1, true],
  ["callsPerMinute", 1.5, false],
  ["callsPerMinute", 0, false],
] as const)("%s of %p", (limit, amount, right) => {
  expect(wrongAmount(limit, amount) === null).toBe(right);
});
