/** The two fields that every list takes. */
import { z } from "zod";
import { PAGE_ROWS_MAX, type PageRequest } from "../store/page.ts";

export const pageInput = {
  limit: z
    .int("must be a whole number.")
    .min(1, "must be at least 1.")
    .max(PAGE_ROWS_MAX, `must be at most ${PAGE_ROWS_MAX}.`)
    .optional(),
  cursor: z.string().max(200).optional(),
};

/** What was asked for, as the store takes it. */
export function pageRequest({
  limit,
  cursor,
}: {
  limit?: number | undefined;
  cursor?: string | undefined;
}): PageRequest {
  return { limit, cursor };
}
