/** Keyset pages: the cursor is the key of the last row, never an offset, so that pages hold still while rows come. */
import { type Fault, fieldFault, shown } from "../../base/fault.ts";
import { type Page, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, type PageRequest } from "../page.ts";

/** The size of a page, in bounds. */
export function pageLimit(page: PageRequest): number {
  return Math.min(PAGE_ROWS_MAX, Math.max(1, page.limit ?? PAGE_ROWS_DEFAULT));
}

/** Reads a request whose cursor is a row number that pages go down from. Throws a Fault that names the cursor. */
export function readPage(page: PageRequest): { limit: number; before: number } {
  const { cursor } = page;
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) throw noCursor(cursor);
  return { limit: pageLimit(page), before: cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor) };
}

/** Refuses a cursor that is none of ours: a page of nothing would look like the end. */
export function noCursor(cursor: string): Fault {
  return fieldFault(
    "cursor",
    `${shown(cursor)} is not a cursor.`,
    "Use the one that the page before came with.",
  );
}

/** Makes a page of up to `limit + 1` rows: the extra one only says that there is more. */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  read: (row: Row) => T,
  cursorOf: (row: Row) => string,
): Page<T> {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  return { items: kept.map(read), cursor: rows.length > limit && last !== undefined ? cursorOf(last) : null };
}
