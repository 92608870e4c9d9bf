/**
 * Match: whether a terminal shows what a page says that it shows.
 *
 * A page is written from a real run, so it has that run's ids, instants and
 * ports in it. Each stands for any of its kind; an id that comes again must be
 * the same again. Instants on a whole second are meant as they are written:
 * nobody fires on one by accident. Widths of columns do not count.
 */

/** Ends of ids as the page writes them, and as they are in this run. */
export type Ids = ReadonlyMap<string, string>;

interface Volatile {
  /** How the page writes one. */
  written: RegExp;
  /** What it stands for. */
  means: string;
}

const SHORT_ID = "[0-9A-HJKMNP-TV-Z]{8}";
/** Whoever enqueues a job may find it running already. */
const TAKEN = "(?:queued: waits for a free slot|running)";
const AGO = "(?:now|in \\d+ (?:s|min|h|days)|\\d+ (?:s|min|h|days) ago)";

const VOLATILE: readonly Volatile[] = [
  { written: /…/, means: ".*?" },
  { written: /\b[A-Z]{2}_[0-9A-HJKMNP-TV-Z]{26}\b/, means: `[A-Z]{2}_[0-9A-Z]{18}(${SHORT_ID})` },
  { written: /\b(?=[A-Z]*\d)[0-9A-HJKMNP-TV-Z]{8}\b/, means: `(${SHORT_ID})` },
  {
    written: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(?!000)\d{3}Z/,
    means: "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z",
  },
  { written: new RegExp(`\\b${AGO}\\b`), means: AGO },
  { written: /^\d\d:\d\d:\d\d(?= (?:debug|info|warn|error) )/, means: "\\d\\d:\\d\\d:\\d\\d" },
  { written: /(?<=\bis )(?:queued: waits for a free slot|running)(?=\.$)/, means: TAKEN },
  { written: /(?<=127\.0\.0\.1:)\d+/, means: "\\d+" },
  { written: /(?<=\bpid )\d+/, means: "\\d+" },
  { written: /(?<=--cursor )\S+/, means: "\\S+" },
];
const ANY = new RegExp(VOLATILE.map(({ written }) => `(${written.source})`).join("|"), "g");

/** The ids that are known when the answer is the one that was written; null when it is another. */
export function match(expected: readonly string[], actual: readonly string[], ids: Ids): Ids | null {
  const [line, ...rest] = expected;
  if (line === undefined) return actual.every((shown) => shown.trim() === "") ? ids : null;
  if (line.trim() === "…") {
    for (let skipped = 0; skipped <= actual.length; skipped++) {
      const found = match(rest, actual.slice(skipped), ids);
      if (found) return found;
    }
    return null;
  }
  const [shown, ...others] = actual;
  const known = shown === undefined ? null : matchLine(squeezed(line), squeezed(shown), ids);
  return known && match(rest, others, known);
}

/** Puts this run's ids into a command that was written with another's. */
export function translated(command: string, ids: Ids): string {
  return command.replace(
    /\b(?:[A-Z]{2}_)?[0-9A-HJKMNP-TV-Z]{8,26}\b/g,
    (word) => ids.get(word.slice(-8)) ?? word,
  );
}

function matchLine(written: string, shown: string, ids: Ids): Ids | null {
  const names: string[] = [];
  let pattern = "";
  let at = 0;
  for (const found of written.matchAll(ANY)) {
    const kind = VOLATILE[found.slice(1).findIndex((group) => group !== undefined)];
    if (kind?.means.includes(`(${SHORT_ID})`)) names.push(found[0].slice(-8));
    pattern += literal(written.slice(at, found.index)) + (kind?.means ?? "");
    at = found.index + found[0].length;
  }
  const groups = new RegExp(`^${pattern}${literal(written.slice(at))}$`).exec(shown)?.slice(1);
  return groups ? bound(names, groups, ids) : null;
}

/** Null when an id of the page would be two different ones. */
function bound(names: readonly string[], found: readonly string[], ids: Ids): Ids | null {
  const known = new Map(ids);
  for (const [index, name] of names.entries()) {
    const id = found[index] ?? "";
    if (known.has(name) && known.get(name) !== id) return null;
    known.set(name, id);
  }
  return known;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function squeezed(line: string): string {
  return line.trimEnd().replace(/(?<=\S)\s+/g, " ");
}
