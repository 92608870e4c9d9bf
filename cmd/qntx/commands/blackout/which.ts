/** Which: the argument that names a blackout. */
import { blackoutNames } from "../../names.ts";

export const blackoutArg = {
  type: "positional",
  valueHint: "NAME",
  complete: blackoutNames,
  description: "What it is called",
} as const;
