/**
 * Docs: what the pages say is true. Their commands are typed into a real
 * terminal against a real host and their files are used (stories/), their links
 * lead somewhere, their limits are those of the code, and every command and
 * option that they name exists.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { routeOf } from "../cmd/qntx/argv.ts";
import { type Command, GLOBAL_ARGS, isGroup, kebab } from "../cmd/qntx/command.ts";
import { tree } from "../cmd/qntx/tree.ts";
import { formatDuration } from "../internal/base/duration.ts";
import { messageOf } from "../internal/base/fault.ts";
import { EVENT_KINDS } from "../internal/event/event.ts";
import { ROOT } from "./steps.ts";
import { type Fence, fencesOf, storyOf } from "./stories/fences.ts";
import { Terminal } from "./stories/terminal.ts";

const STORY_LIMIT_MS = 300_000; // A story starts hosts and waits for schedules; alone it takes some seconds.

const texts = new Map(markdownFiles().map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));
const pages = [...texts.keys()].filter((path) => path === "README.md" || path.startsWith("docs/"));
const fences = new Map(pages.map((page) => [page, fencesOf(textOf(page))]));

describe("what a reader does", () => {
  const stories = pages.filter((page) => storyOf(fencesIn(page)).length > 0);
  test.each(stories)(
    "%s",
    async (page) => {
      await using terminal = new Terminal();
      for (const step of storyOf(fencesIn(page))) await terminal.do(step);
    },
    STORY_LIMIT_MS,
  );

  test("files are part of a story that uses them", () => {
    const idle = pages.filter(
      (page) =>
        fencesIn(page).some(({ file }) => file !== null) &&
        !fencesIn(page).some(({ lang }) => lang === "console"),
    );
    expect(idle, "Show with a console block what becomes of the file.").toEqual([]);
  });
});

describe("links lead somewhere", () => {
  test.each([...texts.keys()])("%s", (path) => {
    const dead = linksOf(textOf(path)).filter((target) => !leadsSomewhere(path, target));
    expect(dead).toEqual([]);
  });
});

describe("blocks are what they say", () => {
  const checked = pages.flatMap((page) => fencesIn(page).map((fence) => ({ page, ...fence })));
  const parsed = checked.filter(({ lang }) => lang in PARSERS);
  test.each(parsed.map((fence) => [`${fence.page}:${fence.line} is ${fence.lang}`, fence] as const))(
    "%s",
    (_, fence) => {
      expect(PARSERS[fence.lang]?.(fence.text)).toBe("");
    },
  );

  test("and say what they are", () => {
    const nameless = checked.filter(({ lang }) => lang === "").map(({ page, line }) => `${page}:${line}`);
    expect(nameless, "Name the language; ``` text for none.").toEqual([]);
  });
});

/** What is wrong with a text of this language; empty when nothing is. */
const PARSERS: Record<string, (text: string) => string> = {
  ts: (text) => said(() => new Bun.Transpiler({ loader: "ts" }).transformSync(text)),
  json: (text) => said(() => JSON.parse(text)),
  toml: (text) => said(() => Bun.TOML.parse(text)),
  sh: (text) => complaintOf(["bash", "-n"], text),
  python: (text) => complaintOf(["python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())"], text),
};

describe("commands exist", () => {
  test.each(pages)("%s", async (page) => {
    const wrong = await Promise.all(commandsOf(page).map(wrongIn));
    expect(wrong.filter((sentence) => sentence !== "")).toEqual([]);
  });
});

describe("limits are those of the code", () => {
  const ROW = /^\| \[`(\w+)`\]\(([^)]+)\)\s*\| ([^|]+?)\s*\|/;
  const rows = textOf("docs/operating.md")
    .split("\n")
    .flatMap((line) => {
      const [, name = "", path = "", value = ""] = ROW.exec(line) ?? [];
      return name === "" ? [] : [{ name, path: normalize(join("docs", path)), value }];
    });

  test.each(rows)("$name is $value", ({ name, path, value }) => {
    expect(value).toBe(shownLimit(name, limitIn(path, name)));
  });

  test("there are some", () => {
    expect(rows.length).toBeGreaterThan(30);
  });
});

