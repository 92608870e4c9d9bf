/** Upgrades that something comes in between of: another change, an end of the host, a death of the new version. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../base/env.ts";
import type { Install } from "../plugin/install.ts";
import { installRoot, programIn } from "./installed.ts";
import { place } from "./placing.ts";
import { Harness, writeOdd } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const LIMITS = { proofMs: 50, portLineMs: 600 };
const STEPS = { accept: async () => {}, keep: async () => {} };

/** A version of a plugin, placed as `plugin install` does it. */
async function version(host: Harness, more = ""): Promise<Install> {
  writeOdd(host.folder, "odd", "plain", more);
  const file = join(host.folder, "qntx-odd-plugin");
  const { digest, folder } = await place(realEnv, file, installRoot(host.home, "odd"));
  return { name: "odd", tenant: "", digest, ...programIn(folder), file, at: 0, by: "test" };
}

function pids(host: Harness): number[] {
  const entries = JSON.parse(readFileSync(join(host.home, "plugins.run.json"), "utf8")) as { pid: number }[];
  return entries.map(({ pid }) => pid);
}

test("while a plugin is upgraded nobody else changes it, and one process is left", async () => {
  await using host = new Harness({ enabled: [], limits: LIMITS });
  await host.plugins.settled;
  await host.plugins.add(await version(host));
  const [second, third] = [await version(host, "--second yes"), await version(host, "--third yes")];
  const accepting = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const accept = () => (accepting.resolve(), go.promise);
  const upgrade = host.plugins.upgrade(second, { ...STEPS, accept });
  await accepting.promise;
  const sentence = "Plugin odd is being upgraded, stopped or restarted just now.";
  await expect(host.plugins.upgrade(third, STEPS)).rejects.toThrow(sentence);
  await expect(host.plugins.remove("odd")).rejects.toThrow(sentence);
  await expect(host.plugins.enable("odd", false)).rejects.toThrow(sentence);
  await expect(host.plugins.restart("odd")).rejects.toThrow(sentence);
  await expect(host.plugins.stop("odd")).rejects.toThrow(sentence);
  expect(() => host.plugins.start("odd")).toThrow(sentence);
  go.resolve();
  const { pid } = await upgrade;
  expect(pids(host)).toEqual([pid ?? 0]);
  expect(host.tokens.size).toBe(1);
  await host.plugins.remove("odd");
  expect(pids(host)).toEqual([]);
});

test("a new version that dies in the moment it is taken gets its handlers when it is back, and none goes to the old one", async () => {
  await using host = new Harness({ enabled: [], limits: { ...LIMITS, backoffFirstMs: 1_500 } });
  await host.plugins.settled;
  const { pid: old } = await host.plugins.add(await version(host));
  const next = await version(host, "--second yes");
  const keep = async () => {
    const pid = pids(host).find((one) => one !== old) ?? 0;
    process.kill(pid, "SIGKILL");
    await host.until(() => !pids(host).includes(pid), "it to be gone");
  };
  const before = host.registry.lane("odd.do")?.executor;
  await host.plugins.upgrade(next, { ...STEPS, keep });
  expect(host.registry.lane("odd.do")?.executor).not.toBe(before);
  await host.until(() => host.plugins.status("odd").state === "ready", "it to be back");
  expect(await host.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
});

test.each(["accept", "keep"] as const)(
  "where %s fails, the old version serves and nothing is left of the new one",
  async (step) => {
    await using host = new Harness({ enabled: [], limits: LIMITS });
    await host.plugins.settled;
    const { pid } = await host.plugins.add(await version(host));
    const next = await version(host, "--second yes");
    const fails = () => Promise.reject(new Error("the disk is full"));
    await expect(host.plugins.upgrade(next, { ...STEPS, [step]: fails })).rejects.toThrow("the disk is full");
    await host.until(() => pids(host).length === 1, "the new one to be gone");
    expect(host.plugins.status("odd")).toMatchObject({ state: "ready", pid });
    expect(await host.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
  },
);

test("a host that ends starts no new version, and nothing that is installed", async () => {
  await using host = new Harness({ enabled: [], limits: LIMITS });
  await host.plugins.settled;
  await host.plugins.add(await version(host));
  const next = await version(host, "--second yes");
  await host.drain();
  await expect(host.plugins.upgrade(next, STEPS)).rejects.toThrow("does not run");
  const late = await host.plugins.add({ ...next, name: "late" });
  expect(late).toMatchObject({ state: "stopped", pid: null });
  expect(pids(host)).toEqual([]);
});
