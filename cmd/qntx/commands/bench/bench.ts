/** `qntx bench` measures this machine with these settings, on a data folder that is thrown away. */
import { availableParallelism, cpus } from "node:os";
import { VERSION } from "../../../../internal/base/version.ts";
import { command } from "../../command.ts";
import { openConfig } from "../../settings.ts";
import { integer } from "../../values.ts";
import { type Figure, STEPS } from "./figures.ts";
import { startBenchHost } from "./host.ts";

export const bench = command({
  details:
    "A host of its own runs in a folder that is removed afterwards, on the disk of your data\n" +
    "folder, with your [pulse] settings; your host, your schedules and your plugins are not touched. What else the machine\n" +
    "does meanwhile, your own host too, makes the figures worse.",
  args: {
    seconds: {
      type: "string",
      valueHint: "N",
      default: "15",
      parse: integer(5, 300),
      description: "How long it takes, about",
    },
    on: {
      type: "string",
      valueHint: "DIR",
      description: "Measure on the disk of this folder",
      complete: "files",
    },
  },
  examples: [
    { line: "qntx bench", why: "how fast is this machine?" },
    { line: "qntx bench --on /mnt/ssd --json", why: "another disk, for a program" },
  ],
  async run({ args: { seconds, on }, world, globals, out }) {
    const config = await openConfig(world, globals);
    const { env } = world;
    const startedAt = env.mono();
    out.say("Starting a host in a folder of its own …");
    await using host = await startBenchHost({ world, globals, config, on });
    const figures: Figure[] = [];
    for (const { say, measure } of STEPS) {
      out.say(`Measuring: ${say} …`);
      figures.push(...(await measure({ env, client: host.client, ms: 1_000 * seconds })));
    }
    const machine = {
      version: VERSION,
      processors: availableParallelism(),
      processor: cpus()[0]?.model.trim() ?? "unknown",
      folder: host.path,
      workers: config.pulse.workers,
      nap: config.pulse.napMs,
    };
    const tookMs = Math.round(env.mono() - startedAt);
    out.data({ ...machine, tookMs, figures }, () => {
      const rows = figures.map(({ name, value, unit, means }) => [name, shownValue(value), unit, means]);
      const head = `qntx ${VERSION}, ${machine.processors} × ${machine.processor}, disk of ${host.path}`;
      const columns = [{ title: "what" }, { title: "value" }, { title: "" }, { title: "what it means" }];
      return `${head}\n\n${out.table(columns, rows)}`;
    });
  },
});

/** Three digits that count; whole numbers from a hundred on. */
function shownValue(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
