/** Report: rows as a table, for a terminal and for the page in docs/, of which any section can be taken anew. */
import { type Bench, holds, isRate, type Line, type Row, shareOfFloor } from "./measure.ts";

const HEADS = {
  floor: ["what", "value", "floor", "of the floor", "must"],
  peer: ["what", "qntx", "peer", "qntx to peer", "must"],
};

/** The table of one section, as Markdown. */
export function table(rows: readonly Line[], beside: keyof typeof HEADS = "floor"): string {
  const head = HEADS[beside];
  const lines = [head, head.map(() => "---"), ...rows.map((row) => cells(row, beside))];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function cells(row: Line, beside: keyof typeof HEADS): string[] {
  if ("note" in row) return [row.what, row.note, "", "", ""];
  const { what, value, unit, floor, floorIs } = row;
  const share = shareOfFloor(row);
  return [
    what,
    `${number(value)} ${unit}`,
    `${number(floor)} ${unit} (${floorIs})`,
    beside === "peer" ? `${number(share)} ×` : `${Math.round(share * 100)} %`,
    must(row),
  ];
}

function must(row: Row): string {
  if (row.target === undefined) return "";
  const words = `${isRate(row.unit) ? "≥" : "≤"} ${number(row.target)} ${row.unit}`;
  return holds(row) ? words : `${words}: **missed**`;
}

/** Three digits that count; whole numbers from a hundred on. */
export function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** What was taken in one go, and when. */
export interface Section {
  bench: Bench;
  rows: readonly Line[];
  taken: Taken;
}

export interface Taken {
  date: string;
  commit: string;
  /** The machine's, before it. */
  load: number;
  seconds: number;
}

type Facts = readonly (readonly [string, string])[];

/**
 * The whole page: what was taken now, and what `old` has of the other benches. The
 * page is of one machine: what another one took is left out.
 */
export function page(
  facts: Facts,
  { benches, sections, old }: { benches: readonly Bench[]; sections: readonly Section[]; old: string },
): string {
  const kept = sameMachine(facts, old) ? partsOf(old) : new Map<string, string>();
  const parts = benches.map(({ title }) => {
    const section = sections.find(({ bench }) => bench.title === title);
    return section ? part(section) : kept.get(title);
  });
  const machine = facts.map(([name, value]) => `| ${name} | ${value} |`).join("\n");
  const present = parts.filter((text) => text !== undefined);
  return `${INTRODUCTION}\n| | |\n| --- | --- |\n${machine}\n\n${present.join("\n\n")}\n`;
}

function part({ bench, rows, taken }: Section): string {
  const { date, commit, load, seconds } = taken;
  const when = `Taken on ${date} from commit ${commit}, in ${seconds} s; the load before was ${number(load)}.`;
  const legend = bench.legend === undefined ? [] : [bench.legend];
  return [`## ${bench.title}`, wrapped(bench.how), ...legend, when, table(rows, bench.beside)].join("\n\n");
}

/** The sections of a page by their titles, each with its title. */
function partsOf(text: string): Map<string, string> {
  const parts = text.split(/^(?=## )/m).slice(1);
  return new Map(parts.map((part) => [/^## (.*)/.exec(part)?.[1] ?? "", part.trimEnd()]));
}

/** True when the page names the same processors and as much memory. */
function sameMachine(facts: Facts, text: string): boolean {
  const cell = (name: string) => new RegExp(`^\\| ${name} +\\| (.*?) +\\|$`, "m").exec(text)?.[1];
  return ["Processors", "Memory"].every((name) => new Map(facts).get(name) === cell(name));
}

/** Breaks paragraphs into lines as long as those of the other pages. */
function wrapped(text: string): string {
  const lines = (paragraph: string) => paragraph.replace(/(.{1,119})(?: |$)/g, "$1\n").trimEnd();
  return text.split("\n\n").map(lines).join("\n\n");
}

const INTRODUCTION = `# Benchmarks

Written by \`npm run bench -- --write\`; never by hand. The binary that ships is measured, in its default configuration:
every acknowledged write is on disk (SQLite in WAL mode with \`synchronous=FULL\`), the ledger and the logs are kept.

A figure alone says more about the machine than about qntx. So each stands beside a floor that was taken in the same
run: the least that the same step costs with nothing of ours in it. "Of the floor" is how much of that is reached;
100 % would mean that qntx costs nothing. Host, plugin and the program that measures share the processors. Where other
job queues stand beside it instead, they were measured in the same run too, and "qntx to peer" is how many times more
jobs a second qntx gets through, or how many times sooner it is there.

Each section can be taken anew by its name and says when that was: \`npm run bench -- --write drain\`.
`;
