import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";

setDefaultTimeout(60_000);

const FUZZ = join(import.meta.dir, "testdata", "fuzz.ts");

test.each([1, 2, 3, 4])(
  "a peer that sends random HTTP/2 frames (seed %i) does not end the host",
  async (seed) => {
    const host = Bun.spawn([process.execPath, FUZZ, String(seed)], { stdout: "pipe", stderr: "pipe" });
    const [said, complained, code] = await Promise.all([host.stdout.text(), host.stderr.text(), host.exited]);
    expect(complained).toBe("");
    expect(code).toBe(0);
    expect(Number(/survived (\d+)/.exec(said)?.[1])).toBeGreaterThan(500);
  },
);

test("any other uncaught error ends the process, and is shown", async () => {
  const script = `
    import { silentLog } from ${JSON.stringify(join(import.meta.dir, "../base/log.ts"))};
    import { surviveStrays } from ${JSON.stringify(join(import.meta.dir, "stray.ts"))};
    const guard = surviveStrays(silentLog);
    setTimeout(() => { throw Object.assign(new Error("stray"), { code: "ERR_HTTP2_ERROR" }); }, 1);
    setTimeout(() => { throw new TypeError("a bug of ours"); }, 20);
    setTimeout(() => process.exit(0), 10_000);`;
  const host = Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "pipe" });
  const complained = await host.stderr.text();
  expect(await host.exited).not.toBe(0);
  expect(complained).toContain("TypeError: a bug of ours");
  expect(complained).not.toContain("Error: stray");
});
