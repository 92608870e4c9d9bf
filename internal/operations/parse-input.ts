/** Input from outside, checked with an operation's schema. A file of its own, because run.ts knows the table and the table knows everything. */
import type { z } from "zod";
import { Fault, type FieldFault } from "../base/fault.ts";

/** Checks input from outside. Throws one Fault with every wrong field. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input ?? {});
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue): FieldFault => {
    if (issue.code === "unrecognized_keys") {
      return { field: issue.keys.join(", "), message: "is not a field of this operation." };
    }
    return { field: issue.path.join(".") || "input", message: issue.message };
  });
  throw new Fault("usage", fields.map(({ field, message }) => `${field}: ${message}`).join("\n"), { fields });
}
