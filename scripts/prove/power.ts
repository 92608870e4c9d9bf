/**
 * Proves that what is acknowledged outlives the power: cuts it at many moments of a
 * host's life under load, and looks at what may be left on the disk.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/power.ts [--images 200] [--reopened 20] [--lives 4] [--seed N]
 *
 * The same is done to a copy of the program that does not wait for the disk; of that one
 * something must be lost, or the proof proves nothing. Needs strace. What is wrong is one
 * line each on stderr, and makes the exit code 1.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cutPower, powerCutLine, withNormal } from "./power-cut.ts";

const LOGS_LOST_MAX_MS = 1_000; // Promised for what jobs say, on a machine that does little else.

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "200" },
    reopened: { type: "string", default: "20" },
    lives: { type: "string", default: "4" },
    load: { type: "string", default: "3000" },
    seed: { type: "string", default: "1" },
  },
});
const program = process.env["QNTX_BIN"];
if (!program) throw new Error("QNTX_BIN is not set: the compiled program is what is cut off.");
const folder = mkdtempSync(join(tmpdir(), "qntx-power-"));
try {
  const options = { lives: Number(values.lives), loadMs: Number(values.load), seed: Number(values.seed) };
  const images = Number(values.images);
  const report = await cutPower({ ...options, images, reopened: Number(values.reopened) });
  const trouble = [...report.lost, ...report.corrupt, ...report.twice, ...report.broken];
  if (report.copied === 0) trouble.push("nothing was proved of checkpoints: there was none");
  if (report.healed === 0) trouble.push("nothing was proved of healing: no job was running");
  if (report.logsLostMs > LOGS_LOST_MAX_MS)
    trouble.push(`lines that were ${report.logsLostMs} ms old were lost`);
  const normal = withNormal(resolve(program), join(folder, "qntx"));
  const loose = await cutPower({
    ...options,
    lives: 1,
    images: Math.ceil(images / 4),
    reopened: 0,
    program: normal,
  });
  if (loose.lost.length === 0)
    trouble.push("nothing was proved: a program that does not wait for the disk lost nothing");
  for (const sentence of trouble) process.stderr.write(`${sentence}\n`);
  process.stdout.write(`${powerCutLine(report)}\nwithout waiting for the disk: ${powerCutLine(loose)}\n`);
  process.exitCode = trouble.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