test("every kind of event has its row, with its sentence", () => {
  const rows = new Map(
    [...textOf("docs/events.md").matchAll(/^\| `([\w.-]+)`\s*\| (.+?)\s*\|$/gm)].map(
      ([, kind = "", sentence = ""]) => [kind, sentence] as const,
    ),
  );
  const told = Object.keys(EVENT_KINDS).map((kind) => [kind, rows.get(kind)]);
  expect(told).toEqual(Object.entries(EVENT_KINDS));
});

function markdownFiles(): string[] {
  const { stdout } = Bun.spawnSync(["git", "ls-files", "-co", "--exclude-standard", "*.md"], { cwd: ROOT });
  return stdout
    .toString()
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(ROOT, path)));
}

function textOf(path: string): string {
  return texts.get(path) ?? "";
}

function fencesIn(page: string): readonly Fence[] {
  return fences.get(page) ?? [];
}

function linksOf(markdown: string): string[] {
  const found = proseOf(markdown).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g);
  return [...found].map(([, target = ""]) => target).filter((target) => !/^[a-z]+:/.test(target));
}

/** The text without its code blocks. */
function proseOf(markdown: string): string {
  return markdown.replace(/^( *)(`{3,})[^]*?^\1\2\s*$/gm, "");
}

function leadsSomewhere(from: string, target: string): boolean {
  const [file = "", anchor] = target.split("#");
  const path = file === "" ? from : normalize(join(dirname(from), file));
  if (!existsSync(join(ROOT, path))) return false;
  return anchor === undefined || anchorsOf(textOf(path)).includes(anchor);
}

/** The anchors of headings, as the web pages of repositories make them. */
function anchorsOf(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Lines of qntx between backticks. Those in consoles are run. */
function commandsOf(page: string): string[] {
  return [...proseOf(textOf(page)).matchAll(/`(qntx [^`]+)`/g)].map(([, line = ""]) => line);
}

/** What is wrong with a line of prose, which may leave words out; empty when nothing is. */
async function wrongIn(line: string): Promise<string> {
  const words = line
    .replace(/'[^']*'|"[^"]*"/g, "TEXT")
    .split(/\s+/)
    .slice(1);
  try {
    const { node, rest } = routeOf(tree, "qntx", words);
    return isGroup(node) ? "" : wrongWords(line, rest, await node.load());
  } catch (error) {
    return `${line}: ${messageOf(error)}`;
  }
}

function wrongWords(line: string, words: readonly string[], { args }: Command): string {
  const known = new Map(
    Object.entries({ ...args, ...GLOBAL_ARGS }).map(([key, arg]) => [`--${kebab(key)}`, arg]),
  );
  let free = Object.values(args).filter(({ type }) => type === "positional").length;
  for (let at = 0; at < words.length; at++) {
    const [name = ""] = (words[at] ?? "").split("=", 1);
    const arg = known.get(name.replace("--no-", "--"));
    if (!name.startsWith("-")) free -= 1;
    else if (name.startsWith("--") && !arg) return `${line}: there is no option ${name}`;
    else if (arg?.type !== "boolean" && name === words[at]) at += 1; // Its value.
  }
  return free < 0 ? `${line}: there is a word too many` : "";
}

/** The number that stands behind a constant's or a field's name in a source file. */
function limitIn(path: string, name: string): number {
  const source = readFileSync(join(ROOT, path), "utf8");
  const found = new RegExp(`\\b${name}(?:: \\w+)?(?: =|:) ([\\d_ *]+)[;,]`).exec(source)?.[1];
  if (found === undefined) throw new Error(`${path} has no number called ${name}.`);
  return found.split("*").reduce((product, factor) => product * Number(factor.replaceAll("_", "").trim()), 1);
}

const KIB = 1_024;

/** A number as the page shows it: a size or a duration where its name says that it is one. */
function shownLimit(name: string, value: number): string {
  if (/_?ms$/i.test(name)) return value < 1_000 ? `${value} ms` : formatDuration(value);
  if (!/bytes/i.test(name)) return value.toLocaleString("en");
  if (value % KIB ** 2 === 0) return `${value / KIB ** 2} MiB`;
  return value % KIB === 0 ? `${value / KIB} KiB` : `${value.toLocaleString("en")} bytes`;
}

function said(parse: () => unknown): string {
  try {
    parse();
    return "";
  } catch (error) {
    return String(error);
  }
}

function complaintOf(argv: readonly string[], text: string): string {
  const { success, stderr } = Bun.spawnSync([...argv], { stdin: Buffer.from(text) });
  return success ? "" : stderr.toString();
}
