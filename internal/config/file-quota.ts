/** File quotas: `[quota.NAME]` in qntx.toml. How much of the host the plugin of that name may take. */
import {
  isQuotaLimit,
  QUOTA_LIMIT_NAMES,
  QUOTA_LIMITS,
  type QuotaLimit,
  formatAmount,
} from "../access/quota.ts";
import type { QuotaAmounts } from "../access/quotas.ts";
import { nearest } from "../base/suggest.ts";
import { isTable, said } from "./file-schedule.ts";
import { PLUGIN_NAME } from "./keys.ts";
import { duration, integer, type Kind } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

const HOW = "Write [quota.NAME] with the name of a plugin on a line of its own, and its keys below.";

/** Reads all `[quota.NAME]` sections; what is wrong with them is added to `problems`. */
export function readFileQuotas(file: TomlFile, problems: Problem[]): ReadonlyMap<string, QuotaAmounts> {
  const sections: unknown = file.table["quota"] ?? {};
  if (!isTable(sections)) {
    problems.push({ where: file.where("quota"), message: "quota must be a section.", hint: HOW });
    return new Map();
  }
  const quotas = Object.entries(sections).flatMap(([name, table]) => {
    const message = wrongSection(name, table);
    if (message === null && isTable(table)) return [[name, readOne(file, name, table, problems)] as const];
    problems.push({ where: file.where("quota", name), message: message ?? "", hint: HOW });
    return [];
  });
  return new Map(quotas);
}

function wrongSection(name: string, table: unknown): string | null {
  if (isQuotaLimit(name)) return `${name} stands outside of any plugin's quota.`;
  if (!PLUGIN_NAME.test(name)) return `[quota.${JSON.stringify(name)}] does not name a plugin.`;
  return isTable(table) ? null : `quota.${name} is ${said(table)}, but must be a section.`;
}

function readOne(
  file: TomlFile,
  name: string,
  table: Readonly<Record<string, unknown>>,
  problems: Problem[],
): QuotaAmounts {
  const place = { folder: file.folder, userHome: "" };
  const amounts: Partial<Record<QuotaLimit, number>> = {};
  for (const [word, value] of Object.entries(table)) {
    const kind = isQuotaLimit(word) ? kindOf(word) : undefined;
    const amount = kind?.read(value, place);
    if (isQuotaLimit(word) && amount !== undefined) amounts[word] = amount;
    else problems.push({ where: file.where("quota", name, word), ...wrong(name, { word, value, kind }) });
  }
  return amounts;
}

function kindOf(limit: QuotaLimit): Kind<number> {
  const { unit, max } = QUOTA_LIMITS[limit];
  return unit === "duration" ? duration("1s", formatAmount(limit, max)) : integer(1, max);
}

function wrong(
  name: string,
  { word, value, kind }: { word: string; value: unknown; kind: Kind<unknown> | undefined },
): Pick<Problem, "message" | "hint"> {
  const keys = `The keys are ${QUOTA_LIMIT_NAMES.join(", ")}.`;
  if (kind) return { message: `${word} is ${said(value)}, but must be ${kind.expects}.`, hint: keys };
  const meant = nearest(word, QUOTA_LIMIT_NAMES);
  const hint = meant === undefined ? keys : `Did you mean ${meant}?`;
  return { message: `${word} is not a key of [quota.${name}].`, hint };
}
