/** What a database is looked at for before it is used. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import { openDatabase } from "./open.ts";

let home: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-open-"));
  path = join(home, "qntx.db");
});
afterEach(() => rmSync(home, { recursive: true }));

/** A database with a page in the middle that is not what it was. */
function damaged(): void {
  openDatabase(path, "always").close();
  writeSync(openSync(path, "r+"), Buffer.alloc(2_000, 0xff), 0, 2_000, 4_096 * 5);
}

test("a damaged database is refused by a host, and by everybody after a crash", () => {
  damaged();
  expect(() => openDatabase(path, "always")).toThrow(/is damaged/);
  copyFileSync(path, `${path}-wal`); // Whatever is in it: it is there.
  expect(() => openDatabase(path, "after-a-crash")).toThrow(Fault);
});

test("one that was closed in order is not looked through by every command", () => {
  damaged();
  openDatabase(path, "after-a-crash").close();
});
