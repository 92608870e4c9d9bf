/**
 * Redactor: knows every secret that the host has fetched, and takes it out of what people
 * read: lines, errors, log and audit trail. What jobs are given and give back is data, and
 * stays as it is.
 *
 * A text that was cut may end in the beginning of a secret; that goes too. Whoever prints a
 * secret in some form of their own (reversed, letter by letter) shows it: this helps
 * against slips, not against a plugin that wants to tell.
 */

/** A secret of fewer characters is a word like "prod" or "8080": replacing it would spoil other text, and say what it is. */
export const SECRET_CHARS_MIN = 8;
const VALUES_MAX = 20; // Of one name: a plugin that was not started again since may still have an older one.
const BEGINNING_CHARS_MIN = SECRET_CHARS_MIN / 2; // Of a secret that was cut: half of the shortest.
/** Between what is left of a text that was cut and what is said of it; the SDKs write the same. */
export const CUT_MARK = "… (cut: ";

export class Redactor {
  /** What each name stood for, the newest last. */
  readonly #values = new Map<string, string[]>();
  /** What to look for, and what to say instead; the longest first, because one may be part of another. */
  #forms: (readonly [text: string, shown: string])[] = [];

  /** True where nothing is to be done. */
  get knowsNothing(): boolean {
    return this.#forms.length === 0;
  }

  /** Takes in what a name stands for now. */
  learn(name: string, value: string): void {
    const before = this.#values.get(name) ?? [];
    if (before.at(-1) === value) return;
    const values = [...before.filter((other) => other !== value), value];
    this.#values.set(name, values.slice(-VALUES_MAX));
    const all = [...this.#values].flatMap(([of, list]) => list.flatMap((each) => shownForms(of, each)));
    this.#forms = [...new Map(all)].toSorted(([a], [b]) => b.length - a.length);
  }

  /** The text with a name in the place of each secret; the very same where there is none. */
  redact(text: string): string {
    let clean = text;
    for (const [secret, shown] of this.#forms)
      if (clean.includes(secret)) clean = clean.replaceAll(secret, () => shown);
    return !this.knowsNothing && clean.includes(CUT_MARK) ? this.#redactCut(clean) : clean;
  }

  /** Replaces the beginning of a secret in front of the mark. */
  #redactCut(text: string): string {
    const at = text.lastIndexOf(CUT_MARK);
    const head = text.slice(0, at).replace(/\uFFFD+$/, ""); // Half of a character.
    for (const [secret, shown] of this.#forms) {
      const chars = beginningAtEnd(secret, head);
      if (chars > 0) return head.slice(0, -chars) + shown + text.slice(at);
    }
    return text;
  }
}

/** Every form of a value that is long enough, line by line. */
function shownForms(name: string, value: string): [text: string, shown: string][] {
  // Names are anybody's, and lines may be JSON.
  const shown = `[secret ${name.replace(/^secrets\./, "").replaceAll(/[^\w.-]/g, "_")}]`;
  const forms = value.split("\n").flatMap((line) => formsOf(line.trim()));
  return forms.flatMap((text) => (text.length >= SECRET_CHARS_MIN ? [[text, shown]] : []));
}

/** As it is, and as it stands in JSON and in an address. */
function formsOf(text: string): string[] {
  return [...new Set([text, JSON.stringify(text).slice(1, -1), encodeURIComponent(text.toWellFormed())])];
}

/** How many characters at the end of `head` are the beginning of a secret; 0 for too few to matter. */
function beginningAtEnd(secret: string, head: string): number {
  for (let chars = Math.min(secret.length - 1, head.length); chars >= BEGINNING_CHARS_MIN; chars--)
    if (head.endsWith(secret.slice(0, chars))) return chars;
  return 0;
}
