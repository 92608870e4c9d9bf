/**
 * Argv: from the words on the command line to a command and its values.
 *
 * Strict: an unknown option, a word too many, an option twice or without its
 * value is a Fault that names it and says what was probably meant. Global
 * options are taken anywhere. After `--` nothing is an option. `-5` and `-` are
 * values, so that negative numbers and "standard input" can be written.
 */
import { Fault, fieldFault, shown } from "../../internal/base/fault.ts";
import { nearest } from "../../internal/base/suggest.ts";
import {
  type Arg,
  type ArgDefs,
  childOf,
  GLOBAL_ARGS,
  type Globals,
  type Group,
  hintOf,
  isGroup,
  isRequired,
  kebab,
  nameOf,
  type Node,
  optionsOf,
  shortsOf,
} from "./command.ts";
import type { World } from "./world.ts";

/** How far the words led: a command or, when they ended early, a noun. */
export interface Route {
  /** Full names from `qntx` on, aliases replaced. */
  path: readonly string[];
  node: Node;
  /** The words behind the command. */
  rest: readonly string[];
  /** Global options that stood before it. */
  given: Given;
}

/** Texts by key, in the order they were given. */
export type Given = Map<string, string[]>;

/** Follows the words down the tree. Throws a Fault for a word that leads nowhere. */
export function routeOf(tree: Group, name: string, argv: readonly string[]): Route {
  const given: Given = new Map();
  const path = [name];
  let node: Node = tree;
  let rest = argv;
  while (isGroup(node)) {
    const scan = new Scan(GLOBAL_ARGS, given);
    rest = scan.untilPositional(rest);
    const word = rest[0];
    if (word === undefined) break;
    const child = childOf(node, word);
    if (!child) throw unknownCommand(path, node, word);
    path.push(child.name);
    node = child.node;
    rest = rest.slice(1);
  }
  return { path, node, rest, given };
}

/** Reads the words behind a command. Returns its values and the global ones. */
export async function readValues(
  { path, rest, given }: Route,
  args: ArgDefs,
  world: World,
): Promise<{ values: Record<string, unknown>; globals: Globals }> {
  const scan = new Scan({ ...args, ...GLOBAL_ARGS }, given);
  scan.all(rest);
  spreadPositionals(args, scan.positionals, given, path);
  const values: Record<string, unknown> = {};
  for (const [key, arg] of Object.entries(args)) {
    values[key] = await valueOf(key, arg, given.get(key) ?? [], world);
  }
  return { values, globals: globalsOf(given) };
}

/** The global options among what was given. */
export function globalsOf(given: Given): Globals {
  const text = (key: keyof typeof GLOBAL_ARGS) => given.get(key)?.[0];
  return {
    json: text("json") === "true",
    quiet: text("quiet") === "true",
    color: text("color") !== "false",
    home: text("home"),
    config: text("config"),
    server: text("server"),
    help: text("help") === "true",
  };
}

/** True when one of the words asks for this before `--`. Good enough where the line may be wrong elsewhere. */
export function mentions(argv: readonly string[], ...flags: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? undefined : end).some((word) => flags.includes(word));
}

/** Splits words into options and positionals, knowing which options take a value. */
class Scan {
  readonly positionals: string[] = [];
  readonly #args: ArgDefs;
  readonly #given: Given;
  readonly #byFlag = new Map<string, string>();

  constructor(args: ArgDefs, given: Given) {
    this.#args = args;
    this.#given = given;
    for (const [key, arg] of Object.entries(args)) {
      if (arg.type === "positional") continue;
      this.#byFlag.set(`--${kebab(key)}`, key);
      if (arg.type === "boolean") this.#byFlag.set(`--no-${kebab(key)}`, key);
      for (const short of shortsOf(arg)) this.#byFlag.set(`-${short}`, key);
    }
  }

  /** Takes options until the first word that is none; returns what is left from that word on. */
  untilPositional(words: readonly string[]): readonly string[] {
    let at = 0;
    for (let word = words[at]; word !== undefined && isOption(word); word = words[at]) {
      at += this.#takeOption(words, at);
    }
    return words[at] === "--" ? words.slice(at + 1) : words.slice(at);
  }

  /** Takes everything. */
  all(words: readonly string[]): void {
    for (let at = 0; at < words.length;) {
      const word = words[at] ?? "";
      if (word === "--") return void this.positionals.push(...words.slice(at + 1));
      if (isOption(word)) at += this.#takeOption(words, at);
      else this.positionals.push(words[at++] ?? "");
    }
  }

