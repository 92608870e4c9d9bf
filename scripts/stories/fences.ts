/**
 * Fences: the code blocks of a Markdown page, and the story that they tell.
 *
 * A block whose info string has a file name after the language is that file. A
 * `console` block is what somebody types after `$ ` and what a terminal of a
 * hundred columns shows then; `…` stands for anything, alone on a line for any
 * lines.
 */

export interface Fence {
  lang: string;
  /** The file that it is; null for a block that is only shown. */
  file: string | null;
  /** Line of the page on which its text begins, from 1. */
  line: number;
  text: string;
}

/** One thing that a reader does. */
export type Step =
  | { kind: "file"; path: string; text: string }
  | { kind: "command"; line: number; command: string; expected: string[] };

/** The code blocks of a page, in order. */
export function fencesOf(markdown: string): Fence[] {
  const lines = markdown.split("\n");
  const fences: Fence[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent = "", ticks = "", info = ""] = /^( *)(`{3,})(.*)$/.exec(lines[at] ?? "") ?? [];
    if (ticks === "") continue;
    const end = lines.findIndex((line, index) => index > at && line.trim() === ticks);
    if (end < 0) throw new Error(`The block that begins on line ${at + 1} has no end.`);
    const [lang = "", file = null] = info.trim().split(/\s+/);
    const text = lines.slice(at + 1, end).map((line) => line.replace(indent, ""));
    fences.push({ lang, file, line: at + 2, text: text.map((line) => `${line}\n`).join("") });
    at = end;
  }
  return fences;
}

/** What a reader of the page does, from top to bottom. */
export function storyOf(fences: readonly Fence[]): Step[] {
  return fences.flatMap((fence): Step[] => {
    if (fence.file !== null) return [{ kind: "file", path: fence.file, text: fence.text }];
    return fence.lang === "console" ? commandsOf(fence) : [];
  });
}

function commandsOf({ text, line }: Fence): Step[] {
  const steps: Extract<Step, { kind: "command" }>[] = [];
  let open = false; // The last line of a command ended with a backslash.
  for (const [index, shown] of text.trimEnd().split("\n").entries()) {
    const step = steps.at(-1);
    if (open && step) step.command += `\n${shown}`;
    else if (shown.startsWith("$ "))
      steps.push({ kind: "command", line: line + index, command: shown.slice(2), expected: [] });
    else if (step) step.expected.push(shown);
    else throw new Error(`Line ${line + index} shows an answer before anything was asked.`);
    open = (open || shown.startsWith("$ ")) && shown.endsWith("\\");
  }
  return steps;
}
