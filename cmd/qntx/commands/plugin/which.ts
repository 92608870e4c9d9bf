/** Which: the argument that names a plugin. */
import { pluginNames } from "../../names.ts";

export const pluginArg = {
  type: "positional",
  valueHint: "NAME",
  complete: pluginNames,
  description: "Its name",
} as const;
