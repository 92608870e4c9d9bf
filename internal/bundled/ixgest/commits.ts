/**
 * Commits: what `git log` is asked to print, and reading it back.
 *
 * Each commit is ten fields between NULs, then what `--shortstat` prints: a NUL
 * can be in none of them. Parents come before their children, so that what was
 * read up to any point is complete below it (see `frontier.ts`).
 */
export interface Person {
  name: string;
  email: string;
  /** ISO 8601 with the person's own offset. */
  date: string;
}

/** How much a commit changed; a merge has none. */
export interface Change {
  files: number;
  insertions: number;
  deletions: number;
}

export interface Commit {
  hash: string;
  parents: readonly string[];
  author: Person;
  committer: Person;
  /** Of the committer's date, in milliseconds since 1970; undefined when it is no date. */
  timestamp: number | undefined;
  subject: string;
  body: string;
  change: Change | undefined;
}

/** The arguments that make `git log` print what `readCommits` reads. The revisions come on its input. */
export const LOG_ARGS = [
  "log",
  "--reverse",
  "--topo-order",
  "--shortstat",
  "--no-color",
  "--no-ext-diff",
  "--no-textconv",
  "--no-mailmap",
  "--no-notes",
  `--format=tformat:${["", "%H", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%ct", "%B", ""].join("%x00")}`,
];
const FIELDS_PER_COMMIT = 11; // Ten of the format, and what stands between this commit and the next.

/** Reads commits from the texts between the NULs. */
export async function* readCommits(texts: AsyncIterable<string>): AsyncGenerator<Commit> {
  let fields: string[] = [];
  let first = true;
  for await (const text of texts) {
    if (!first) fields.push(text); // Nothing stands before the first NUL.
    first = false;
    if (fields.length < FIELDS_PER_COMMIT) continue;
    yield readCommit(fields);
    fields = [];
  }
}

function readCommit(fields: readonly string[]): Commit {
  const [hash = "", parents = "", name = "", email = "", date = "", ...rest] = fields;
  const [committerName = "", committerEmail = "", committerDate = "", seconds = "", message = "", stat = ""] =
    rest;
  const [subject, body] = splitMessage(message);
  return {
    hash,
    parents: parents === "" ? [] : parents.split(" "),
    author: { name, email, date },
    committer: { name: committerName, email: committerEmail, date: committerDate },
    timestamp: readSeconds(seconds),
    subject,
    body,
    change: readChange(stat),
  };
}

/** As git does: the subject is everything up to the first empty line, on one line. */
function splitMessage(message: string): [subject: string, body: string] {
  const text = message.trim();
  const end = /\n\s*\n/.exec(text);
  const first = end ? text.slice(0, end.index) : text;
  const rest = end ? text.slice(end.index + end[0].length) : "";
  const lines = first.split("\n").map((line) => line.trim());
  return [lines.join(" "), rest.trim()];
}

const DATE_MS_MAX = 253_402_300_799_000; // The end of the year 9999; broken commits lie beyond it.

function readSeconds(text: string): number | undefined {
  const ms = text === "" ? Number.NaN : Number(text) * 1000;
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= DATE_MS_MAX ? ms : undefined;
}

function readChange(stat: string): Change | undefined {
  const files = /(\d+) files? changed/.exec(stat)?.[1];
  if (files === undefined) return undefined;
  return {
    files: Number(files),
    insertions: Number(/(\d+) insertions?\(\+\)/.exec(stat)?.[1] ?? 0),
    deletions: Number(/(\d+) deletions?\(-\)/.exec(stat)?.[1] ?? 0),
  };
}
