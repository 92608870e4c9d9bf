/**
 * Values: what an option's text can be read as, beyond plain text. Each throws
 * a Fault that names the option. Give one as `parse` in a command's `args`.
 */
import type { Millis } from "../../internal/base/env.ts";
import { parseDuration } from "../../internal/base/duration.ts";
import { lostDigits } from "../../internal/base/digits.ts";
import { Fault, fieldFault, messageOf, shown } from "../../internal/base/fault.ts";
import { formatRetry, parseRetry } from "../../internal/base/retry.ts";
import { parseInstant } from "../../internal/base/instant.ts";
import { resolve } from "node:path";
import type { Parse } from "./command.ts";
import type { World } from "./world.ts";

/** `1h30m` → milliseconds. */
export const duration: Parse<Millis> = (text, name) => parseDuration(text, name);

/** `fixed:30s`, and the other ways to wait between tries. Checked here, read there. */
export const retry: Parse<string> = (text, name) => formatRetry(parseRetry(text, name));

/** What `--retry` says in help. */
export const RETRY_DESCRIPTION =
  "How long it waits between tries: exponential:2s..10m, linear:10s..5m, fixed:30s or list:1s,10s,5m";

/** `2026-01-31T09:00:00Z` → milliseconds since 1970. */
export const instant: Parse<Millis> = (text, name) => parseInstant(text, name);

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Parse<number> {
  return (text, name) => {
    const value = Number(text);
    if (/^-?\d{1,15}$/.test(text) && value >= min && value <= max) return value;
    throw fieldFault(name, `${shown(text)} is not a whole number from ${min} to ${max}.`);
  };
}

/** `2.50`: what something costs. */
export const amount: Parse<number> = (text, name) => {
  if (/^\d{1,12}(\.\d{1,9})?$/.test(text)) return Number(text);
  throw fieldFault(name, `${shown(text)} is not an amount.`, "Write it like 10 or 2.50, without a currency.");
};

/** JSON: written out, `@FILE`, or `@-` and `-` for standard input. */
export const json: Parse<unknown> = async (text, name, world) => {
  const { body, from } = await textOrFile(text, name, world, "@");
  try {
    const value: unknown = JSON.parse(body);
    const lost = lostDigits(body);
    if (lost !== undefined)
      throw fieldFault(name, `${shown(lost)} would lose digits.`, "Write the number as a text, in quotes.");
    return value;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw fieldFault(
      name,
      `${from ?? shown(body)} is not JSON: ${messageOf(error)}.`,
      'Texts need their quotes: \'"hello"\' or \'{"who": "world"}\'; @FILE reads a file, @- standard input.',
    );
  }
};

/** A file's text by its path, or `-` for standard input. */
export const fileText: Parse<string> = async (text, name, world) => {
  return text === "-" ? readStdin(name, world) : readFile(text, name, world);
};

/** `KEY=VALUE` as a pair. */
export const pair: Parse<readonly [key: string, value: string]> = (text, name) => {
  const equals = text.indexOf("=");
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw fieldFault(name, `${shown(text)} is not KEY=VALUE.`);
};

/** `FROM/TO`: two instants, as ISO 8601 writes a span. */
export const span: Parse<{ from: string; to: string }> = (text, name) => {
  const [from, to, ...more] = text.split("/");
  if (from && to && more.length === 0) return { from, to };
  throw fieldFault(
    name,
    `${shown(text)} is not FROM/TO.`,
    'Write it like "2030-12-24T00:00:00Z/2030-12-27T00:00:00Z".',
  );
};

/** A name, or `FROM/TO`. */
export const nameOrSpan: Parse<string | { from: string; to: string }> = (text, name, world) =>
  text.includes("/") ? span(text, name, world) : text;

async function textOrFile(
  text: string,
  name: string,
  world: World,
  mark: string,
): Promise<{ body: string; from?: string }> {
  if (text === "-" || text === `${mark}-`) {
    return { body: await readStdin(name, world), from: "standard input" };
  }
  if (!text.startsWith(mark)) return { body: text };
  const path = text.slice(mark.length);
  return { body: await readFile(path, name, world), from: path };
}

/** Waiting for a person to type a document would look like a hang. */
function readStdin(name: string, { stdin }: World): Promise<string> {
  if (!stdin.terminal) return stdin.text();
  throw fieldFault(name, "standard input is a terminal.", "Pipe the text in, or name a file.");
}

async function readFile(path: string, name: string, { cwd }: World): Promise<string> {
  try {
    return await Bun.file(resolve(cwd, path)).text();
  } catch (error) {
    const message = `${shown(path)} cannot be read: ${messageOf(error)}`;
    throw new Fault("usage", `${name}: ${message}`, { fields: [{ field: name, message }], cause: error });
  }
}
