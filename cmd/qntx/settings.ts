/** Settings: how a command gets the configuration: the world's environment and the line's options. */
import type { Config, Flags, LoadOptions } from "../../internal/config/config.ts";
import type { Globals } from "./command.ts";
import type { World } from "./world.ts";

/** Loads the configuration. `flags` are options of the command that stand for keys, as text. */
export async function openConfig(
  world: World,
  globals: Globals,
  flags: Flags = {},
  more: Pick<LoadOptions, "onSecret"> = {},
): Promise<Config> {
  const { loadConfig } = await import("../../internal/config/config.ts");
  return loadConfig({
    vars: world.vars,
    flags: { ...flags, home: globals.home, config: globals.config },
    cwd: world.cwd,
    userHome: world.userHome,
    ...more,
  });
}
