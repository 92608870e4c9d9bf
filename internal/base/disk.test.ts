/** Folders and files are there with their modes; that they outlive the power is shown by scripts/prove/power.ts. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFolder, writeWhole } from "./disk.ts";

const folder = mkdtempSync(join(tmpdir(), "qntx-disk-test-"));

afterAll(() => rmSync(folder, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("a folder is made with those that it is in, once", () => {
  const path = join(folder, "a", "b", "..", "c");
  for (let time = 0; time < 2; time++) makeFolder(path, 0o700);
  expect(modeOf(join(folder, "a", "c"))).toBe(0o700);
});

test("a file is replaced as a whole, and nothing else is left", () => {
  const path = join(folder, "file");
  writeWhole(path, "a long one", 0o600);
  writeWhole(path, "short", 0o600);
  expect([readFileSync(path, "utf8"), modeOf(path)]).toEqual(["short", 0o600]);
  expect(readdirSync(folder).filter((name) => name.startsWith("file"))).toEqual(["file"]);
});
