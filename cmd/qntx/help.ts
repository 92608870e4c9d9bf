/** Help: what `--help` prints, made from the same definitions that the line is read by. */
import {
  type Arg,
  type ArgDefs,
  type Command,
  GLOBAL_ARGS,
  type Group,
  hintOf,
  isRequired,
  kebab,
  shortsOf,
} from "./command.ts";
import type { Out } from "./output.ts";

const LEFT_CHARS_MAX = 40; // One option that takes a dozen words would push the others off the screen.

export type Row = readonly [left: string, right: string];

/** Help for a noun: the commands under it. */
export function groupHelp(path: readonly string[], node: Group, out: Pick<Out, "paint">): string {
  const here = path.join(" ");
  const rows = Object.entries(node.nodes)
    .filter(([, child]) => !child.hidden)
    .map(([name, child]): Row => [[name, ...child.aliases].join(", "), child.summary]);
  return paragraphs([
    node.summary,
    `${out.paint("bold", "Usage:")} ${here} <command> [options]`,
    section(out, "Commands", rows),
    section(out, "Options", [...optionRows(GLOBAL_ARGS), ...(path.length === 1 ? [VERSION_ROW] : [])]),
    `Run "${here} <command> --help" for more about one of them.`,
  ]);
}

/** Help for a command: how it is called, examples, what it takes. */
export function commandHelp(
  path: readonly string[],
  summary: string,
  command: Command,
  out: Pick<Out, "paint">,
): string {
  const examples = command.examples.flatMap(({ line, why }) => [
    `  ${out.paint("dim", `# ${why}`)}`,
    `  ${line}`,
  ]);
  return paragraphs([
    summary,
    `${out.paint("bold", "Usage:")} ${usageLine(path, command.args)}`,
    command.details,
    examples.length > 0 ? `${out.paint("bold", "Examples:")}\n${examples.join("\n")}` : undefined,
    section(out, "Arguments", positionalRows(command.args)),
    section(out, "Options", optionRows(command.args)),
    section(out, "Global options", optionRows(GLOBAL_ARGS)),
  ]);
}

const VERSION_ROW: Row = ["    --version", "Show the version"];

/** How a command is called, on one line. */
export function usageLine(path: readonly string[], args: ArgDefs): string {
  const words = [...path];
  for (const [key, arg] of Object.entries(args)) {
    if (arg.type === "positional") words.push(positionalShape(key, arg));
    else if (isRequired(arg)) words.push(`--${kebab(key)} ${hintOf(key, arg)}`);
  }
  return `${words.join(" ")} [options]`;
}

function positionalShape(key: string, arg: Arg): string {
  const many = "repeat" in arg && arg.repeat === true ? "..." : "";
  const name = hintOf(key, arg) + many;
  return isRequired(arg) ? `<${name}>` : `[${name}]`;
}

/** What each positional is. */
export function positionalRows(args: ArgDefs): Row[] {
  return Object.entries(args)
    .filter(([, arg]) => arg.type === "positional")
    .map(([key, arg]) => [positionalShape(key, arg), described(arg)]);
}

/** What each option is. */
export function optionRows(args: ArgDefs): Row[] {
  return Object.entries(args)
    .filter(([, arg]) => arg.type !== "positional")
    .map(([key, arg]) => [optionShape(key, arg), described(arg)]);
}

/** `-n, --limit N`; four spaces stand where a short name is missing, so that long names line up. */
function optionShape(key: string, arg: Arg): string {
  const shorts = shortsOf(arg).map((short) => `-${short}, `);
  const off = arg.type === "boolean" && arg.default === true;
  const value = arg.type === "boolean" ? "" : ` ${hintOf(key, arg)}`;
  return `${shorts.join("") || "    "}--${off ? "no-" : ""}${kebab(key)}${value}`;
}

function described(arg: Arg): string {
  const text = (arg.type === "boolean" && arg.default === true && arg.negativeDescription) || arg.description;
  const notes = [
    arg.type !== "boolean" && arg.default !== undefined ? `(default ${arg.default})` : "",
    arg.type !== "positional" && isRequired(arg) ? "(required)" : "",
    "repeat" in arg && arg.repeat === true && arg.type !== "positional" ? "(may be repeated)" : "",
  ];
  return [text, ...notes].filter(Boolean).join(" ");
}

function section(out: Pick<Out, "paint">, title: string, rows: readonly Row[]): string | undefined {
  if (rows.length === 0) return undefined;
  const widths = rows.map(([left]) => left.length).filter((length) => length <= LEFT_CHARS_MAX);
  const width = Math.max(0, ...widths);
  const lines = rows.map(([left, right]) => {
    const isLong = left.length > width;
    return `  ${isLong ? `${left}\n  ${" ".repeat(width)}` : left.padEnd(width)}  ${right}`.trimEnd();
  });
  return `${out.paint("bold", `${title}:`)}\n${lines.join("\n")}`;
}

function paragraphs(parts: readonly (string | undefined)[]): string {
  return `${parts.filter(Boolean).join("\n\n")}\n`;
}
