/** One host per data folder, also against the garbage collector. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeHostLock } from "./lock.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-lock-"));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Tries the lock from another process: POSIX locks do not stop their own process. */
function takenElsewhere(): boolean {
  const script = `import { takeHostLock } from ${JSON.stringify(join(import.meta.dir, "lock.ts"))};
    process.exit(takeHostLock(${JSON.stringify(home)}) ? 0 : 9);`;
  return Bun.spawnSync([process.execPath, "-e", script]).exitCode === 9;
}

test("a second process does not get the lock, and does once it is released", () => {
  const lock = takeHostLock(home);
  expect(takenElsewhere()).toBe(true);
  lock?.release();
  lock?.release();
  expect(takenElsewhere()).toBe(false);
});

test("a lock that nobody looks at any more outlives the garbage collector", () => {
  takeHostLock(home);
  for (let i = 0; i < 20; i++) Bun.gc(true);
  expect(takenElsewhere()).toBe(true);
});

test("the lock of a process that was killed is free at once", async () => {
  const script = `import { takeHostLock } from ${JSON.stringify(join(import.meta.dir, "lock.ts"))};
    takeHostLock(${JSON.stringify(home)}); process.stdout.write("held"); setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const reader = child.stdout.getReader();
  await reader.read();
  expect(takenElsewhere()).toBe(true);
  child.kill("SIGKILL");
  await child.exited;
  expect(takenElsewhere()).toBe(false);
});
