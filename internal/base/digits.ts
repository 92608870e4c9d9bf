/**
 * Digits: numbers in a JSON text that would be other numbers once they are read.
 * JavaScript keeps some 16 digits; ids of other systems have more, and nobody
 * would notice that one has changed on its way.
 */

/** What stands in quotes, or a number outside of them. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
/** Nothing else can lose any; most texts have none, and are not looked at twice. */
const SUSPECT = /\d{16}|[eE]\+?\d{3}/;

/** The first number of a JSON text that reading it would change; undefined when there is none. */
export function lostDigits(json: string): string | undefined {
  if (!SUSPECT.test(json)) return undefined;
  for (const [word] of json.matchAll(TEXT_OR_NUMBER)) {
    if (!word.startsWith('"') && !isKept(word)) return word;
  }
  return undefined;
}

/** Fractions are rounded by everybody; whole numbers stand for something. */
function isKept(number: string): boolean {
  if (!/^-?\d+$/.test(number)) return Number.isFinite(Number(number));
  return String(Number(number)) === number || BigInt(number) === BigInt(Number(number));
}
