/** `qntx plugin logs NAME`: the lines that a plugin printed lately; with -f, those to come. */
import { type Millis, sleep } from "../../../../internal/base/env.ts";
import type { PluginLines } from "../../../../internal/operations/plugin.ts";
import { openClient } from "../../client.ts";
import { command } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { pluginArg } from "./which.ts";

const LOOK_AGAIN_MS: Millis = 200; // Soon enough to read along.

export const pluginLogs = command({
  args: {
    name: pluginArg,
    follow: { type: "boolean", alias: "f", description: "Go on until Ctrl-C" },
  },
  examples: [{ line: "qntx plugin logs python -f", why: "read along" }],
  async run({ args: { name, follow }, world, globals, out }): Promise<ExitCode | void> {
    await using client = await openClient(world, globals);
    const print = (line: string) => out.data({ line }, line === "" ? "\n" : line);
    const look = (after: number) => client.call<PluginLines>("plugin.logs", { name, after });
    let { lines, printed } = await look(0);
    if (!follow && out.json) return out.data({ lines }, "");
    for (const line of lines) print(line);
    if (!follow) return;

    const { quit } = world.quit();
    while (!quit.aborted) {
      await sleep(world.env, LOOK_AGAIN_MS, quit);
      ({ lines, printed } = await look(printed));
      for (const line of lines) print(line);
    }
    return EXIT.interrupted;
  },
});
