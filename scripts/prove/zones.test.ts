/** A slice of the proof that schedules fire when they should, wherever the process is. `npm run prove` does all of it. */
import { expect, test } from "bun:test";
import { join } from "node:path";

test("the engine agrees with the oracle, and with croner but for what is listed, in four zones of the process", async () => {
  const words = [join(import.meta.dir, "zones.ts"), "--shard", "1/100"];
  const child = Bun.spawn([process.execPath, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(stderr).toBe("");
  expect(stdout).toContain("cron oracle: the same in 4 of 4 zones of the process");
  const cases = [...stdout.matchAll(/cron oracle in \S+: (\d+) cases, 0 differences/g)];
  expect(cases.map(([, count]) => Number(count) > 500)).toEqual([true, true, true, true]);
}, 120_000);
