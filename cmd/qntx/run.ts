/**
 * Run: one command line from its words to its exit code. Whatever is thrown on
 * the way is printed here and nowhere else.
 */
import { Fault } from "../../internal/base/fault.ts";
import { VERSION } from "../../internal/base/version.ts";
import { globalsOf, mentions, readValues, type Route, routeOf } from "./argv.ts";
import { type Group, isGroup, type Node } from "./command.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit.ts";
import { withOptionNames } from "./option-names.ts";
import { createOut, type Out } from "./output.ts";
import type { World } from "./world.ts";

/** What the program is called in usage lines and messages. */
export const PROGRAM = "qntx";

/** Does what the line says. Never rejects: a failure is printed and becomes an exit code. */
export async function run(tree: Group, world: World): Promise<ExitCode> {
  // Mistakes in the line itself must come as JSON too, so these are looked for before it is read.
  const out = createOut(world, {
    json: mentions(world.argv, "--json", "--json=true"),
    quiet: mentions(world.argv, "--quiet", "-q"),
    color: !mentions(world.argv, "--no-color", "--color=false"),
  });
  try {
    return (await runLine(tree, world, out)) ?? EXIT.ok;
  } catch (error) {
    out.fail(error);
    return exitCodeOf(error);
  }
}

async function runLine(tree: Group, world: World, out: Out): Promise<ExitCode | void> {
  const { argv } = world;
  if (argv[0] === "help" || mentions(argv, "--help", "-h")) return showHelp(tree, world, out);
  if (argv[0] === "--version") return out.data({ version: VERSION }, VERSION);

  const route = routeOf(tree, PROGRAM, argv);
  if (isGroup(route.node)) return showMissingCommand(route, route.node, world, out);
  const command = await route.node.load();
  const { values, globals } = await readValues(route, command.args, world);
  if (globals.help) return showHelp(tree, world, out); // It was hidden among short options: -qh.
  try {
    return await command.run(values, { globals, out: createOut(world, globals), world });
  } catch (error) {
    throw withOptionNames(error, command.args);
  }
}

/** `qntx help schedule pause` and `qntx schedule pause --help` are the same. */
async function showHelp(tree: Group, world: World, out: Out): Promise<void> {
  const words = world.argv[0] === "help" ? world.argv.slice(1) : world.argv;
  const { path, node } = routeOf(tree, PROGRAM, words);
  world.stdout.write(await helpOf(path, node, out));
}

/** A noun alone does nothing: its help goes to stderr, because nobody asked for it. */
async function showMissingCommand(
  { path, given }: Route,
  node: Group,
  world: World,
  out: Out,
): Promise<ExitCode> {
  if (globalsOf(given).json) {
    throw new Fault("usage", `"${path.join(" ")}" needs a command.`, {
      hint: `Run "${path.join(" ")} --help" to see the commands.`,
    });
  }
  world.stderr.write(await helpOf(path, node, out));
  return EXIT.usage;
}

async function helpOf(path: readonly string[], node: Node, out: Out): Promise<string> {
  const { commandHelp, groupHelp } = await import("./help.ts");
  return isGroup(node) ? groupHelp(path, node, out) : commandHelp(path, node.summary, await node.load(), out);
}
