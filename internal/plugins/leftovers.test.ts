import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../base/env.ts";
import { isSame, Leftovers, RUN_VARIABLE } from "./leftovers.ts";
import { isAlive, processInfo } from "./proc.ts";
import { tempFolder } from "./testdata/harness.ts";

setDefaultTimeout(60_000);

/** A process of an earlier host: it carries a run's marker, and nobody waits for it. */
function sleeper(run: string, seconds: string) {
  const child = Bun.spawn(["sleep", seconds], {
    detached: true,
    env: { PATH: process.env["PATH"] ?? "", [RUN_VARIABLE]: run },
  });
  return Object.assign(child, { [Symbol.dispose]: () => child.kill("SIGKILL") });
}

const linux = process.platform === "linux";

test.skipIf(!linux)("a process that was written down and still runs is ended at the next start", async () => {
  using temp = tempFolder();
  const path = join(temp.path, "run.json");
  const before = new Leftovers(realEnv, path);
  const run = before.newRun();
  using child = sleeper(run, "874.1");
  using escaped = sleeper(run, "874.2"); // Carries the marker, but was started by the one above.
  before.add(child.pid, run);

  expect(await new Leftovers(realEnv, path).end()).toBe(2);
  expect(await child.exited).not.toBe(0);
  expect(await escaped.exited).not.toBe(0);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual([]);
});

test.skipIf(!linux)("a process that has the pid but not the marker is somebody else's", async () => {
  using temp = tempFolder();
  const path = join(temp.path, "run.json");
  const before = new Leftovers(realEnv, path);
  using child = sleeper("f".repeat(32), "874.3");
  before.add(child.pid, before.newRun());
  expect(await new Leftovers(realEnv, path).end()).toBe(0);
  expect(isAlive(processInfo(child.pid) ?? { pid: 0, startTime: "" })).toBe(true);
});

const ENTRY = { pid: 7, startTime: "100", boot: "b", run: "r" };
const ROWS = [
  // found                                                   is the same
  [{ startTime: "100", boot: "b", hasMarker: true }, true],
  [{ startTime: "100", boot: "b", hasMarker: null }, true],
  [{ startTime: "100", boot: "b", hasMarker: false }, false],
  [{ startTime: "101", boot: "b", hasMarker: null }, false],
  [{ startTime: "100", boot: "c", hasMarker: null }, false],
] as const;

test("a process is known by its start time, the boot, and its marker where it can be seen", () => {
  for (const [found, same] of ROWS) expect([found, isSame(ENTRY, found)]).toEqual([found, same]);
});

test("a file that is none of ours, or none at all, ends nothing", async () => {
  using temp = tempFolder();
  const path = join(temp.path, "run.json");
  expect(await new Leftovers(realEnv, path).end()).toBe(0);
  const me = { pid: process.pid, startTime: processInfo(process.pid)?.startTime, boot: "", run: "" };
  for (const text of ["", "{", "{}", "[1]", '[{"pid":1}]', JSON.stringify([me])]) {
    writeFileSync(path, text);
    expect(await new Leftovers(realEnv, path).end()).toBe(0);
  }
});
