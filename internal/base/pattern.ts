/**
 * Pattern: a regular expression of somebody else's that is held against a text in a time that
 * is bounded, whatever both are. The engine of JavaScript tries one way after the other:
 * `a*a*a*$` takes it forty seconds for a thousand letters, and all others wait. RE2 goes all
 * ways at once.
 *
 * Its words are those of Go, in which QNTX's own plugins are written: without what looks
 * around, or back at what was found.
 */
import { messageOf } from "./fault.ts";

const PATTERN_CHARS_MAX = 1_000; // What is longer is a program.
const TEXT_CHARS_MAX = 1_000; // What is longer is no setting that has a pattern.

/** One that can be held against texts. */
export interface Pattern {
  /** As it was written. */
  readonly source: string;
  /** True when it is found in the text. One that is too long has none. */
  test(text: string): boolean;
}

/** Reads a pattern; `wrong` says what is the matter with it, as the end of "its pattern …". */
export async function parsePattern(source: string): Promise<Pattern | { wrong: string }> {
  if (source.length > PATTERN_CHARS_MAX) return { wrong: `has more than ${PATTERN_CHARS_MAX} characters` };
  const { RE2JS } = await import("re2js"); // Ten milliseconds, for the few that say one.
  try {
    const compiled = RE2JS.compile(source);
    return { source, test: (text) => text.length <= TEXT_CHARS_MAX && compiled.matcher(text).find() };
  } catch (error) {
    return { wrong: `RE2 does not take (${messageOf(error).replace("error parsing regexp: ", "")})` };
  }
}
