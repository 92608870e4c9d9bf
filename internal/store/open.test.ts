/** What is said of a data folder that cannot be used. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { openStore } from "./open.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "qntx-open-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (home: string) => openStore(new FakeEnv(), home, { locksBy: "store", log: silentLog });

test("a folder that is there and cannot be written to is not said to be missing", () => {
  mkdirSync(join(folder, "host.lock")); // Like a read-only disk, for those who may write everywhere too.
  expect(() => open(folder)).toThrow(/^home: the data folder \S+ cannot be written to: /);
});

test("a folder whose place is taken cannot be made", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const home of [file, join(file, "home")])
    expect(() => open(home)).toThrow(/^home: the data folder \S+ cannot be made: /);
});
