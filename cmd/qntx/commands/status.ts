/** `qntx status`: what runs, waits and comes next, on one screen. */
import { type Millis, sleep } from "../../../internal/base/env.ts";
import { openClient } from "../client.ts";
import { command, type Globals } from "../command.ts";
import { EXIT, type ExitCode } from "../exit.ts";
import type { Out } from "../output.ts";
import type { World } from "../world.ts";
import { type StatusView, statusScreen } from "./status-screen.ts";

const REDRAW_MS: Millis = 1_000;
const HOME_AND_CLEAR = "\x1b[H\x1b[J"; // Back to the top, and away with what was below it.

export const status = command({
  args: { watch: { type: "boolean", alias: "w", description: "Show it again every second, until Ctrl-C" } },
  examples: [
    { line: "qntx status", why: "is everything as it should be?" },
    { line: "qntx status --watch", why: "look on" },
  ],
  async run({ args: { watch: keepOn }, world, globals, out }): Promise<ExitCode | void> {
    if (keepOn) return watch(world, globals, out);
    const view = await look(world, globals);
    out.data(view, () => statusScreen(out, view));
  },
});

/** Opened anew each time, so that a host that comes or goes is seen, and may take its lock. */
async function look(world: World, globals: Globals): Promise<StatusView> {
  await using client = await openClient(world, globals);
  return await client.call<StatusView>("host.status");
}

/** On a terminal the screen is drawn again; elsewhere only what has changed is printed. */
async function watch(world: World, globals: Globals, out: Out): Promise<ExitCode> {
  const { quit } = world.quit();
  let before = "";
  while (!quit.aborted) {
    const view = await look(world, globals);
    const now = JSON.stringify({ ...view, loop: null }); // That is never the same for long.
    const changed = now !== before;
    before = now;
    const redraw = out.terminal && !out.json;
    if (redraw) world.stdout.write(HOME_AND_CLEAR);
    if (changed || redraw) out.data(view, () => statusScreen(out, view));
    await sleep(world.env, REDRAW_MS, quit);
  }
  return EXIT.interrupted;
}
