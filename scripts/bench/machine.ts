/** Machine: what the figures were taken on. Without it they say nothing. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./measure.ts";

const SYNCS = 300;
const BLOCK_BYTES = 4_096;

/** Name and value of all that matters, in the order in which it is shown. */
export function machine(): [string, string][] {
  const processors = cpus();
  return [
    ["Processors", `${processors.length} × ${processors[0]?.model.trim() ?? "unknown"}`],
    ["Memory", `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ["Disk", `${syncMs().toFixed(2)} ms for 4 KiB and \`fdatasync\`, the median of ${SYNCS}`],
    ["System", `${process.platform} ${release()}`],
    ["Bun", Bun.version],
  ];
}

/** What the machine does already: the average of the last minute. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

/** The commit that a binary was built from. */
export function commitOf(binary: string): string {
  const version = Bun.spawnSync([binary, "version", "--json"]).stdout.toString();
  const { commit } = JSON.parse(version) as { commit: string | null };
  return commit ?? "unknown";
}

/** How long the disk takes to promise that it has a block. */
function syncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  const file = openSync(join(folder, "sync"), "w");
  const block = Buffer.alloc(BLOCK_BYTES, 1);
  const times = Array.from({ length: SYNCS }, () => {
    const startedAt = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - startedAt;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(times);
}
