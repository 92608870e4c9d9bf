/** Which: the argument that names a schedule. */
import { scheduleNames } from "../../names.ts";

export const scheduleArg = {
  type: "positional",
  valueHint: "ID",
  complete: scheduleNames,
  description: "Its name, or its id or the end of it",
} as const;
