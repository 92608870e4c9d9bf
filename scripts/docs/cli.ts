/** Cli: the parts of docs/cli.md that are made: exit codes, global options, and every command of the tree. */
import { type Command, GLOBAL_ARGS, type Group, isGroup, type Leaf } from "../../cmd/qntx/command.ts";
import { EXIT_MEANINGS } from "../../cmd/qntx/exit.ts";
import { optionRows, positionalRows, type Row, usageLine } from "../../cmd/qntx/help.ts";
import { tree } from "../../cmd/qntx/tree.ts";
import { block, code, paragraphs, table } from "./markdown.ts";

/** The made parts, by the name that the page calls them. */
export async function cliParts(): Promise<Record<string, string>> {
  return {
    "exit codes": table(
      ["code", "meaning"],
      EXIT_MEANINGS.map(([exit, meaning]) => [String(exit), meaning]),
    ),
    "global options": optionTable("option", optionRows(GLOBAL_ARGS)),
    commands: await groupPart(["qntx"], tree),
  };
}

async function groupPart(path: readonly string[], group: Group): Promise<string> {
  const shown = Object.entries(group.nodes).filter(([, node]) => !node.hidden);
  const parts = shown.map(async ([name, node]) => {
    const here = [...path, name];
    if (!isGroup(node)) return leafPart(here, node);
    const heading = `## ${here.join(" ")}`;
    const aliases = node.aliases.map((alias) => code([...path, alias].join(" "))).join(", ");
    const summary = aliases === "" ? `${node.summary}.` : `${node.summary}. Also ${aliases}.`;
    return paragraphs([heading, summary, await groupPart(here, node)]);
  });
  return paragraphs(await Promise.all(parts));
}

async function leafPart(path: readonly string[], leaf: Leaf): Promise<string> {
  const command = await leaf.load();
  return paragraphs([
    `${"#".repeat(path.length)} ${path.join(" ")}`,
    `${leaf.summary}.`,
    block("text", usageLine(path, command.args)),
    command.details?.replaceAll("\n", " "),
    optionTable("argument", positionalRows(command.args)),
    optionTable("option", optionRows(command.args)),
    examplesPart(command),
  ]);
}

function optionTable(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  return table(
    [title, ""],
    rows.map(([left, right]) => [code(left.trim()), right]),
  );
}

function examplesPart({ examples }: Command): string {
  if (examples.length === 0) return "";
  return block("sh", examples.map(({ line, why }) => `# ${why}\n${line}`).join("\n"));
}
