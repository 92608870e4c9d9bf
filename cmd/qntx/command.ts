/**
 * Command: the words in which the commands of qntx are written down.
 *
 * The tree is citty's (`defineCommand`, its metadata and argument definitions),
 * so that whatever can read a citty tree can read ours. It is not run by citty,
 * which swallows unknown options, loses global ones and exits 0 on `toString`:
 * argv.ts and run.ts do that, strictly.
 *
 * A leaf of the tree is a line with a summary and a function that loads the
 * file; help and completion of its neighbours never load it.
 */
import {
  type ArgsDef,
  type BooleanArgDef,
  type CommandDef,
  defineCommand,
  type EnumArgDef,
  type PositionalArgDef,
  type StringArgDef,
} from "citty";
import { assert } from "../../internal/base/fault.ts";
import type { ExitCode } from "./exit.ts";
import type { Out } from "./output.ts";
import type { World } from "./world.ts";

/** Reads one value. `name` is how the person wrote it (`--in`, `ID`), for the Fault. */
export type Parse<T> = (text: string, name: string, world: World) => T | Promise<T>;

/** A word that completion offers, and what it says beside it. */
export interface Candidate {
  word: string;
  description?: string | undefined;
}

/** Finds live names for completion. It has COMPLETE_LIMIT_MS; failing means no names. */
export type Complete = (world: World, globals: Globals) => Promise<readonly Candidate[]>;

interface Extra {
  /** What the value becomes; text without it. */
  parse?: Parse<unknown>;
  /** May be given several times; the value is a list, empty when never given. */
  repeat?: boolean;
  /** What operations call it, where that is not the key: a Fault about that field then names this option. */
  field?: string;
  complete?: "files" | Complete;
}

export type FlagArg = BooleanArgDef & { type: "boolean" };
export type TextArg = StringArgDef & { type: "string" } & Extra;
export type ChoiceArg = EnumArgDef & { type: "enum"; options: string[]; repeat?: boolean };
/** `options`, which citty has no place for here, are the words it may be. */
export type PositionalArg = PositionalArgDef & { type: "positional"; options?: string[] } & Extra;
export type Arg = FlagArg | TextArg | ChoiceArg | PositionalArg;
/** Keys are camelCase; on the command line `ifExists` is `--if-exists`. */
export type ArgDefs = Record<string, Arg>;

type ValueOf<A> = A extends { parse: Parse<infer T> }
  ? Awaited<T>
  : A extends { options: readonly (infer O)[] }
    ? O
    : string;

type IsGiven<A> = A extends { default: string }
  ? true
  : A extends { required: true }
    ? true
    : A extends { required: false }
      ? false
      : A extends { type: "positional" }
        ? true
        : false;

/** What a command's body gets for its definitions. */
export type ArgsOf<D extends ArgDefs> = {
  [K in keyof D]: D[K] extends { type: "boolean" }
    ? boolean
    : D[K] extends { repeat: true }
      ? ValueOf<D[K]>[]
      : IsGiven<D[K]> extends true
        ? ValueOf<D[K]>
        : ValueOf<D[K]> | undefined;
};

/** Options that every command takes, anywhere on the line. */
export const GLOBAL_ARGS = {
  json: { type: "boolean", description: "Print data, and errors, as JSON" },
  quiet: { type: "boolean", alias: "q", description: "Print data and errors, nothing else" },
  color: { type: "boolean", default: true, negativeDescription: "Print without colours" },
  home: {
    type: "string",
    valueHint: "DIR",
    description: "Data folder (default ~/.qntx)",
    complete: "files",
  },
  config: {
    type: "string",
    valueHint: "FILE",
    description: "Read this file instead of qntx.toml",
    complete: "files",
  },
  server: { type: "string", valueHint: "URL", description: "Talk to the host at this address" },
  help: { type: "boolean", alias: "h", description: "Show help" },
} as const satisfies ArgDefs;

export type Globals = ArgsOf<typeof GLOBAL_ARGS>;

export interface Context<D extends ArgDefs> {
  args: ArgsOf<D>;
  globals: Globals;
  out: Out;
  world: World;
}

export interface Example {
  /** The whole line, as it would be typed. */
  line: string;
  /** What it is for. */
  why: string;
}

export interface Definition<D extends ArgDefs> {
  args?: D;
  /** More than the one-line summary in the tree, where that is needed. */
  details?: string;
  examples?: readonly Example[];
  /** Does the work. Returns an exit code when that is not 0. */
  run(context: Context<D>): Promise<ExitCode | void>;
}

