/**
 * Literal: what the default export of a module says in so many words, without running it.
 * Texts, numbers, lists and objects are read; everything else is COMPUTED, and only a run
 * would tell. What is too clever for this reader makes it give up, never guess.
 */

/** Something that only a run would tell: a function, a call, a sum. */
export const COMPUTED = Symbol("computed");

export type Literal = string | number | boolean | typeof COMPUTED | readonly Literal[] | LiteralObject;
export type LiteralObject = ReadonlyMap<string, Literal>;

export interface ExportedLiteral {
  /** The function that it is handed to, like definePlugin; empty when there is none. */
  maker: string;
  fields: LiteralObject;
}

const DEPTH_MAX = 64; // Of what stands in each other; a definition has about six.
const VALUES_MAX = 10_000; // Constants in constants are more than anybody has written.

/** The object that a module exports as its default. Null when it is not written out. Throws what the transpiler says of a syntax error. */
export function exportedLiteral(source: string): ExportedLiteral | null {
  // The transpiler takes types and comments away.
  const tokens = tokensOf(new Bun.Transpiler({ loader: "ts" }).transformSync(source));
  if (tokens === null) return null;
  const at = tokens.findIndex((word, index) => word === "default" && tokens[index - 1] === "export");
  if (at < 0) return null;
  const reader = new Reader(tokens);
  const from = reader.declared(tokens[at + 1] ?? "") ?? at + 1;
  const isMade = isName(tokens[from] ?? "") && tokens[from + 1] === "(";
  const fields = reader.value(isMade ? from + 2 : from).value;
  return fields instanceof Map ? { maker: isMade ? (tokens[from] ?? "") : "", fields } : null;
}

const PARTS =
  /\s+|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[\p{L}\p{N}_$]+(?:\.\d+)?|\.\.\.|=>|[^\s]/uy;
const VALUE_ENDS = /^(?:[\p{L}\p{N}_$"'`].*|[)\]}])$/su; // Behind one of these a slash divides.
const BEFORE_VALUES = new Set(["return", "typeof", "case", "in", "of", "void", "delete", "throw", "await"]);

/** Null when a template is not closed. */
function tokensOf(source: string): string[] | null {
  const tokens: string[] = [];
  let at = 0;
  while (at < source.length) {
    const end = source[at] === "`" ? templateEnd(source, at) : partEnd(source, at, tokens.at(-1));
    if (end === null) return null;
    const token = source.slice(at, end);
    if (token.trim() !== "") tokens.push(token);
    at = end;
  }
  return tokens;
}

function partEnd(source: string, at: number, before: string | undefined): number {
  const divides = before !== undefined && VALUE_ENDS.test(before) && !BEFORE_VALUES.has(before);
  if (source[at] === "/" && divides) return at + 1;
  PARTS.lastIndex = at;
  return PARTS.test(source) ? PARTS.lastIndex : at + 1;
}

function templateEnd(source: string, from: number): number | null {
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === "\\") at++;
    else if (source[at] === "`") return at + 1;
    else if (source.startsWith("${", at)) {
      const end = bracesEnd(source, at + 1);
      if (end === null) return null;
      at = end - 1;
    }
  }
  return null;
}

function bracesEnd(source: string, from: number): number | null {
  let depth = 0;
  for (let at = from; at < source.length;) {
    const end = source[at] === "`" ? templateEnd(source, at) : partEnd(source, at, undefined);
    if (end === null) return null;
    if (source[at] === "{") depth++;
    if (source[at] === "}" && --depth === 0) return end;
    at = end;
  }
  return null;
}

/** A value, and where what follows it begins. */
interface Read {
  value: Literal;
  next: number;
}

