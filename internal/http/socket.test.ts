/** Where the socket is, and what counts as a host that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { ANSWER_MS, hostAnswers, socketPath } from "./socket.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "qntx-socket-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Looks for the socket of a folder whose path is too long, with another temporary folder. */
function fallback(): string {
  const before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  try {
    return socketPath(`/${"x".repeat(120)}`);
  } finally {
    if (before === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = before;
  }
}

test("the socket is in the data folder, or, where the path is too long, in a folder of ours", () => {
  expect(socketPath("/home/me/.qntx")).toBe("/home/me/.qntx/host.sock");
  const path = fallback();
  expect(path).toStartWith(join(folder, `qntx-${process.getuid?.()}`));
  expect(path.length).toBeLessThan(104);
  expect(fallback()).toBe(path);
});

test("a folder that others could use is refused", () => {
  const shared = join(folder, `qntx-${process.getuid?.()}`);
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  expect(fallback).toThrow(Fault);
});

test("a host that takes the connection and says nothing does not answer", async () => {
  const env = new FakeEnv();
  const path = join(folder, "host.sock");
  const asked = Promise.withResolvers<void>();
  const stuck = Bun.listen({ unix: path, socket: { data: () => asked.resolve() } });
  const answers = hostAnswers(env, path);
  await asked.promise;
  await env.advance(ANSWER_MS);
  expect(await answers).toBe(false);
  stuck.stop(true);
  expect(await hostAnswers(env, path)).toBe(false);
});
