/**
 * Pattern: a regular expression of somebody else's that is held against a text in a time
 * that is bounded, whatever both are. The engine of JavaScript tries one way after the
 * other: `a*a*a*$` takes it forty seconds for a thousand letters, and all others wait.
 * Here all ways are gone at once, a character at a time: its length times that of the
 * pattern, some tens of milliseconds at most.
 *
 * What it means is what it means in JavaScript with the flag u: which patterns there are,
 * and which character an atom takes, is asked of that engine. What looks around, or back
 * at what was found, has no such bound and is not taken.
 */

const PATTERN_CHARS_MAX = 1_000; // What is longer is a program.
const STEPS_MAX = 1_000; // Of a compiled one: `{3}` is three times what stands before it.
const TEXT_CHARS_MAX = 1_000; // What is longer is no setting that has a pattern.

/** Reads a pattern; `wrong` says what is the matter with it, as the end of "its pattern …". */
export function parsePattern(text: string): Pattern | { wrong: string } {
  if (text.length > PATTERN_CHARS_MAX) return { wrong: `has more than ${PATTERN_CHARS_MAX} characters` };
  try {
    void new RegExp(text, "u");
  } catch {
    return { wrong: "is none" };
  }
  const parser = new Parser(text);
  const node = parser.alternatives();
  if (parser.isOdd) return { wrong: "has parts that have no bound, like (?=x) or \\1" };
  const compiler = new Compiler();
  compiler.add(node);
  compiler.end();
  if (compiler.isFull) return { wrong: "repeats too much" };
  return new Pattern(text, parser.atoms, compiler.program);
}

/** One that can be held against texts. */
export class Pattern {
  /** As it was written. */
  readonly source: string;
  readonly #atoms: readonly RegExp[];
  readonly #program: readonly Step[];

  constructor(source: string, atoms: readonly RegExp[], program: readonly Step[]) {
    this.source = source;
    this.#atoms = atoms;
    this.#program = program;
  }

  /** True when it is found in the text. One that is too long has none. */
  test(text: string): boolean {
    const chars = [...text];
    if (chars.length > TEXT_CHARS_MAX) return false;
    let ways: number[] = [];
    for (let at = 0; ; at++) {
      const reached = this.#reach([...ways, 0], chars, at); // It may begin anywhere.
      if (reached === "found") return true;
      const char = chars[at];
      if (char === undefined) return false;
      ways = this.#take(reached, char);
    }
  }

  toString(): string {
    return `/${this.source}/u`;
  }

  /** The steps that want a character, wherever one can go from these without taking any; or that it is found. */
  #reach(from: readonly number[], chars: readonly string[], at: number): number[] | "found" {
    const seen = new Uint8Array(this.#program.length);
    const open = [...from];
    const wanting: number[] = [];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const step = this.#program[index];
      if (!step || seen[index]) continue;
      seen[index] = 1;
      if (step.kind === "end") return "found";
      if (step.kind === "atom") wanting.push(index);
      else if (step.kind === "split") open.push(...step.to);
      else if (holds(step.what, chars, at)) open.push(index + 1);
    }
    return wanting;
  }

  /** Where those that take this character come to. Each atom is asked once. */
  #take(wanting: readonly number[], char: string): number[] {
    const taken = new Map<number, boolean>();
    return wanting.flatMap((index) => {
      const step = this.#program[index];
      if (step?.kind !== "atom") return [];
      const known = taken.get(step.atom);
      const takes = known ?? this.#atoms[step.atom]?.test(char) ?? false;
      if (known === undefined) taken.set(step.atom, takes);
      return takes ? [index + 1] : [];
    });
  }
}

const ASSERTIONS = ["^", "$", "\\b", "\\B"] as const;
type Assertion = (typeof ASSERTIONS)[number];

function holds(what: Assertion, chars: readonly string[], at: number): boolean {
  if (what === "^") return at === 0;
  if (what === "$") return at === chars.length;
  const isEdge = isWord(chars[at - 1]) !== isWord(chars[at]);
  return isEdge === (what === "\\b");
}

function isWord(char: string | undefined): boolean {
  return char !== undefined && /^\w$/u.test(char);
}

/** What a pattern is made of. */
type Node =
  | { kind: "atom"; atom: number }
  | { kind: "assertion"; what: Assertion }
  | { kind: "sequence"; of: readonly Node[] }
  | { kind: "choice"; of: readonly Node[] }
  | { kind: "repeat"; of: Node; min: number; max: number };

