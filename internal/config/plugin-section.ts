/**
 * Plugin sections: `[name]` in qntx.toml belongs to the plugin of that name.
 *
 * As in QNTX its keys are free, and reach the plugin as texts: numbers and truth
 * values as they are written, lists and tables as JSON. Three keys are for the
 * host (`args`, `address`, `grant`), those that begin with `_` are for nobody, and an
 * empty text is as good as none. `env:NAME` and `file:PATH` stand for secrets,
 * which are fetched at the moment a plugin is handed its values and kept nowhere.
 */
import { type Capability, parseCapability } from "../access/capability.ts";
import { Fault } from "../base/fault.ts";
import { isTable, said } from "./file-schedule.ts";
import { textsOf } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import { fetched, isReference, type Source } from "./references.ts";
import type { TomlFile } from "./toml.ts";

declare global {
  interface JSON {
    /** In the runtime, and in ECMAScript; not yet in the compiler's library. */
    rawJSON(text: string): unknown;
  }
}

export interface PluginSection {
  readonly name: string;
  /** More words for the plugin's command line. */
  readonly args: readonly string[];
  /** `host:port` of one that runs already; null when the host starts it. */
  readonly address: string | null;
  /** Capabilities beyond the usual ones. */
  readonly grant: readonly Capability[];
  /** Keys as they are written, references unresolved. */
  readonly values: Readonly<Record<string, string>>;
  /** Where a key stands, for messages. */
  where(key: string): string;
}

const HOST_KEYS = ["args", "address", "grant"];

/** Reads one section; what is wrong with it is added to `problems`. */
export function readPluginSection(
  file: TomlFile,
  name: string,
  table: Readonly<Record<string, unknown>>,
  problems: Problem[],
): PluginSection {
  const where = (key: string) => file.where(name, key);
  const wrong = (key: string, must: string, hint: string) =>
    problems.push({
      where: where(key),
      message: `${name}.${key} is ${said(table[key])}, but must be ${must}.`,
      hint,
    });

  const args = textsOf(table["args"] ?? []);
  if (!args) wrong("args", "a list of texts", 'Write it like ["--verbose", "5"].');
  const address = table["address"] ?? null;
  const isAddress = address === null || (typeof address === "string" && isHostPort(address));
  if (!isAddress) wrong("address", '"host:port"', 'Write it like "127.0.0.1:9000".');

  if (isListOfReferences(table["secrets"]))
    problems.push({
      where: where("secrets"),
      message: `[${name}.secrets] would be handed to the plugin as it is written.`,
      hint: `What it may ask for by name stands under [secrets.${name}].`,
    });

  const grant = readGrant(table["grant"] ?? [], { name, where: where("grant") }, problems);

  const values = Object.entries(table).flatMap(([key, value]) => {
    const isFree = !HOST_KEYS.includes(key) && !key.startsWith("_") && value !== "";
    return isFree ? [[key, textOf(value)] as const] : [];
  });
  return {
    name,
    args: args ?? [],
    address: typeof address === "string" ? address : null,
    grant,
    values: Object.fromEntries(values),
    where,
  };
}

/** What the plugin gets, secrets fetched. Throws a Fault that names the key of one that is not there. */
export function resolveValues(section: PluginSection, source: Source): Record<string, string> {
  const resolved = Object.entries(section.values).map(([key, value]) => {
    const about = { name: `${section.name}.${key}`, where: section.where(key) };
    if (isSecretName(key) && !isReference(value)) source.onSecret?.(about.name, value); // Written out, and one all the same.
    return [key, fetched(value, about, source)] as const;
  });
  return Object.fromEntries(resolved);
}

const SECRET_KEY = /secret|token|password|passphrase|credential|(^|[_-])key$/i;

/** Keys whose values are secrets: kept elsewhere, or by their names. */
export function secretKeys(values: Readonly<Record<string, string>>): string[] {
  return Object.keys(values).filter((key) => isSecretName(key) || isReference(values[key] ?? ""));
}

/** True for a key that is most often the name of a secret. */
export function isSecretName(key: string): boolean {
  return SECRET_KEY.test(key);
}

function readGrant(
  value: unknown,
  { name, where }: { name: string; where: string },
  problems: Problem[],
): Capability[] {
  const names = textsOf(value);
  if (!names) {
    const message = `${name}.grant is ${said(value)}, but must be a list of capabilities.`;
    problems.push({ where, message, hint: 'Write it like ["cap:http.fetch"].' });
    return [];
  }
  return names.flatMap((capability) => {
    try {
      return [parseCapability(capability)];
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      problems.push({ where, message: `${name}.grant: ${error.message}`, hint: error.hint ?? "" });
      return [];
    }
  });
}

/** True for a table that somebody has most probably meant for the host. */
function isListOfReferences(value: unknown): boolean {
  const values = isTable(value) ? Object.values(value) : [];
  return values.length > 0 && values.every((each) => typeof each === "string" && isReference(each));
}

function isHostPort(text: string): boolean {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(text);
  return match !== null && Number(match[2]) >= 1 && Number(match[2]) <= 65_535;
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value, exactly) : String(value);
}

/** Keeps the digits of integers beyond 2^53. */
function exactly(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? JSON.rawJSON(String(value)) : value;
}
