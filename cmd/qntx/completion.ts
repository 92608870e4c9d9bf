/**
 * Completion: which words may come next, from the same tree that lines are read
 * by. The shells' stubs (completion-stubs.ts) call the hidden command
 * `qntx __complete SHELL -- WORDS…` at every Tab.
 *
 * A Tab must never hang or talk: live names get COMPLETE_LIMIT_MS, and whatever
 * goes wrong means that nothing is offered.
 */
import { sleep } from "../../internal/base/env.ts";
import { globalsOf, type Given } from "./argv.ts";
import {
  type Arg,
  type ArgDefs,
  type Candidate,
  childOf,
  GLOBAL_ARGS,
  type Group,
  isGroup,
  kebab,
  type Node,
  optionsOf,
  shortsOf,
} from "./command.ts";
import type { World } from "./world.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Live names that take longer than this feel like a stuck Tab. */
export const COMPLETE_LIMIT_MS = 300;

/** Tells the stub that file names may come next. No candidate begins with a colon. */
export const FILES = ":files";

/** What a shell would not need to quote. Others are not offered: the shell would run what it finds in them. */
const SAFE_WORD = /^[A-Za-z0-9_.,:@%+=/-]+$/;

/** The lines that the stub of `shell` reads: one candidate each. The last of `words` is the one being typed. */
export async function completionLines(
  tree: Group,
  world: World,
  shell: Shell,
  words: readonly string[],
): Promise<string[]> {
  const line = shell === "bash" ? gluedAgain(words) : [...words];
  const typed = line.pop() ?? "";
  const found = await candidates(tree, world, line, typed);
  const safe = found.filter(({ word }) => word === FILES || SAFE_WORD.test(word));
  return safe.map((candidate) => lineFor(shell, candidate, typed));
}

async function candidates(
  tree: Group,
  world: World,
  before: readonly string[],
  typed: string,
): Promise<readonly Candidate[]> {
  const place = await placeAfter(tree, before);
  const starting = (all: readonly Candidate[]) =>
    all.filter(({ word }) => word.startsWith(typed) || word === FILES);
  if (place.valueFor) return starting(await valuesOf(place.valueFor, world, place.given));
  const equals = place.onlyPositionals || !typed.startsWith("--") ? -1 : typed.indexOf("=");
  if (equals > 0) {
    const flag = typed.slice(0, equals);
    const arg = optionOf(place.args, flag);
    const values = arg ? await valuesOf(arg, world, place.given) : [];
    return starting(
      values.map(({ word, description }) => ({
        word: word === FILES ? FILES : `${flag}=${word}`,
        description,
      })),
    );
  }
  if (typed.startsWith("-") && !place.onlyPositionals)
    return starting(flagCandidates(place.args, place.given));
  if (isGroup(place.node)) return starting(commandsOf(place.node));
  const positionals = Object.values(place.args).filter((arg) => arg.type === "positional");
  const next = positionals[place.positionals] ?? positionals.findLast((arg) => arg.repeat === true);
  return next ? starting(await valuesOf(next, world, place.given)) : [];
}

/** Where the line stands: the node reached, and what the next word would be. */
interface Place {
  node: Node;
  args: ArgDefs;
  given: Given;
  positionals: number;
  onlyPositionals: boolean;
  /** The option that waits for its value. */
  valueFor: Arg | undefined;
}

/** Reads the finished words leniently: a wrong one is stepped over, since the line is still being written. */
async function placeAfter(tree: Group, words: readonly string[]): Promise<Place> {
  const place: Place = {
    node: tree,
    args: GLOBAL_ARGS,
    given: new Map(),
    positionals: 0,
    onlyPositionals: false,
    valueFor: undefined,
  };
  for (const word of words) await step(place, word);
  return place;
}

