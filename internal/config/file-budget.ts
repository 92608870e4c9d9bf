/**
 * File budgets: `[budget."tenant:acme"]` in qntx.toml. What the jobs of a tenant, a plugin
 * or a handler may cost, and how often they may start.
 */
import {
  BUDGET_LIMIT_NAMES,
  type BudgetAmounts,
  isBudgetLimit,
  parseScope,
  wrongAmount,
} from "../base/budget.ts";
import { Fault } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import { isTable, said } from "./file-schedule.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export interface FileBudget {
  /** `tenant:acme`, `plugin:python` or `handler:python.report`. */
  readonly scope: string;
  readonly amounts: BudgetAmounts;
}

const BUDGETS_MAX = 1_000; // As many as the store keeps.
const HOW = 'Write [budget."tenant:acme"] on a line of its own, and its keys below.';

/** Reads all `[budget."x"]` sections; what is wrong with them is added to `problems`. */
export function readFileBudgets(file: TomlFile, problems: Problem[]): readonly FileBudget[] {
  const sections: unknown = file.table["budget"] ?? {};
  const wrong = (message: string) => problems.push({ where: file.where("budget"), message, hint: HOW });
  if (!isTable(sections)) {
    wrong("budget must be a section.");
    return [];
  }
  const entries = Object.entries(sections);
  if (entries.length > BUDGETS_MAX) {
    wrong(`There are ${entries.length} budgets, but a file may have ${BUDGETS_MAX}.`);
    return [];
  }
  return entries.flatMap(([scope, table]) => {
    const where = file.where("budget", scope);
    const problem = wrongScope(scope) ?? (isTable(table) ? null : notASection(scope, table));
    if (problem) problems.push({ where, ...problem });
    return problem || !isTable(table) ? [] : [readOne(file, scope, table, problems)];
  });
}

type Wrong = Pick<Problem, "message" | "hint">;

function wrongScope(scope: string): Wrong | null {
  if (isBudgetLimit(scope)) return { message: `${scope} stands outside of any budget.`, hint: HOW };
  try {
    parseScope(scope, `[budget.${JSON.stringify(scope)}]`);
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { message: error.message, hint: error.hint ?? HOW };
  }
}

function notASection(scope: string, value: unknown): Wrong {
  return { message: `budget.${JSON.stringify(scope)} is ${said(value)}, but must be a section.`, hint: HOW };
}

function readOne(
  file: TomlFile,
  scope: string,
  table: Readonly<Record<string, unknown>>,
  problems: Problem[],
): FileBudget {
  const amounts: BudgetAmounts = {};
  const section = `[budget.${JSON.stringify(scope)}]`;
  for (const [word, value] of Object.entries(table)) {
    const where = file.where("budget", scope, word);
    const must = isBudgetLimit(word) ? wrongAmount(word, value) : null;
    if (!isBudgetLimit(word)) problems.push({ where, ...notALimit(section, word) });
    else if (must !== null || typeof value !== "number")
      problems.push({ where, message: `${word} is ${said(value)}, but must be ${must}.`, hint: limits() });
    else amounts[word] = value;
  }
  if (Object.keys(table).length === 0)
    problems.push({ where: file.where("budget", scope), message: `${section} is empty.`, hint: limits() });
  return { scope, amounts };
}

function notALimit(section: string, word: string): Wrong {
  const meant = nearest(word, BUDGET_LIMIT_NAMES);
  return {
    message: `${word} is not a key of ${section}.`,
    hint: meant ? `Did you mean ${meant}?` : limits(),
  };
}

function limits(): string {
  return `The keys are ${BUDGET_LIMIT_NAMES.join(", ")}.`;
}
