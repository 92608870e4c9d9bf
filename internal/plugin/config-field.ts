/**
 * Config fields: what a plugin says of its section of the configuration, and whether the
 * values there are what it expects. The values are texts, as the plugin gets them. Pure.
 */
import type { Pattern } from "../base/pattern.ts";
import { nearest } from "../base/suggest.ts";

export const CONFIG_TYPES = ["string", "number", "integer", "boolean", "array"] as const;
export type ConfigType = (typeof CONFIG_TYPES)[number];

export interface ConfigField {
  name: string;
  /** Null for a type that we do not know: any value will do. */
  type: ConfigType | null;
  description: string;
  /** As text; empty for none. */
  fallback: string;
  required: boolean;
  min: number | null;
  max: number | null;
  /** Null when there is none, or it is none that we take. */
  pattern: Pattern | null;
  /** Of an array: what its elements are; null for anything. */
  elements: ConfigType | null;
}

/** What is wrong with one key. */
export interface ConfigProblem {
  key: string;
  /** Completes "[plugin] …". Never the value of a secret. */
  says: string;
}

/** Holds a plugin's values against its fields. `isSecret` tells which must not be shown. */
export function configProblems(
  fields: readonly ConfigField[],
  values: Readonly<Record<string, string>>,
  isSecret: (key: string) => boolean,
): ConfigProblem[] {
  if (fields.length === 0) return []; // It says nothing of them.
  const missing = fields
    .filter(({ name, required, fallback }) => required && fallback === "" && values[name] === undefined)
    .map(({ name, description }) => ({
      key: name,
      says: `has no ${name}, which the plugin needs${about(description)}.`,
    }));
  const wrong = Object.entries(values).flatMap(([key, value]) => {
    const field = fields.find(({ name }) => name === key);
    if (!field) return [unknownKey(key, fields)];
    const must = unmet(field, value);
    if (must === null) return [];
    const said = isSecret(key) ? "refers to something else" : `is ${JSON.stringify(value)}`;
    return [{ key, says: `${key} ${said}, but must be ${must}${about(field.description)}.` }];
  });
  return [...missing, ...wrong];
}

function about(description: string): string {
  return description === "" ? "" : ` (${description.replace(/\.$/, "")})`;
}

function unknownKey(key: string, fields: readonly ConfigField[]): ConfigProblem {
  const names = fields.map(({ name }) => name);
  const meant = nearest(key, names);
  const help = meant === undefined ? `It has ${names.join(", ")}` : `Did you mean ${meant}`;
  return { key, says: `${key} is no key of this plugin. ${help}${meant === undefined ? "." : "?"}` };
}

/** What a value must be and is not; null when it will do. */
function unmet(field: ConfigField, value: string): string | null {
  const { type, min, max, pattern, elements } = field;
  if (type === null) return null;
  if (type === "array") return isArrayOf(value, elements) ? null : arrayOf(elements);
  if (type === "number" || type === "integer") {
    const isWithin = Number(value) >= (min ?? -Infinity) && Number(value) <= (max ?? Infinity);
    return isA(type, value) && isWithin ? null : `${NAMES[type]}${range(min, max)}`;
  }
  if (!isA(type, value)) return NAMES[type];
  return !pattern || pattern.test(value) ? null : `a text like /${pattern.source}/`;
}

const NAMES: Record<ConfigType, string> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  array: "a list",
};

function range(min: number | null, max: number | null): string {
  if (min === null && max === null) return "";
  if (min !== null && max !== null) return ` from ${min} to ${max}`;
  return min === null ? ` of at most ${max}` : ` of at least ${min}`;
}

function arrayOf(elements: ConfigType | null): string {
  return elements === null ? "a list" : `a list, each ${NAMES[elements]}`;
}

function isA(type: ConfigType, value: string): boolean {
  if (type === "boolean") return value === "true" || value === "false";
  if (type === "integer") return /^[+-]?\d+$/.test(value);
  return type !== "number" || (value.trim() !== "" && Number.isFinite(Number(value)));
}

function isArrayOf(text: string, elements: ConfigType | null): boolean {
  const list = listOf(text);
  return list !== null && (elements === null || list.every((element) => isA(elements, elementText(element))));
}

function listOf(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function elementText(element: unknown): string {
  return typeof element === "object" ? JSON.stringify(element) : String(element);
}