/** A loaded command: its types are folded away, so that all commands have one. */
export interface Command {
  readonly args: ArgDefs;
  readonly details: string | undefined;
  readonly examples: readonly Example[];
  run(values: Record<string, unknown>, context: Omit<Context<ArgDefs>, "args">): Promise<ExitCode | void>;
}

/** Defines what one command takes and does. Its name and summary stand in tree.ts. */
export function command<const D extends ArgDefs>(definition: Definition<D>): Command {
  const args: ArgDefs = definition.args ?? {};
  for (const key of Object.keys(args)) {
    assert(!Object.hasOwn(GLOBAL_ARGS, key), `option ${key} is not one of the global options`);
  }
  return {
    args,
    details: definition.details,
    examples: definition.examples ?? [],
    // readValues has just made these values from these definitions.
    run: (values, context) => definition.run({ ...context, args: values as ArgsOf<D> }),
  };
}

/** A command in the tree: what is known without loading its file, and how to load it. */
export interface Leaf extends CommandDef {
  readonly summary: string;
  readonly hidden: boolean;
  readonly aliases: readonly string[];
  load(): Promise<Command>;
}

/** A noun: commands under one word. It never runs itself. */
export interface Group extends CommandDef {
  readonly summary: string;
  readonly hidden: boolean;
  readonly aliases: readonly string[];
  readonly nodes: Readonly<Record<string, Node>>;
}

export type Node = Leaf | Group;

interface NodeOptions {
  /** Works, but is not shown. */
  hidden?: boolean;
  aliases?: string[];
}

/** A line of the tree: the summary for help, and the file that is loaded when the command is used. */
export function lazy(
  summary: string,
  load: () => Promise<Command>,
  { hidden = false, aliases = [] }: NodeOptions = {},
): Leaf {
  const definition = defineCommand<ArgsDef>({
    meta: { description: summary, hidden, alias: aliases },
    args: async () => (await load()).args,
  });
  return { ...definition, summary, hidden, aliases, load };
}

/** A noun of the tree with the commands under it, in the order that help shows them. */
export function group(
  summary: string,
  nodes: Readonly<Record<string, Node>>,
  { hidden = false, aliases = [] }: NodeOptions = {},
): Group {
  const definition = defineCommand<ArgsDef>({
    meta: { description: summary, hidden, alias: aliases },
    subCommands: { ...nodes },
  });
  return { ...definition, summary, hidden, aliases, nodes };
}

/** True for a noun, false for a command. */
export function isGroup(node: Node): node is Group {
  return "nodes" in node;
}

/** Finds a command by name or alias. Safe for words such as `toString`. */
export function childOf(parent: Group, word: string): { name: string; node: Node } | undefined {
  const named = Object.hasOwn(parent.nodes, word) ? parent.nodes[word] : undefined;
  if (named) return { name: word, node: named };
  const entry = Object.entries(parent.nodes).find(([, node]) => node.aliases.includes(word));
  return entry && { name: entry[0], node: entry[1] };
}

/** How a definition's key is written on the command line: `ifExists` → `if-exists`. */
export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** How a value is shown in help: its hint, the words it may be, or the key in capitals. */
export function hintOf(key: string, arg: Arg): string {
  return arg.valueHint ?? optionsOf(arg)?.join("|") ?? kebab(key).toUpperCase();
}

/** What a message calls it: `--limit`, or a positional's name in capitals. */
export function nameOf(key: string, arg: Arg): string {
  return arg.type === "positional" ? (arg.valueHint ?? kebab(key).toUpperCase()) : `--${kebab(key)}`;
}

/** The words that a value is limited to, if it is. */
export function optionsOf(arg: Arg): readonly string[] | undefined {
  return arg.type === "enum" || arg.type === "positional" ? arg.options : undefined;
}

/** True when the line must have it. A positional must be given unless it says otherwise, as in citty. */
export function isRequired(arg: Arg): boolean {
  if (arg.default !== undefined) return false;
  return arg.required ?? arg.type === "positional";
}

/** One-letter names of an option. */
export function shortsOf(arg: Arg): readonly string[] {
  if (arg.type === "positional" || arg.alias === undefined) return [];
  return Array.isArray(arg.alias) ? arg.alias : [arg.alias];
}

/** The option by which a command that destroys something is told not to ask. Give it to `out.confirm`. */
export const yesArg = {
  type: "boolean",
  alias: "y",
  description: "Do not ask",
} as const satisfies FlagArg;
