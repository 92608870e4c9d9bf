/** Paging: the options of every list, and what is said below a page. */
import { PAGE_ROWS_MAX } from "../../internal/store/page.ts";
import type { ArgDefs } from "./command.ts";
import type { Column } from "./layout.ts";
import type { Out } from "./output.ts";
import { integer } from "./values.ts";

/** `--limit` and `--cursor`. */
export const pageArgs = {
  limit: {
    type: "string",
    alias: "n",
    valueHint: "N",
    parse: integer(1, PAGE_ROWS_MAX),
    description: "Rows at most (default 50)",
  },
  cursor: { type: "string", valueHint: "CURSOR", description: "Go on where a page ended" },
} as const satisfies ArgDefs;

export interface Listing {
  columns: readonly Column[];
  rows: () => readonly (readonly string[])[];
  /** Instead of a table. */
  lines?: () => readonly string[];
  /** Said when there are no rows. */
  empty: string;
  cursor?: string | null;
}

/** Prints a list: `value` with --json, else a table, or a sentence when it is empty. */
export function printList(
  out: Out,
  value: unknown,
  { columns, rows, lines, empty, cursor = null }: Listing,
): void {
  if (out.json) return out.data(value, "");
  const table = rows();
  if (table.length === 0) return out.say(empty);
  out.data(value, lines ? lines().join("\n") : out.table(columns, table));
  if (cursor !== null) out.say(`There are more: add --cursor ${cursor}`);
}
