/** Report: rows as a table, for a terminal and for the page in docs/. */
import { type Bench, holds, isRate, type Row, shareOfFloor } from "./measure.ts";

const HEAD = ["what", "value", "floor", "of the floor", "must"];

export interface Section {
  bench: Bench;
  rows: readonly Row[];
}

/** The table of one section, as Markdown. */
export function table(rows: readonly Row[]): string {
  const lines = [HEAD, HEAD.map(() => "---"), ...rows.map(cells)];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function cells(row: Row): string[] {
  const { what, value, unit, floor, floorIs, target } = row;
  const must = target === undefined ? "" : `${isRate(unit) ? "≥" : "≤"} ${number(target)} ${unit}`;
  return [
    what,
    `${number(value)} ${unit}`,
    `${number(floor)} ${unit} (${floorIs})`,
    `${Math.round(shareOfFloor(row) * 100)} %`,
    holds(row) ? must : `${must}: **missed**`,
  ];
}

/** Three digits that count; whole numbers from a hundred on. */
export function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** The whole page. */
export function page(machine: readonly (readonly [string, string])[], sections: readonly Section[]): string {
  const facts = machine.map(([name, value]) => `| ${name} | ${value} |`).join("\n");
  const parts = sections.map(
    ({ bench, rows }) => `## ${bench.title}\n\n${wrapped(bench.how)}\n\n${table(rows)}\n`,
  );
  return `${INTRODUCTION}\n| | |\n| --- | --- |\n${facts}\n\n${parts.join("\n")}`;
}

/** Breaks a paragraph into lines as long as those of the other pages. */
function wrapped(text: string): string {
  return text.replace(/(.{1,119})(?: |$)/g, "$1\n").trimEnd();
}

const INTRODUCTION = `# Benchmarks

Written by \`npm run bench -- --write\`; never by hand. The binary that ships is measured, in its default configuration:
every acknowledged write is on disk (SQLite in WAL mode with \`synchronous=FULL\`), the ledger and the logs are kept.

A figure alone says more about the machine than about qntx. So each stands beside a floor that was taken in the same
run: the least that the same step costs with nothing of ours in it. "Of the floor" is how much of that is reached;
100 % would mean that qntx costs nothing. Host, plugin and the program that measures share the processors.
`;
