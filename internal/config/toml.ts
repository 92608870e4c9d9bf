/**
 * TOML with line numbers. smol-toml parses, and tells where a syntax error is,
 * but not where a key stands; since a message without a line makes people
 * search, the lines are found by a walk over text that is known to be valid.
 */
import { parse, TomlError } from "smol-toml";
import { messageOf } from "../base/fault.ts";
import { configFault } from "./problems.ts";

/** A file as it was read. */
export interface TomlFile {
  /** How messages call it. */
  readonly name: string;
  /** Its folder, from which relative paths are meant. */
  readonly folder: string;
  readonly table: Readonly<Record<string, unknown>>;
  /** `qntx.toml:3` for a key, or for the nearest thing around it that has a line. */
  where(...path: readonly (string | number)[]): string;
}

/** Parses a file's text. Throws a Fault with line, column and the lines around the mistake. */
export function readToml(text: string, { name, folder }: { name: string; folder: string }): TomlFile {
  const table = parseText(text, name);
  const lines = linesOf(text);
  return {
    name,
    folder,
    table,
    where(...path) {
      const steps = path.map(String);
      while (steps.length > 0 && !lines.has(keyOf(steps))) steps.pop();
      const line = lines.get(keyOf(steps));
      return line === undefined ? name : `${name}:${line}`;
    },
  };
}

function parseText(text: string, name: string): Record<string, unknown> {
  try {
    // Numbers beyond 2^53 stay exact, so that a plugin gets the digits that were written.
    return parse(text, { integersAsBigInt: "asNeeded" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = messageOf(error).split("\n", 1)[0]?.replace("Invalid TOML document: ", "") ?? "";
    const where = `${name}:${error.line}:${error.column}`;
    throw configFault([{ where, message: `This is not TOML: ${what}.`, hint: error.codeblock.trimEnd() }]);
  }
}

function keyOf(path: readonly string[]): string {
  return JSON.stringify(path);
}

/** The line of every key and section, by path; entries of `[[x]]` are numbered from 0. */
export function linesOf(text: string): ReadonlyMap<string, number> {
  return new Walk(text).run();
}

/** A walk over valid TOML, statement by statement. */
class Walk {
  readonly #text: string;
  readonly #lines = new Map<string, number>();
  /** How many entries each `[[x]]` has so far. */
  readonly #counts = new Map<string, number>();
  #at = 0;
  #line = 1;
  #section: string[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  run(): ReadonlyMap<string, number> {
    for (this.#skipBlank(); this.#at < this.#text.length; this.#skipBlank()) {
      if (this.#text[this.#at] === "[") this.#header();
      else this.#assignment();
    }
    return this.#lines;
  }

  #header(): void {
    const many = this.#text.startsWith("[[", this.#at);
    this.#at += many ? 2 : 1;
    const path = this.#numbered(this.#dottedKey(), many);
    if (many) {
      const count = this.#counts.get(keyOf(path)) ?? 0;
      this.#counts.set(keyOf(path), count + 1);
      this.#note(path);
      path.push(String(count));
    }
    this.#note(path);
    this.#section = path;
    this.#skipValue();
  }

  #assignment(): void {
    this.#note([...this.#section, ...this.#dottedKey()]);
    this.#skipValue();
  }

  /** Notes the path and whatever stands around it that has no line yet. */
  #note(path: readonly string[]): void {
    for (let length = path.length; length > 0; length--) {
      const key = keyOf(path.slice(0, length));
      if (!this.#lines.has(key)) this.#lines.set(key, this.#line);
    }
  }

  /** `[schedule.x]` after two `[[schedule]]` means the second one. */
  #numbered(path: readonly string[], many: boolean): string[] {
    const full: string[] = [];
    for (const [i, step] of path.entries()) {
      full.push(step);
      const count = this.#counts.get(keyOf(full));
      if (count !== undefined && !(many && i === path.length - 1)) full.push(String(count - 1));
    }
    return full;
  }

  #dottedKey(): string[] {
    const PART = /[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*(\.?)/y;
    const path: string[] = [];
    for (let more = true; more;) {
      PART.lastIndex = this.#at;
      const match = PART.exec(this.#text);
      if (!match) return path;
      this.#at = PART.lastIndex;
      path.push(match[1] ?? match[2] ?? match[3] ?? "");
      more = match[4] === ".";
    }
    return path;
  }

  #skipBlank(): void {
    const BLANK = /(?:[ \t\r\n]+|#[^\n]*)*/y;
    this.#take(BLANK);
  }

  /** To the end of the statement: a line break outside of strings and brackets. */
  #skipValue(): void {
    // Long runs in one step: a choice at every character would take 200 ms for a megabyte.
    const PIECE =
      /"""[^"\\]*(?:(?:\\[^]|"{1,2}(?!"))[^"\\]*)*"{3,5}|'''[^]*?'{3,5}|"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*'|#[^\n]*|[^]/y;
    for (let depth = 0; this.#at < this.#text.length;) {
      const piece = this.#take(PIECE);
      if (piece === "[" || piece === "{") depth += 1;
      if (piece === "]" || piece === "}") depth -= 1;
      if (piece === "\n" && depth <= 0) return;
    }
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const piece = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += piece.length;
    for (let at = piece.indexOf("\n"); at >= 0; at = piece.indexOf("\n", at + 1)) this.#line += 1;
    return piece;
  }
}
