/** Pages: what every list is read in. */

/** A page of a list, and where the next one starts. `cursor` is null on the last page. */
export interface Page<T> {
  items: T[];
  cursor: string | null;
}

export const PAGE_ROWS_MAX = 1_000; // A page is read by people or programs one at a time.
export const PAGE_ROWS_DEFAULT = 50;

export interface PageRequest {
  limit?: number | undefined;
  cursor?: string | undefined;
}
