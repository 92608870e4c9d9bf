/**
 * Kinds: what a configuration value may be. One kind reads it from a file
 * (typed) and from text (environment, flag), and completes the sentence "…, but
 * must be …" when it is none.
 */
import { resolve } from "node:path";
import { formatBytes, parseBytes } from "../base/bytes.ts";
import { formatDuration, parseDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { parseIpRange } from "../base/ip.ts";
import { formatRate, parseRate, type Rate } from "../base/rate.ts";

/** Where a value stands, for those that are relative to it. */
export interface Place {
  /** The folder of the file that says it, or the current one for text. */
  folder: string;
  /** What `~` means. */
  userHome: string;
}

export interface Kind<T> {
  /** Completes "must be …". */
  readonly expects: string;
  /** From TOML; undefined when it is something else. */
  read(value: unknown, place: Place): T | undefined;
  /** From the environment or a flag; undefined when it is something else. */
  parse(text: string, place: Place): T | undefined;
  /** Writes it as TOML. */
  show(value: T): string;
  /** Of a list, the first part that makes it none, as the end of "it has …". */
  wrongPart?(value: unknown): string | undefined;
  /** True when what was given instead may be a secret that somebody wrote out: no message repeats it. */
  readonly secret?: true;
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Kind<number> {
  const read = (value: unknown) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
  return {
    expects: `a whole number from ${min} to ${max}`,
    read,
    parse: (text) => (/^-?\d{1,15}$/.test(text) ? read(Number(text)) : undefined),
    show: String,
  };
}

/** A number from `min` to `max`, whole or not. */
export function decimal(min: number, max: number): Kind<number> {
  const read = (value: unknown) =>
    typeof value === "number" && value >= min && value <= max ? value : undefined;
  return {
    expects: `a number from ${min} to ${max}`,
    read,
    parse: (text) => (/^\d{1,15}(\.\d{1,6})?$/.test(text) ? read(Number(text)) : undefined),
    show: String,
  };
}

/** An amount of bytes such as "512MiB", between two others. */
export function bytes(min: number, max: number): Kind<number> {
  const read = (value: unknown) => {
    const amount = typeof value === "string" ? parseBytes(value) : undefined;
    return amount !== undefined && amount >= min && amount <= max ? amount : undefined;
  };
  return {
    expects: `an amount from "${formatBytes(min)}" to "${formatBytes(max)}", with KiB, MiB or GiB`,
    read,
    parse: read,
    show: (amount) => quoted(formatBytes(amount)),
  };
}

/** true or false. */
export const boolean: Kind<boolean> = {
  expects: "true or false",
  read: (value) => (typeof value === "boolean" ? value : undefined),
  parse: (text) => (text === "true" ? true : text === "false" ? false : undefined),
  show: String,
};

/** One of a few words. */
export function oneOf<const W extends string>(...words: readonly W[]): Kind<W> {
  const read = (value: unknown) => words.find((word) => word === value);
  return { expects: `one of ${words.join(", ")}`, read, parse: read, show: quoted };
}

/** A duration such as "20s", between two others. */
export function duration(min: string, max: string): Kind<Millis> {
  const [minMs, maxMs] = [parseDuration(min, "min"), parseDuration(max, "max")];
  const read = (value: unknown) => {
    const ms = typeof value === "string" ? durationOf(value) : undefined;
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
  };
  return {
    expects: `a duration from "${min}" to "${max}"`,
    read,
    parse: read,
    show: (ms) => quoted(formatDuration(ms)),
  };
}

/** A rate such as "50/s". */
export const rate: Kind<Rate> = {
  expects: 'a rate like "50/s", "100/m" or "10/30s"',
  read: (value) => (typeof value === "string" ? rateOf(value) : undefined),
  parse: rateOf,
  show: (value) => quoted(formatRate(value)),
};

function rateOf(text: string): Rate | undefined {
  try {
    return parseRate(text, "");
  } catch {
    return undefined; // Only a Fault can come, and the caller has a better sentence.
  }
}

/** Milliseconds, or undefined for what is no duration. */
export function durationOf(text: string): Millis | undefined {
  try {
    return parseDuration(text, "");
  } catch {
    return undefined; // Only a Fault can come, and the caller has a better sentence.
  }
}

/** An address of this machine that no other can reach. */
export const loopback: Kind<string> = {
  expects:
    'a loopback address ("127.0.0.1", "::1" or "localhost"): on any other, everybody on the network could run jobs',
  read: (value) => (typeof value === "string" && isLoopback(value) ? value : undefined),
  parse: (text) => (isLoopback(text) ? text : undefined),
  show: quoted,
};

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}

/** A list of different names of the given pattern. As text: separated by commas. */
export function names(pattern: RegExp, expects: string): Kind<readonly string[]> {
  const wrongPart = (value: unknown) => {
    const list = partsOf(value);
    const wrong = list.find((name) => !pattern.test(name));
    if (wrong !== undefined) return quoted(wrong);
    const twice = list.find((name, index) => list.indexOf(name) < index);
    return twice === undefined ? undefined : `${quoted(twice)} twice`;
  };
  const read = (value: unknown) => (wrongPart(value) === undefined ? textsOf(value) : undefined);
  return { expects, read, parse: (text) => read(splitList(text, ",")), show: quotedList, wrongPart };
}

/** A list of addresses of the internet protocol, and of ranges of them. As text: separated by commas. */
export const addresses: Kind<readonly string[]> = {
  expects: 'a list of addresses like "192.168.1.10", "127.0.0.1:8080" or "10.0.0.0/8"',
  read(value) {
    return addresses.wrongPart?.(value) === undefined ? textsOf(value) : undefined;
  },
  wrongPart(value) {
    const wrong = partsOf(value).find((text) => parseIpRange(text) === undefined);
    return wrong === undefined ? undefined : quoted(wrong);
  },
  parse: (text) => addresses.read(splitList(text, ","), NOWHERE),
  show: quotedList,
};

/** For kinds that are nowhere in particular. */
const NOWHERE: Place = { folder: "/", userHome: "/" };

/** One name of the given pattern. */
export function word(pattern: RegExp, expects: string): Kind<string> {
  const read = (value: unknown) => (typeof value === "string" && pattern.test(value) ? value : undefined);
  return { expects, read, parse: read, show: quoted };
}

/** A folder; relative ones are meant from where they are written. */
export const folder: Kind<string> = {
  expects: "the path of a folder",
  read: (value, place) => (typeof value === "string" && value !== "" ? pathOf(value, place) : undefined),
  parse: (text, place) => pathOf(text, place),
  show: quoted,
};

/** A list of folders. As text: separated by colons, as in PATH. */
export const folders: Kind<readonly string[]> = {
  expects: "a list of folders",
  read(value, place) {
    const list = textsOf(value);
    return list?.every((text) => text !== "") ? list.map((text) => pathOf(text, place)) : undefined;
  },
  parse: (text, place) => splitList(text, ":").map((path) => pathOf(path, place)),
  show: quotedList,
};

/** Makes a path absolute: `~` is the person's folder, the rest is meant from where it is written. */
export function pathOf(text: string, { folder, userHome }: Place): string {
  const path = text === "~" || text.startsWith("~/") ? userHome + text.slice(1) : text;
  return resolve(folder, path);
}

/** A text as TOML. JSON's escapes are TOML's too. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

function quotedList(list: readonly string[]): string {
  return `[${list.map(quoted).join(", ")}]`;
}

/** A list of texts, or undefined when it is something else. */
export function textsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((item) => typeof item === "string");
  return texts.length === value.length ? texts : undefined;
}

/** Those of a list, or of a text with commas. */
function partsOf(value: unknown): readonly string[] {
  return typeof value === "string" ? splitList(value, ",") : (textsOf(value) ?? []);
}

function splitList(text: string, separator: string): readonly string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
