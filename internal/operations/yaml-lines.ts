/**
 * YAML with line numbers. Bun parses, but says neither where a mistake is nor where a
 * value stands, and keeps the last of two equal keys in silence. The lines are found by
 * a look at the indentation, which is enough for documents in block style, as people
 * and `schedule export` write them; in any other there are no lines, and messages do
 * without.
 */

/** Where the entries of a list stand, and their keys. */
export interface ListLines {
  /** Lines from 1, one for each entry; empty when they cannot be told. */
  readonly entries: readonly EntryLines[];
}

export interface EntryLines {
  readonly line: number;
  /** The first line of each key of the entry. */
  readonly keys: ReadonlyMap<string, number>;
  /** Keys that stand there twice, with both lines. */
  readonly doubles: readonly { key: string; lines: readonly [number, number] }[];
}

const KEY = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s#:"'][^:#]*?))\s*:(?:\s|$)/;

/** Finds the entries of the block list under a key of the document. */
export function listLines(text: string, key: string): ListLines {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => keyOf(line) === key);
  const starts = start < 0 ? [] : entryStarts(lines, start + 1);
  const ends = [...starts.slice(1).map(({ at }) => at), starts.length > 0 ? endOf(lines, starts) : 0];
  return { entries: starts.map(({ at, indent }, i) => readEntryLines(lines, at, indent, ends[i] ?? at)) };
}

/** The line of a key at the top of the document; undefined when it is not found. */
export function topLine(text: string, key: string): number | undefined {
  const at = text.split("\n").findIndex((line) => keyOf(line) === key);
  return at < 0 ? undefined : at + 1;
}

const LINES_TRIED_MAX = 500; // Each try reads the text before it once more.

/**
 * The line at which a document stops being readable: behind the longest beginning that
 * `parses`. Entries of the list under `key` are tried one by one first, so that a long
 * document costs no more than a short one. Undefined when it cannot be told.
 */
export function brokenLine(text: string, key: string, parses: (part: string) => boolean): number | undefined {
  const lines = text.split("\n");
  const { entries } = listLines(text, key);
  for (const [i, { line }] of entries.entries()) {
    const part = lines.slice(line - 1, (entries[i + 1]?.line ?? lines.length + 1) - 1);
    const broken = brokenWithin(part, parses);
    if (broken !== undefined) return line - 1 + broken;
  }
  return brokenWithin(lines, parses);
}

function brokenWithin(lines: readonly string[], parses: (part: string) => boolean): number | undefined {
  if (lines.length > LINES_TRIED_MAX || parses(lines.join("\n"))) return undefined;
  for (let kept = lines.length - 1; kept > 0; kept--) {
    if (parses(lines.slice(0, kept).join("\n"))) return kept + 1;
  }
  return 1;
}

interface Start {
  /** Index of the line with the dash. */
  at: number;
  /** Of the dash. */
  indent: number;
}

function entryStarts(lines: readonly string[], from: number): Start[] {
  const starts: Start[] = [];
  for (let at = from; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (/^\s*(#|$)/.test(line)) continue;
    const indent = indentOf(line);
    const isEntry = /^-(\s|$)/.test(line.slice(indent));
    if (starts.length === 0 && !isEntry) break;
    const [first] = starts;
    if (isEntry && (!first || indent === first.indent)) starts.push({ at, indent });
    else if (first && indent <= first.indent) break;
  }
  return starts;
}

/** The first line behind the last entry. */
function endOf(lines: readonly string[], starts: readonly Start[]): number {
  const last = starts.at(-1);
  if (!last) return 0;
  const after = lines.findIndex(
    (line, at) => at > last.at && !/^\s*(#|$)/.test(line) && indentOf(line) <= last.indent,
  );
  return after < 0 ? lines.length : after;
}

function readEntryLines(lines: readonly string[], at: number, indent: number, end: number): EntryLines {
  const keys = new Map<string, number>();
  const doubles: { key: string; lines: [number, number] }[] = [];
  const inside = /^-\s*/.exec((lines[at] ?? "").slice(indent))?.[0].length ?? 2;
  const keyIndent = indent + inside;
  for (let i = at; i < end; i++) {
    const line = i === at ? " ".repeat(keyIndent) + (lines[i] ?? "").slice(keyIndent) : (lines[i] ?? "");
    if (indentOf(line) !== keyIndent) continue;
    const key = keyOf(line.slice(keyIndent));
    if (key === undefined) continue;
    const before = keys.get(key);
    if (before === undefined) keys.set(key, i + 1);
    else doubles.push({ key, lines: [before, i + 1] });
  }
  return { line: at + 1, keys, doubles };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** The key that a line begins with, when it begins without a space. */
function keyOf(line: string): string | undefined {
  const match = KEY.exec(line);
  return match ? (match[1] ?? match[2] ?? match[3]) : undefined;
}
