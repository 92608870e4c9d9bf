/** What is installed is on the disk, with its names, before anybody hears of it: seen by strace, call by call. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Event, readTrace, straceWords } from "./power-trace.ts";

const folder = mkdtempSync(join(tmpdir(), "qntx-power-install-test-"));

afterAll(() => rmSync(folder, { recursive: true }));

/** What a program does to one folder that it places a plugin in. */
function eventsOfPlacing(from: string, root: string): Event[] {
  const trace = join(folder, "trace");
  const module = (path: string) => JSON.stringify(join(import.meta.dir, "../../internal", path));
  const code = `
    const { realEnv } = await import(${module("base/env.ts")});
    const { place } = await import(${module("plugins/placing.ts")});
    await place(realEnv, ${JSON.stringify(from)}, ${JSON.stringify(root)});`;
  const words = [...straceWords(trace), process.execPath, "-e", code];
  const { exitCode, stderr } = Bun.spawnSync(words);
  expect([exitCode, stderr.toString()]).toEqual([0, ""]);
  return readTrace(readFileSync(trace, "utf8"), root);
}

test("a plugin that is placed is synced as a whole, and then its name", () => {
  const from = join(folder, "from");
  mkdirSync(join(from, "lib"), { recursive: true });
  for (const name of ["plugin.ts", "lib/part.ts"]) writeFileSync(join(from, name), `// ${name}`);
  const events = eventsOfPlacing(from, join(folder, "root"));
  const rename = events.findIndex(({ kind }) => kind === "rename");
  const synced = (path: string) =>
    events.findLastIndex((event) => event.kind === "sync" && event.path === path);
  const last = (path: string) =>
    events.findLastIndex((event) => event.kind === "write" && event.path === path);
  const made = events.filter(({ kind }) => kind === "make").map(({ path }) => path);
  const inDraft = made.filter((path) => path.includes(".draft-"));
  expect(inDraft).toHaveLength(4); // The draft, lib and two files.
  for (const path of inDraft) {
    expect(synced(path)).toBeGreaterThan(last(path));
    expect(synced(path)).toBeLessThan(rename);
  }
  expect(synced(dirname(inDraft[0] ?? ""))).toBeGreaterThan(rename);
});
