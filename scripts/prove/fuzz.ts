/**
 * Proves that a host outlives what is no protocol: broken frames to the server that
 * plugins call back, floods of frames, and spoilt answers from a plugin.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/fuzz.ts [--frames 10000] [--seed 1] [--flood-ms 2000]
 *
 * What is wrong is one line each on stderr, and makes the exit code 1.
 */
import { parseArgs } from "node:util";
import { fuzz } from "../../internal/serve/e2e/fuzz.ts";

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    "flood-ms": { type: "string", default: "2000" },
  },
});
const { frames, answers, rssMb, floods, trouble } = await fuzz({
  frames: Number(values.frames),
  seed: Number(values.seed),
  floodMs: Number(values["flood-ms"]),
});
for (const [name, mb] of Object.entries(floods))
  process.stdout.write(`${name.padEnd(55)} ${mb} MB at most\n`);
for (const sentence of trouble) process.stderr.write(`${sentence}\n`);
process.stdout.write(
  `fuzz: seed ${values.seed}, ${frames} frames to the host and ${answers} answers from a plugin, memory ${rssMb[0]} MB early and ${rssMb[1]} MB at the end, ${trouble.length} wrong\n`,
);
process.exitCode = trouble.length === 0 ? 0 : 1;