async function step(place: Place, word: string): Promise<void> {
  if (place.valueFor) {
    const waiting = Object.entries(place.args).find(([, arg]) => arg === place.valueFor);
    if (waiting) place.given.set(waiting[0], [word]);
    place.valueFor = undefined;
  } else if (word === "--") {
    place.onlyPositionals = true;
  } else if (!place.onlyPositionals && word.startsWith("-") && word !== "-") {
    stepOption(place, word);
  } else if (isGroup(place.node)) {
    const child = childOf(place.node, word);
    if (!child) return;
    place.node = child.node;
    if (!isGroup(child.node)) place.args = { ...(await child.node.load()).args, ...GLOBAL_ARGS };
  } else {
    place.positionals += 1;
  }
}

function stepOption(place: Place, word: string): void {
  const [flag = "", ...value] = word.split("=");
  const entry = Object.entries(place.args).find(([key, arg]) => flagsOf(key, arg).includes(flag));
  if (!entry) return;
  const [key, arg] = entry;
  if (arg.type === "boolean") place.given.set(key, [String(!flag.startsWith("--no-"))]);
  else if (value.length > 0) place.given.set(key, [value.join("=")]);
  else place.valueFor = arg;
}

function flagsOf(key: string, arg: Arg): string[] {
  if (arg.type === "positional") return [];
  const negated = arg.type === "boolean" ? [`--no-${kebab(key)}`] : [];
  return [`--${kebab(key)}`, ...negated, ...shortsOf(arg).map((short) => `-${short}`)];
}

function optionOf(args: ArgDefs, flag: string): Arg | undefined {
  return Object.entries(args).find(([key, arg]) => flagsOf(key, arg).includes(flag))?.[1];
}

function commandsOf(node: Group): Candidate[] {
  return Object.entries(node.nodes)
    .filter(([, child]) => !child.hidden)
    .map(([word, { summary }]) => ({ word, description: summary }));
}

/** Long options that may still be given. */
function flagCandidates(args: ArgDefs, given: Given): Candidate[] {
  return Object.entries(args).flatMap(([key, arg]) => {
    const again = "repeat" in arg && arg.repeat === true;
    if (arg.type === "positional" || (given.has(key) && !again)) return [];
    const off = arg.type === "boolean" && arg.default === true;
    const description = (off && arg.negativeDescription) || arg.description;
    return [{ word: `--${off ? "no-" : ""}${kebab(key)}`, description }];
  });
}

async function valuesOf(arg: Arg, world: World, given: Given): Promise<readonly Candidate[]> {
  const options = optionsOf(arg);
  if (options) return options.map((word) => ({ word }));
  if (arg.type === "boolean" || arg.type === "enum" || arg.complete === undefined) return [];
  if (arg.complete === "files") return [{ word: FILES }];
  const nothing: readonly Candidate[] = [];
  const live = arg.complete(world, globalsOf(given)).catch(() => nothing);
  const over = new AbortController();
  const limit = sleep(world.env, COMPLETE_LIMIT_MS, over.signal).then(() => nothing);
  // The timer must go when the names are there, or every Tab would wait it out.
  return Promise.race([live, limit]).finally(() => over.abort());
}

/** Bash splits words at `=` and `:`; here they become words again. */
function gluedAgain(words: readonly string[]): string[] {
  const glued: string[] = [];
  let open = false;
  for (const word of words) {
    const isBreak = word === "=" || word === ":";
    const last = glued.at(-1);
    if (last !== undefined && (isBreak || open)) glued[glued.length - 1] = last + word;
    else glued.push(word);
    open = isBreak;
  }
  return glued;
}

function lineFor(shell: Shell, { word, description = "" }: Candidate, typed: string): string {
  if (word === FILES) return FILES;
  const told = description.replace(/\s+/g, " ");
  if (shell === "fish") return `${word}\t${told}`;
  if (shell === "zsh")
    return told === "" ? word.replaceAll(":", "\\:") : `${word.replaceAll(":", "\\:")}:${told}`;
  // Bash replaces only what stands behind the last break of the typed word.
  const kept = Math.max(typed.lastIndexOf("="), typed.lastIndexOf(":")) + 1;
  return word.slice(kept);
}
