/** Job logs when the disk does not do as told, and what a job's cap is worth after a restart. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import { FakeEnv } from "../../base/fake-env.ts";
import type { Log } from "../../base/log.ts";
import { JOB_LOG_BYTES_MAX, SqliteLogs } from "./logs.ts";

let home: string;
let env: FakeEnv;
let logs: SqliteLogs;
let said: string[];

const log: Log = { debug() {}, info: (line) => said.push(line), warn() {}, error: (line) => said.push(line) };
const open = () => new SqliteLogs(env, { path: join(home, "logs.db"), log });
const line = (message: string) => ({ at: 1, attempt: 1, level: "info", message, stage: "", fields: "" });
const messages = async (jobId = "JB_a", after = 0) =>
  (await logs.read(jobId, { after, limit: 10_000 })).map(({ seq, message }) => `${seq} ${message}`);

/** What a full disk is to a writer: nothing can be written until it is mended. */
function fillDisk(): { mend(): void } {
  const db = new Database(join(home, "logs.db"));
  db.run("CREATE TRIGGER full_disk BEFORE INSERT ON job_log BEGIN SELECT RAISE(ABORT, 'disk full'); END");
  return {
    mend() {
      db.run("DROP TRIGGER full_disk");
      db.close();
    },
  };
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-logs-"));
  env = new FakeEnv();
  said = [];
  logs = open();
});
afterEach(() => {
  logs.close();
  rmSync(home, { recursive: true });
});

test("lines that cannot be written harm nobody, and are written when they can be", async () => {
  logs.append("JB_a", [line("before")]);
  await env.advance(1_000);
  const disk = fillDisk();
  logs.append("JB_a", [line("during")]);
  await env.advance(20_000);
  disk.mend();
  logs.append("JB_a", [line("after")]);
  await env.advance(10_000);
  expect(await messages()).toEqual(["1 before", "2 during", "3 after"]);
  expect(said).toEqual([
    "what jobs say cannot be written; it is held for a while",
    "what jobs say is written again",
  ]);
});

test("what cannot be held either is one marked gap", async () => {
  logs.append("JB_a", [line("before")]);
  await env.advance(1_000);
  const disk = fillDisk();
  for (let i = 0; i < 60; i++)
    logs.append(
      `JB_${i}`,
      Array.from({ length: 1_000 }, () => line("x")),
    );
  logs.append("JB_a", [line("lost"), line("lost")]);
  logs.append("JB_a", [line("lost")]);
  disk.mend();
  await env.advance(10_000);
  logs.append("JB_a", [line("after")]);
  expect(await messages()).toEqual([
    "1 before",
    expect.stringContaining("2 Something is missing"),
    "3 after",
  ]);
});

test("a log that is full stays so after a restart, with one marker", async () => {
  const half = line("x".repeat(JOB_LOG_BYTES_MAX / 2));
  logs.append("JB_a", [half, half, half]);
  logs.close();
  logs = open();
  logs.append("JB_a", [line("more")]);
  const kept = await messages();
  expect(kept).toHaveLength(2);
  expect(kept.at(-1)).toContain("The log of this job is full");
});

test("empty lines have an end as well", async () => {
  for (let i = 0; i < 150; i++)
    logs.append(
      "JB_a",
      Array.from({ length: 1_000 }, () => line("")),
    );
  expect((await messages("JB_a", 130_000)).at(-1)).toContain("The log of this job is full");
});

test("a file that is no database is said in a sentence", () => {
  const path = join(home, "other.db");
  writeFileSync(path, "this is not a database, and it is longer than a header".repeat(100));
  expect(() => new SqliteLogs(env, { path, log })).toThrow(Fault);
});
