/** Configuration: the table of keys in docs/configuration.md, made from the one that loading uses. */
import { configKeys, type Key, KEYS, variableOf } from "../../internal/config/keys.ts";
import { code, table } from "./markdown.ts";

/** The made parts, by the name that the page calls them. */
export function configurationParts(): Record<string, string> {
  const rows = configKeys().map((name) => {
    const { kind, fallback, summary, inFile }: Key<unknown> = KEYS[name];
    const key = inFile === false ? `${code(name)} (not in the file)` : code(name);
    return [key, code(JSON.stringify(fallback)), kind.expects, code(variableOf(name)), summary];
  });
  return { keys: table(["key", "default", "may be", "variable", ""], rows) };
}
