/** Which: the argument that names a saved handler. */
import { savedHandlers } from "../../names.ts";

export const handlerArg = {
  type: "positional",
  valueHint: "NAME",
  complete: savedHandlers,
  description: "What it was saved as; python.NAME where several languages have one",
} as const;
