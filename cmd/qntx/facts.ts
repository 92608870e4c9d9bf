/** Facts: one thing on a screen, a line for each of its parts. Parts that are not there have no line. */
import { ID_PATTERN, shortId } from "../../internal/base/id.ts";
import type { Out } from "./output.ts";

export type Fact = readonly [label: string, value: string | number | null | undefined];

/** Lines up labels and values; what is null or empty is left out. */
export function factLines(out: Out, facts: readonly Fact[]): string {
  const told = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(...told.map(([label]) => label.length));
  const lines = told.map(([label, value]) => {
    const [first, ...more] = String(value).split("\n");
    const margin = " ".repeat(width + 2);
    return [`${out.paint("dim", label.padEnd(width))}  ${first}`, ...more.map((line) => margin + line)].join(
      "\n",
    );
  });
  return lines.join("\n");
}

/** An instant as views have it: "in 3 min" on a terminal, as it is elsewhere. */
export function whenShown(out: Out, instant: string | null): string {
  return out.when(instant === null ? null : Date.parse(instant));
}

/** An instant where there is room: "in 3 min (2030-01-01T00:00:00.000Z)" on a terminal. */
export function whenInFull(out: Out, instant: string | null): string | null {
  if (instant === null || !out.terminal) return instant;
  const said = whenShown(out, instant);
  return instant.startsWith(said) ? instant : `${said} (${instant})`;
}

/** An id: on a terminal its end, which is its own and as good as all of it. */
export function idShown(out: Out, id: string | null): string {
  if (id === null) return "-";
  return out.terminal && ID_PATTERN.test(id) ? shortId(id) : id;
}

/** JSON for a person: a text as it is, nothing for null, the rest as JSON. */
export function jsonShown(out: Out, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, out.terminal ? 2 : undefined);
}
