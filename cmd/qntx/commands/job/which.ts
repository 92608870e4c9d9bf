/** Which: the argument that names a job. */
import { jobIds } from "../../names.ts";

export const jobArg = {
  type: "positional",
  valueHint: "ID",
  complete: jobIds,
  description: "Its id, or the end of it",
} as const;
