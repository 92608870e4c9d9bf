/**
 * Given: what a plugin's code hands in, held against what can be sent. Its types are not
 * checked when it runs: a field that does not exist would be left out in silence, and a
 * fraction where the wire has whole numbers ends the job stream, and with it every job.
 */
import { inspect } from "node:util";
import { HostError } from "./host-error.ts";

/** What a field holds. `small` and `whole` are numbers without a fraction, of 32 and of 53 bits; `json` is checked where it is written. */
export type Kind = "text" | "texts" | "words" | "flag" | "small" | "whole" | "number" | "json";

const SMALL_MAX = 2_147_483_647; // An int32 of the wire.

const FITS: Readonly<Record<Kind, { says: string; holds(value: unknown): boolean }>> = {
  text: { says: "text", holds: (value) => typeof value === "string" },
  texts: { says: "a list of texts", holds: (value) => Array.isArray(value) && value.every(isText) },
  words: { says: "an object of texts", holds: isWords },
  flag: { says: "true or false", holds: (value) => typeof value === "boolean" },
  small: { says: `a whole number of at most ${SMALL_MAX}`, holds: (value) => isWhole(value, SMALL_MAX) },
  whole: { says: "a whole number", holds: (value) => isWhole(value, Number.MAX_SAFE_INTEGER) },
  number: { says: "a number", holds: (value) => Number.isFinite(value) },
  json: { says: "JSON", holds: () => true },
};

/** Throws a HostError that names every field which `what` does not have, or whose value cannot be sent. Undefined and null say nothing. */
export function checkGiven(what: string, given: object, kinds: Readonly<Record<string, Kind>>): void {
  let fields: { field: string; message: string }[] | undefined;
  for (const [field, value] of Object.entries(given)) {
    const message = problemWith(what, field, value, kinds);
    if (message !== undefined) (fields ??= []).push({ field, message });
  }
  if (!fields) return;
  const sentence = fields.map(({ field, message }) => `${field}: ${message}`).join("\n");
  throw new HostError("INVALID_ARGUMENT", sentence, { fields });
}

function problemWith(
  what: string,
  field: string,
  value: unknown,
  kinds: Readonly<Record<string, Kind>>,
): string | undefined {
  const kind = Object.hasOwn(kinds, field) ? kinds[field] : undefined;
  if (kind === undefined) return `is not a field of ${what}. It has ${Object.keys(kinds).join(", ")}.`;
  if (value === undefined || value === null || FITS[kind].holds(value)) return undefined;
  return `must be ${FITS[kind].says}, and is ${shown(value)}.`;
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : inspect(value, { depth: 0 });
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isWords(value: unknown): boolean {
  return typeof value === "object" && !Array.isArray(value) && Object.values(value ?? {}).every(isText);
}

function isWhole(value: unknown, max: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= max;
}
