/** The promises of docs/security.md: each names tests, and these are there. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const text = await Bun.file(join(ROOT, "docs/security.md")).text();
const rows = text.split("\n").flatMap((line) => {
  const [, number, promise, tried] = /^\| (S\d+)\s*\| (.+?)\s*\| (.+?)\s*\|$/.exec(line) ?? [];
  return number && promise && tried ? [[number, promise, tried.split("<br>")] as const] : [];
});

test("there are promises", () => {
  expect(rows.length).toBeGreaterThanOrEqual(20);
});

test.each(rows)("%s: %s", async (_, _promise, tried) => {
  for (const each of tried) {
    const [, file, title = ""] = /^`([^`]+)`: (.+)$/.exec(each) ?? [];
    const source = file === undefined ? "" : await Bun.file(join(ROOT, file)).text();
    expect([each, source.replaceAll(/\s+\* /g, " ").includes(title)]).toEqual([each, true]);
  }
});
