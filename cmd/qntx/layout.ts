/** Layout: text for a screen: columns that line up, and instants as people say them. */
import type { Millis } from "../../internal/base/env.ts";
import { formatInstant } from "../../internal/base/instant.ts";

export interface Column {
  title: string;
  align?: "left" | "right";
}

interface TableOptions {
  /** Characters a line may have; Infinity in a pipe. */
  width: number;
  /** Styles a title that already has its final width. */
  head(title: string): string;
}

const GAP = "  ";
const LAST_COLUMN_MIN = 8; // Below this a cut word tells nothing, so the line is left to wrap.

/** Lines up rows under titles. The last column takes what is left of the width, and is cut there. */
export function layTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { width, head }: TableOptions,
): string {
  const cells = rows.map((row) => columns.map((_, i) => onOneLine(row[i] ?? "")));
  const widths = columns.map(({ title }, i) =>
    cells.reduce((most, row) => Math.max(most, Bun.stringWidth(row[i] ?? "")), Bun.stringWidth(title)),
  );
  const last = columns.length - 1;
  const before = widths.slice(0, last).reduce((sum, w) => sum + w + GAP.length, 0);
  widths[last] = Math.min(widths[last] ?? 0, Math.max(LAST_COLUMN_MIN, width - before));

  const line = (row: readonly string[], style: (text: string) => string) =>
    columns
      .map(({ align }, i) => style(pad(row[i] ?? "", widths[i] ?? 0, align === "right", i === last)))
      .join(GAP)
      .trimEnd();
  const titles = columns.map(({ title }) => title.toUpperCase());
  return [line(titles, head), ...cells.map((row) => line(row, (text) => text))].join("\n");
}

function pad(text: string, width: number, right: boolean, isLast: boolean): string {
  const cut = Bun.stringWidth(text) > width ? Bun.sliceAnsi(text, 0, width, "…") : text;
  const space = " ".repeat(Math.max(0, width - Bun.stringWidth(cut)));
  if (right) return space + cut;
  return isLast ? cut : cut + space;
}

/** A cell is somebody's data: a line break would tear the table, an escape sequence could act on the terminal. */
function onOneLine(text: string): string {
  // Our own colours (SGR) pass; every other control character becomes a space.
  // oxlint-disable-next-line no-control-regex -- They are what this is about.
  return text.replace(/\x1b\[[0-9;]*m|[\x00-\x1f\x7f-\x9f]/g, (match) => (match.length > 1 ? match : " "));
}

/** "1 schedule", "3 schedules". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const STEPS: readonly (readonly [limit: Millis, unit: Millis, name: string])[] = [
  [60_000, 1_000, "s"],
  [3_600_000, 60_000, "min"],
  [48 * 3_600_000, 3_600_000, "h"],
  [60 * 86_400_000, 86_400_000, "days"],
];

/** "in 3 min", "2 h ago", "now"; beyond two months the date itself. Rounded down, so that nothing is later than it says. */
export function relativeTime(at: Millis, now: Millis): string {
  const distance = Math.abs(at - now);
  if (distance < 1_000) return "now";
  const step = STEPS.find(([limit]) => distance < limit);
  if (!step) return formatInstant(at).slice(0, 10);
  const text = `${Math.floor(distance / step[1])} ${step[2]}`;
  return at > now ? `in ${text}` : `${text} ago`;
}
