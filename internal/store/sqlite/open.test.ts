/** What a database is looked at for before it is used. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDatabase, openDatabase } from "./open.ts";

const PAGE_BYTES = 4_096;

let home: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-open-"));
  path = join(home, "qntx.db");
  closeDatabase(openDatabase(path));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Writes into a page: the last one, which nobody reads only to open the file, or the one of a number, from 0. */
function damage(page = statSync(path).size / PAGE_BYTES - 1): void {
  writeSync(openSync(path, "r+"), Buffer.alloc(2_000, 0xff), 0, 2_000, PAGE_BYTES * page);
}

/** Gives a file the time of another one, to the nanosecond. */
function touch(file: string, like: string): void {
  expect(Bun.spawnSync(["touch", "-r", like, file]).exitCode).toBe(0);
}

test.each([
  ["its last page", undefined],
  ["what it says of its tables", 5],
])("a damaged database is refused: %s", (_, page) => {
  damage(page);
  expect(() => openDatabase(path)).toThrow(/is damaged/);
});

test("one that is as it was when it was closed in order is not looked through again", () => {
  const like = join(home, "like");
  touch(like, path);
  damage();
  touch(path, like);
  openDatabase(path).close(); // Not in order.
  expect(() => openDatabase(path)).toThrow(/is damaged/);
});

test("another copy in its place is looked through", () => {
  const copy = join(home, "copy");
  damage();
  copyFileSync(path, copy);
  rmSync(path);
  closeDatabase(openDatabase(path));
  copyFileSync(copy, path);
  expect(() => openDatabase(path)).toThrow(/is damaged/);
});

test("what was written last is in the file when it is closed, whoever still holds a statement", () => {
  const db = openDatabase(path);
  const statement = db.prepare("INSERT INTO meta VALUES ('a', 'b')");
  statement.run();
  closeDatabase(db);
  expect(statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
});

test("a file that is no database is refused, with another way out than a full disk", () => {
  writeFileSync(path, "no database ".repeat(1_000));
  expect(() => openDatabase(path)).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/cannot be opened: file is not a database\.$/),
      hint: expect.stringContaining("restore a backup"),
    }),
  );
});

test("a database that another process lets go of in a moment is waited for", async () => {
  const holder = `
    const db = new (require("bun:sqlite").Database)(${JSON.stringify(path)});
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    db.run("BEGIN EXCLUSIVE");
    process.stdout.write("held");
    setTimeout(() => process.exit(), 300);`; // By itself: whoever opens a database stands still until he has it.
  const child = Bun.spawn([process.execPath, "-e", holder], { stdout: "pipe" });
  await child.stdout.getReader().read();
  closeDatabase(openDatabase(path));
  await child.exited;
});