/** Reads one that the engine has taken, so that nothing is checked again. */
class Parser {
  /** What takes one character, as the engine has it. */
  readonly atoms: RegExp[] = [];
  /** True when something is in it that we do not do. */
  isOdd = false;
  readonly #text: string;
  readonly #known = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  alternatives(): Node {
    const of = [this.#sequence()];
    while (this.#next(/\|/y)) of.push(this.#sequence());
    return { kind: "choice", of };
  }

  #sequence(): Node {
    const of: Node[] = [];
    while (this.#at < this.#text.length && !/[|)]/.test(this.#text[this.#at] ?? ""))
      of.push(this.#repeated());
    return { kind: "sequence", of };
  }

  #repeated(): Node {
    const of = this.#one();
    const [sign, least, most] = this.#next(/(?:[*+?]|\{(\d+)(,\d*)?\})\??/y) ?? [];
    if (sign === undefined) return of;
    if (least === undefined) {
      const [min, max] = sign.startsWith("+") ? [1, Infinity] : [0, sign.startsWith("*") ? Infinity : 1];
      return { kind: "repeat", of, min, max };
    }
    const min = Number(least);
    const max = most === undefined ? min : most === "," ? Infinity : Number(most.slice(1));
    return { kind: "repeat", of, min, max };
  }

  #one(): Node {
    const what = ASSERTIONS.find((one) => this.#text.startsWith(one, this.#at));
    if (what !== undefined) {
      this.#at += what.length;
      return { kind: "assertion", what };
    }
    const [opening, kind] = this.#next(/\((\?(?:<[=!]|<[^>]*>|[^<]))?/y) ?? [];
    if (opening !== undefined) {
      this.isOdd ||= kind !== undefined && kind !== "?:" && !/^\?<[^=!]/.test(kind);
      const inside = this.alternatives();
      this.#next(/\)/y);
      return inside;
    }
    if (this.#next(/\\(?:[1-9]\d*|k<[^>]*>)/y)) {
      this.isOdd = true;
      return { kind: "sequence", of: [] };
    }
    const [atom = ""] = this.#next(ATOM) ?? [];
    return { kind: "atom", atom: this.#atom(atom) };
  }

  #atom(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    this.#known.set(text, this.atoms.length);
    this.atoms.push(new RegExp(`^(?:${text})$`, "u"));
    return this.atoms.length - 1;
  }

  /** Takes what stands here, if it is that. */
  #next(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found) this.#at = pattern.lastIndex;
    return found;
  }
}

/** A class, an escape or a character. A pair of escapes may be one character. */
const ATOM =
  /\[(?:\\.|[^\]\\])*\]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[pP]\{[^}]*\}|\\c[a-zA-Z]|\\.|[^]/uy;

/** One of a program: after an atom or an assertion that holds comes the next one. */
type Step =
  | { kind: "atom"; atom: number }
  | { kind: "assertion"; what: Assertion }
  | { kind: "split"; to: readonly number[] }
  | { kind: "end" };

class Compiler {
  readonly program: Step[] = [];

  get isFull(): boolean {
    return this.program.length > STEPS_MAX;
  }

  add(node: Node): void {
    if (this.isFull) return;
    if (node.kind === "sequence") for (const part of node.of) this.add(part);
    else if (node.kind === "choice") this.#choose(node.of);
    else if (node.kind === "repeat") this.#repeat(node);
    else this.program.push(node);
  }

  end(): void {
    this.program.push({ kind: "end" });
  }

  #choose(of: readonly Node[]): void {
    const split = this.#reserve();
    const starts: number[] = [];
    const ends: number[] = [];
    for (const one of of) {
      starts.push(this.program.length);
      this.add(one);
      ends.push(this.#reserve());
    }
    this.program[split] = { kind: "split", to: starts };
    for (const end of ends) this.program[end] = { kind: "split", to: [this.program.length] };
  }

  #repeat({ of, min, max }: Node & { kind: "repeat" }): void {
    for (let n = 0; n < min && !this.isFull; n++) this.add(of);
    if (max === Infinity) {
      const split = this.#reserve();
      this.add(of);
      this.program.push({ kind: "split", to: [split] });
      this.program[split] = { kind: "split", to: [split + 1, this.program.length] };
      return;
    }
    const splits: number[] = [];
    for (let n = min; n < max && !this.isFull; n++) {
      splits.push(this.#reserve());
      this.add(of);
    }
    for (const split of splits) this.program[split] = { kind: "split", to: [split + 1, this.program.length] };
  }

  /** A place for a step that is not known yet. */
  #reserve(): number {
    return this.program.push({ kind: "split", to: [] }) - 1;
  }
}
