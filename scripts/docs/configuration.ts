/** Configuration: the tables of keys and of quotas in docs/configuration.md, made from those that loading uses. */
import { formatAmount, QUOTA_LIMIT_NAMES, QUOTA_LIMITS } from "../../internal/access/quota.ts";
import { configKeys, type Key, KEYS, variableOf } from "../../internal/config/keys.ts";
import { code, table } from "./markdown.ts";

/** The made parts, by the name that the page calls them. */
export function configurationParts(): Record<string, string> {
  const rows = configKeys().map((name) => {
    const { kind, fallback, summary, inFile }: Key<unknown> = KEYS[name];
    const key = inFile === false ? `${code(name)} (not in the file)` : code(name);
    return [key, code(JSON.stringify(fallback)), kind.expects, code(variableOf(name)), summary];
  });
  return { keys: table(["key", "default", "may be", "variable", ""], rows), quotas: quotas() };
}

function quotas(): string {
  const rows = QUOTA_LIMIT_NAMES.map((limit) => {
    const { guest, trusted, max, of } = QUOTA_LIMITS[limit];
    return [code(limit), ...[guest, trusted, max].map((amount) => formatAmount(limit, amount)), of];
  });
  return table(["limit", "of a guest", "of a trusted plugin", "at most", ""], rows);
}