  /** Takes the option at `at`; returns how many words it had. */
  #takeOption(words: readonly string[], at: number): number {
    const [flag, inline] = splitOption(words[at] ?? "");
    const key = this.#byFlag.get(flag);
    const arg = key === undefined ? undefined : this.#args[key];
    if (key === undefined || arg === undefined) {
      if (/^-[^-]{2,}/.test(flag)) return this.#takeShorts(words, at);
      throw this.#unknown(flag);
    }
    if (arg.type === "boolean") return this.#takeFlag(key, flag, inline);
    const value = inline ?? words[at + 1];
    if (value === undefined || (inline === undefined && isOption(value)))
      throw missingValue(flag, key, arg, value);
    this.#put(key, arg, flag, value);
    return inline === undefined ? 2 : 1;
  }

  /** `-fn5` is `-f -n 5`. */
  #takeShorts(words: readonly string[], at: number): number {
    const word = words[at] ?? "";
    const flag = word.slice(0, 2);
    const key = this.#byFlag.get(flag);
    const arg = key === undefined ? undefined : this.#args[key];
    if (key === undefined || arg === undefined) throw this.#unknown(word);
    if (arg.type !== "boolean") {
      this.#put(key, arg, flag, word.slice(2));
      return 1;
    }
    this.#takeFlag(key, flag, undefined);
    return this.#takeOption([...words.slice(0, at), `-${word.slice(2)}`, ...words.slice(at + 1)], at);
  }

  #takeFlag(key: string, flag: string, inline: string | undefined): number {
    if (inline !== undefined && inline !== "true" && inline !== "false") {
      throw new Fault("usage", `${flag} is either on or off, not ${shown(inline)}.`, {
        hint: `Write ${flag}, or leave it out.`,
      });
    }
    const negated = flag === `--no-${kebab(key)}`;
    this.#given.set(key, [String(negated === (inline === "false"))]);
    return 1;
  }

  #put(key: string, arg: Arg, flag: string, value: string): void {
    const texts = this.#given.get(key) ?? [];
    const repeats = "repeat" in arg && arg.repeat === true;
    if (texts.length > 0 && !repeats) {
      throw new Fault("usage", `${flag} is given twice; it takes one value.`, {
        hint: "Leave one of them out.",
      });
    }
    this.#given.set(key, [...texts, value]);
  }

  /** The option of what documents and operations call so: `--timezone` is `--tz`. */
  #ofField(flag: string): string | undefined {
    const found = Object.entries(this.#args).find(
      ([, arg]) => "field" in arg && arg.field !== undefined && flag === `--${kebab(arg.field)}`,
    );
    return found && `--${kebab(found[0])}`;
  }

  #unknown(flag: string): Fault {
    const meant = this.#ofField(flag) ?? nearest(flag, this.#byFlag.keys());
    const help = "Add --help to see the options.";
    return new Fault("usage", `There is no option ${flag}.`, {
      hint: meant === undefined ? help : `Did you mean ${meant}? ${help}`,
    });
  }
}

function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "-" && word !== "--" && !/^-\d/.test(word);
}

function splitOption(word: string): [flag: string, inline: string | undefined] {
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function missingValue(flag: string, key: string, arg: Arg, next: string | undefined): Fault {
  const hint = `Write ${flag} ${hintOf(key, arg)}`;
  return new Fault("usage", `${flag} needs a value.`, {
    hint: next === undefined ? `${hint}.` : `${hint}; where the value begins with a dash, ${flag}=${next}.`,
  });
}

function unknownCommand(path: readonly string[], parent: Group, word: string): Fault {
  const here = path.join(" ");
  const visible = Object.entries(parent.nodes).filter(([, node]) => !node.hidden);
  const meant = nearest(
    word,
    visible.flatMap(([name, node]) => [name, ...node.aliases]),
  );
  return new Fault("usage", `There is no command ${shown(word)} in "${here}".`, {
    hint:
      meant === undefined ? `Run "${here} --help" to see the commands.` : `Did you mean "${here} ${meant}"?`,
  });
}

/** Gives positionals their keys, in the order of the definitions; the last may take many. */
function spreadPositionals(
  args: ArgDefs,
  words: readonly string[],
  given: Given,
  path: readonly string[],
): void {
  let left = [...words];
  for (const [key, arg] of Object.entries(args)) {
    if (arg.type !== "positional" || left.length === 0) continue;
    const count = arg.repeat === true ? left.length : 1;
    given.set(key, left.slice(0, count));
    left = left.slice(count);
  }
  const extra = left[0];
  if (extra === undefined) return;
  throw new Fault("usage", `${shown(extra)} is one word too many for "${path.join(" ")}".`, {
    hint: "Add --help to see what it takes; a value with spaces needs quotes.",
  });
}

async function valueOf(key: string, arg: Arg, texts: readonly string[], world: World): Promise<unknown> {
  if (arg.type === "boolean") return (texts[0] ?? String(arg.default ?? false)) === "true";
  const name = nameOf(key, arg);
  const all = texts.length === 0 && arg.default !== undefined ? [arg.default] : texts;
  if (all.length === 0 && isRequired(arg)) {
    throw new Fault("usage", `${name} is missing.`, { hint: "Add --help to see what the command takes." });
  }
  const values: unknown[] = [];
  for (const text of all) values.push(await parseOne(text, name, arg, world));
  return "repeat" in arg && arg.repeat === true ? values : values[0];
}

async function parseOne(
  text: string,
  name: string,
  arg: Exclude<Arg, { type: "boolean" }>,
  world: World,
): Promise<unknown> {
  const options = optionsOf(arg);
  if (options && !options.includes(text)) throw notAnOption(text, name, options);
  return arg.type !== "enum" && arg.parse ? await arg.parse(text, name, world) : text;
}

function notAnOption(text: string, name: string, options: readonly string[]): Fault {
  const meant = nearest(text, options);
  return fieldFault(
    name,
    `${shown(text)} is not one of ${options.join(", ")}.`,
    meant === undefined ? undefined : `Did you mean ${meant}?`,
  );
}
