/**
 * Digits: numbers in a JSON text that would be other numbers once they are read.
 * JavaScript keeps some 16 digits; ids of other systems have more, and nobody
 * would notice that one has changed on its way.
 */

const NUMBER = /-?\d[\d.eE+-]*/g;
/** Nothing else can lose any; most texts have neither, and are not looked at twice. */
const RUN_MIN = 16;
const EXPONENT = /\d[eE]\+?\d{3}/;

const BACKSLASH = 92;
const WHOLE_CHARS_MAX = 310; // The greatest number that is read as one has 309 digits, and may have a sign.

/**
 * The first number of a JSON text that reading it would change; undefined when there is none.
 * A regular expression for what stands in quotes would take 200 ms for a megabyte.
 */
export function lostDigits(json: string): string | undefined {
  if (!hasRun(json) && !EXPONENT.test(json)) return undefined;
  for (let from = 0; from < json.length;) {
    const quote = json.indexOf('"', from);
    const between = json.slice(from, quote < 0 ? json.length : quote);
    const lost = between.match(NUMBER)?.find((number) => !isKept(number));
    if (lost !== undefined) return lost;
    from = quote < 0 ? json.length : endOfText(json, quote);
  }
  return undefined;
}

/** True when so many digits stand in a row. Each row of them covers one of every so many places: the others are looked at only beside a digit. */
function hasRun(json: string): boolean {
  for (let at = RUN_MIN - 1; at < json.length; at += RUN_MIN) {
    if (!isDigit(json, at)) continue;
    let [from, to] = [at, at + 1];
    while (to - from < RUN_MIN && isDigit(json, from - 1)) from--;
    while (to - from < RUN_MIN && isDigit(json, to)) to++;
    if (to - from === RUN_MIN) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** Where a text ends that begins with this quote. */
function endOfText(json: string, quote: number): number {
  for (let at = json.indexOf('"', quote + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let slashes = 0;
    while (json.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
  return json.length;
}

/** Fractions are rounded by everybody; whole numbers stand for something. */
function isKept(number: string): boolean {
  if (!/^-?\d+$/.test(number)) return Number.isFinite(Number(number));
  if (number.length > WHOLE_CHARS_MAX) return false;
  return String(Number(number)) === number || BigInt(number) === BigInt(Number(number));
}
