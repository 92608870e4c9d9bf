/**
 * Output: the two streams of a command. Data goes to stdout and nothing else
 * does; talk, questions and errors go to stderr. With `--json`, data is one
 * object a line and so is an error.
 *
 * Never console.log for data: Bun's does not notice a closed pipe, so that
 * `qntx … | head -1` would run for ever. `write` here ends in
 * process.stdout.write, whose EPIPE main.ts turns into a quiet end.
 */
import type { Env, Millis } from "../../internal/base/env.ts";
import { Fault, type FaultShape, messageOf, shapeOf } from "../../internal/base/fault.ts";
import { formatInstant } from "../../internal/base/instant.ts";
import { Interrupted } from "./exit.ts";
import { type Column, layTable, relativeTime } from "./layout.ts";
import type { World } from "./world.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Out {
  readonly json: boolean;
  /** True when a person reads stdout. */
  readonly terminal: boolean;
  /** Prints one answer: `value` as a line of JSON with --json, else `text`. Once, or once per event when following. */
  data(value: unknown, text: string | (() => string)): void;
  /** Says what was done or what is going on. Silent with --quiet. */
  say(text: string): void;
  /** Says what the person should know although it worked. */
  warn(text: string): void;
  /** Columns lined up; the last one is cut to a terminal's width. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): string;
  /** An instant: "in 3 min" on a terminal, ISO elsewhere, "-" for none. */
  when(at: Millis | null): string;
  /** Colours text for stdout, where colours are wanted. */
  paint(style: Style, text: string): string;
  /** Asks before something is destroyed. Throws unless the answer is yes; where nobody can be asked, `yes` must be true. */
  confirm(question: string, yes: boolean): Promise<void>;
  /** Asks whether something shall be done as well; false where nobody can be asked. */
  agrees(question: string): Promise<boolean>;
  /** Prints what was thrown: a Fault in words, anything else whole. */
  fail(error: unknown): void;
}

export interface OutOptions {
  json: boolean;
  quiet: boolean;
  color: boolean;
}

const ESCAPES: Record<Style, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Makes the output of one command. */
export function createOut(world: World, { json, quiet, color }: OutOptions): Out {
  const { stdout, stderr, env, vars } = world;
  const wanted = color && !vars["NO_COLOR"] && vars["TERM"] !== "dumb";
  const painter = (on: boolean) => (style: Style, text: string) =>
    on && wanted ? `\x1b[${ESCAPES[style][0]}m${text}\x1b[${ESCAPES[style][1]}m` : text;
  const paint = painter(stdout.terminal && !json);
  const paintTalk = painter(stderr.terminal);
  return {
    json,
    terminal: stdout.terminal,
    paint,
    data(value, text) {
      if (json) return stdout.write(withNewline(JSON.stringify(value)));
      const said = typeof text === "string" ? text : text();
      stdout.write(withNewline(stdout.terminal ? tamed(said) : said));
    },
    say(text) {
      if (!quiet) stderr.write(withNewline(tamed(text)));
    },
    warn(text) {
      stderr.write(`${paintTalk("yellow", "qntx: warning:")} ${withNewline(tamed(text))}`);
    },
    table(columns, rows) {
      const width = stdout.terminal ? stdout.columns : Number.POSITIVE_INFINITY;
      return layTable(columns, rows, { width, head: (title) => paint("dim", title) });
    },
    when: (at) => whenText(env, at, stdout.terminal && !json),
    confirm: (question, yes) => confirm(world, question, { yes, mayAsk: !json }),
    agrees: async (question) => !json && isAttended(world) && (await asked(question)),
    fail(error) {
      if (error instanceof Interrupted) return;
      stderr.write(
        json ? `${JSON.stringify({ error: errorOf(error) })}\n` : tamed(errorText(error, paintTalk)),
      );
    },
  };
}

/** What an error is in JSON; also the shape of the HTTP API's. */
export function errorOf(error: unknown): FaultShape {
  if (error instanceof Fault) return shapeOf(error);
  return { code: "internal", message: messageOf(error), hint: null, fields: [] };
}

const MARGIN = " ".repeat("qntx: ".length);

function errorText(error: unknown, paint: Out["paint"]): string {
  const name = paint("red", "qntx:");
  if (!(error instanceof Fault)) {
    const whole = error instanceof Error ? Bun.inspect(error) : String(error);
    return `${name} This is a mistake in qntx itself, not in what you wrote.\n${withNewline(whole)}`;
  }
  const lines = [`${name} ${hanging(error.message)}`];
  if (error.fields.length > 1) {
    for (const { field, message } of error.fields) lines.push(`${MARGIN}${field}: ${hanging(message)}`);
  }
  if (error.hint) lines.push(MARGIN + hanging(error.hint));
  return `${lines.join("\n")}\n`;
}

/** What plugins and others wrote must not drive the terminal: of its controls only line breaks, tabs and colours are left. */
function tamed(text: string): string {
  // oxlint-disable-next-line no-control-regex -- They are what this is about.
  const control = /\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
  return text.replace(control, (match) => (match.length > 1 ? match : " "));
}

function hanging(text: string): string {
  return text.replaceAll("\n", `\n${MARGIN}`);
}

function withNewline(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function whenText(env: Env, at: Millis | null, relative: boolean): string {
  if (at === null) return "-";
  return relative ? relativeTime(at, env.now()) : formatInstant(at);
}

async function confirm(
  world: World,
  question: string,
  { yes, mayAsk }: { yes: boolean; mayAsk: boolean },
): Promise<void> {
  if (yes) return;
  if (!mayAsk || !isAttended(world)) {
    throw new Fault("usage", `${question} There is nobody here to ask.`, { hint: "Add --yes to go ahead." });
  }
  if (!(await asked(question))) throw new Fault("failed", "Nothing was done.");
}

/** consola draws its prompts on stdout, so both ends must be a person's. */
function isAttended({ stdin, stdout }: World): boolean {
  return stdin.terminal && stdout.terminal;
}

async function asked(question: string): Promise<boolean> {
  const { consola } = await import("consola");
  const answer = await consola.prompt(question, { type: "confirm", initial: false, cancel: "null" });
  if (answer === null) throw new Interrupted();
  return answer;
}
