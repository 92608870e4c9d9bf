/**
 * JSON path: a small way to point into a JSON document.
 *
 * | written            | means                                            |
 * | ------------------ | ------------------------------------------------ |
 * | `$`                | the document itself                              |
 * | `.name`            | the field of an object                           |
 * | `['a.b']` `["a"]`  | the same, for names with other characters; `\'`  |
 * | `[0]` `[-1]`       | an element of a list, from its start or its end  |
 * | `[*]` `.*`         | every element of a list, every value of an object|
 *
 * `$.items[*].name` is the name of every item. What is not there is no match;
 * nothing is an error but a path that cannot be read. There are no filters and
 * no `..`: who needs them writes a handler of a few lines.
 */

/** One step into the document: a field, an element, or everything. */
export type Step = { key: string } | { index: number } | "each";

export type ParsedPath = { steps: readonly Step[] } | { problem: string };

const PATH_CHARS_MAX = 500; // Longer ones are not written by people.
const STEP =
  /\.(?<name>[^.[\]'"\s*]+)|(?<each>\.\*|\[\*\])|\[(?<index>-?\d{1,9})\]|\['(?<single>(?:[^'\\]|\\.)*)'\]|\["(?<double>(?:[^"\\]|\\.)*)"\]/y;

/** Reads a path, or says what is wrong with it. */
export function parsePath(text: string): ParsedPath {
  if (!text.startsWith("$")) return { problem: 'must start with "$", the document' };
  if (text.length > PATH_CHARS_MAX) return { problem: `is longer than ${PATH_CHARS_MAX} characters` };
  const steps: Step[] = [];
  for (let at = 1; at < text.length; at = STEP.lastIndex) {
    STEP.lastIndex = at;
    const groups = STEP.exec(text)?.groups;
    if (!groups) return { problem: `cannot be read from ${JSON.stringify(text.slice(at, at + 20))} on` };
    steps.push(stepOf(groups));
  }
  return { steps };
}

/** Finds everything that a path points to, in the document's order. */
export function readPath(document: unknown, steps: readonly Step[]): unknown[] {
  return steps.reduce<unknown[]>((found, step) => found.flatMap((value) => follow(value, step)), [document]);
}

function stepOf(groups: Record<string, string | undefined>): Step {
  const { name, each, index, single, double } = groups;
  if (each !== undefined) return "each";
  if (index !== undefined) return { index: Number(index) };
  return { key: name ?? (single ?? double ?? "").replace(/\\(.)/g, "$1") };
}

/** In lists, so that a value which is a list itself is one match. */
function follow(value: unknown, step: Step): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (step === "each") return Object.values(value);
  if ("key" in step) return Array.isArray(value) ? [] : ownField(value, step.key);
  const at = Array.isArray(value) && step.index < 0 ? value.length + step.index : step.index;
  return Array.isArray(value) && at >= 0 && at < value.length ? [value[at]] : [];
}

/** Own fields only: a document has no `constructor` unless it says so. */
function ownField(value: object, key: string): unknown[] {
  const field = Object.getOwnPropertyDescriptor(value, key);
  return field ? [field.value] : [];
}
