import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { FakeEnv } from "../base/fake-env.ts";
import { LOG_FILE_BYTES_MAX, LogFile } from "./log-file.ts";
import { tempFolder } from "./testdata/harness.ts";

test("lines have a time and a level, and only we may read them", () => {
  using temp = tempFolder();
  const path = join(temp.path, "logs", "x.log");
  const file = new LogFile(new FakeEnv(), path);
  file.line("info", "one");
  file.line("warn", "two");
  file.flush();
  const at = "2026-01-01T00:00:00.000Z";
  expect(readFileSync(path, "utf8")).toBe(`${at}\tINFO\tone\n${at}\tWARN\ttwo\n`);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a full file becomes .1, and the third oldest goes", () => {
  using temp = tempFolder();
  const path = join(temp.path, "x.log");
  const file = new LogFile(new FakeEnv(), path);
  for (const letter of ["a", "b", "c", "d"]) {
    file.line("info", letter.repeat(LOG_FILE_BYTES_MAX));
    file.flush();
  }
  expect(readdirSync(temp.path).sort()).toEqual(["x.log", "x.log.1", "x.log.2"]);
  expect(readFileSync(path, "utf8").at(-2)).toBe("d");
  expect(readFileSync(`${path}.2`, "utf8").at(-2)).toBe("b");
});

test("a line that cannot be written is lost, and nothing else", () => {
  using temp = tempFolder();
  const file = new LogFile(new FakeEnv(), join(temp.path, "logs", "x.log"));
  temp[Symbol.dispose]();
  file.line("info", "one");
  file.flush();
});