class Reader {
  readonly #tokens: readonly string[];
  #depth = 0;
  #values = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  /** Where the value of a constant begins. */
  declared(name: string): number | null {
    if (!isName(name)) return null;
    const at = this.#tokens.findIndex(
      (word, index) =>
        word === "=" && this.#tokens[index - 1] === name && isDeclaring(this.#tokens[index - 2]),
    );
    return at < 0 ? null : at + 1;
  }

  value(at: number): Read {
    if (this.#depth >= DEPTH_MAX || this.#values++ > VALUES_MAX)
      return { value: COMPUTED, next: this.#skip(at) };
    this.#depth++;
    try {
      const { value, next } = this.#start(at);
      return isEnd(this.#tokens[next]) ? { value, next } : { value: COMPUTED, next: this.#skip(next) };
    } finally {
      this.#depth--;
    }
  }

  #start(at: number): Read {
    const word = this.#tokens[at] ?? "";
    if (word === "{") return this.#object(at + 1);
    if (word === "[") return this.#list(at + 1);
    const text = textOf(word);
    if (text !== null) return { value: text, next: at + 1 };
    if (/^\d/.test(word)) return { value: Number(word), next: at + 1 };
    if (word === "true" || word === "false") return { value: word === "true", next: at + 1 };
    const declared = isEnd(this.#tokens[at + 1]) ? this.declared(word) : null;
    return declared === null
      ? { value: COMPUTED, next: this.#skip(at) }
      : { value: this.value(declared).value, next: at + 1 };
  }

  #list(at: number): Read {
    const values: Literal[] = [];
    let next = at;
    while (this.#isInside(next, "]")) {
      const read = this.value(next);
      values.push(read.value);
      next = this.#behind(read.next);
    }
    return { value: values, next: next + 1 };
  }

  #object(at: number): Read {
    const fields = new Map<string, Literal>();
    let next = at;
    while (this.#isInside(next, "}")) {
      const word = this.#tokens[next] ?? "";
      const key = textOf(word) ?? word;
      const follows = this.#tokens[next + 1];
      if (follows === ":") {
        const read = this.value(next + 2);
        fields.set(key, read.value);
        next = read.next;
      } else if (isEnd(follows)) {
        fields.set(key, this.value(next).value); // { name }
        next++;
      } else {
        fields.set(methodName(this.#tokens, next), COMPUTED); // A method, a getter, or what is spread.
        next = this.#skip(next);
      }
      next = this.#behind(next);
    }
    return { value: fields, next: next + 1 };
  }

  /** False at the bracket that closes, and at the end. */
  #isInside(at: number, closing: string): boolean {
    return at < this.#tokens.length && this.#tokens[at] !== closing;
  }

  /** Behind a comma. What else follows a value closes something: the end of a list, or of all that can be read. */
  #behind(at: number): number {
    if (this.#tokens[at] === ",") return at + 1;
    return this.#tokens[at] === "]" || this.#tokens[at] === "}" ? at : this.#tokens.length;
  }

  /** To where the value ends in which `at` stands. */
  #skip(at: number): number {
    let depth = 0;
    for (let next = at; next < this.#tokens.length; next++) {
      const word = this.#tokens[next] ?? "";
      if (depth === 0 && isEnd(word)) return next;
      if (word === "{" || word === "[" || word === "(") depth++;
      if (word === "}" || word === "]" || word === ")") depth--;
    }
    return this.#tokens.length;
  }
}

/** `async *greet(job) {` is called greet; `...more` is called that. */
function methodName(tokens: readonly string[], at: number): string {
  if (tokens[at] === "...") return `...${tokens[at + 1] ?? ""}`;
  const bracket = tokens.indexOf("(", at);
  const name = tokens[bracket - 1] ?? "";
  return textOf(name) ?? name;
}

/** What a text says; null for what is none, or is put together. */
function textOf(word: string): string | null {
  const quote = word[0];
  if (quote !== '"' && quote !== "'" && quote !== "`") return null;
  const inside = word.slice(1, -1);
  if (quote === "`" && inside.includes("${")) return null;
  return inside.replace(/\\(.)/gsu, (_, char: string) => ({ n: "\n", t: "\t" })[char] ?? char);
}

function isName(word: string): boolean {
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(word);
}

function isDeclaring(word: string | undefined): boolean {
  return word === "const" || word === "let" || word === "var";
}

function isEnd(word: string | undefined): boolean {
  return word === undefined || [",", ";", "}", "]", ")"].includes(word);
}
