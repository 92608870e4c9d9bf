/** Jobs that somebody else's decision cuts short: a plugin that is stopped, a host that ends. They pay nothing for it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Harness } from "./testdata/harness.ts";

setDefaultTimeout(60_000);

const FIXTURES = join(import.meta.dir, "testdata");

/** It takes a while to stop, so that what its jobs say about their end arrives before the end. */
const SLOW = `
  import { definePlugin } from "qntx";
  const told = (job) => new Promise((end) => job.signal.addEventListener("abort", () => end(job.signal.reason)));
  export default definePlugin({
    name: "slow",
    version: "1.0.0",
    jobs: {
      give: async (job) => void (await told(job)),
      throw: async (job) => { throw await told(job); },
      stay: () => new Promise(() => {}),
    },
    stop: () => Bun.sleep(200),
  });
`;

test("jobs that outlast a plugin's restart go back, whether they return early, throw or do not listen", async () => {
  await using host = new Harness({
    enabled: ["slow"],
    write: (folder) => writeFileSync(join(folder, "slow.ts"), SLOW),
    limits: { drainMs: 50 },
  });
  await host.plugins.settled;
  const attempts = ["slow.give", "slow.throw", "slow.stay"].map((handler) => host.attempt(handler));
  await host.until(() => host.plugins.status("slow").running === 3, "three jobs to run");
  await host.plugins.restart("slow");
  for (const { outcome } of attempts) expect(await outcome).toEqual({ kind: "returned" });
});

test("when everything is killed because the host ends, nothing is lost and nothing starts again", async () => {
  await using host = new Harness({
    enabled: ["echo"],
    paths: [FIXTURES],
    limits: { backoffFirstMs: 1, backoffMaxMs: 1 },
  });
  await host.plugins.settled;
  const attempts = [host.attempt("echo.stay"), host.attempt("echo.wait")];
  await host.until(() => host.plugins.status("echo").running === 2, "two jobs to run");
  await host.plugins.killAll();
  for (const { outcome } of attempts) expect(await outcome).toEqual({ kind: "returned" });
  await host.state("echo", "stopped");
  expect(host.plugins.status("echo").restarts).toBe(0);
});

test("a plugin that ends by itself while its host ends costs its jobs nothing, and is not started again", async () => {
  await using host = new Harness({
    enabled: ["echo"],
    paths: [FIXTURES],
    limits: { backoffFirstMs: 1, backoffMaxMs: 1 },
  });
  await host.plugins.settled;
  const attempts = [host.attempt("echo.stay"), host.attempt("echo.stay")];
  await host.until(() => host.plugins.status("echo").running === 2, "two jobs to run");
  const { pid } = host.plugins.status("echo");
  const ending = host.drain();
  process.kill(pid ?? 0, "SIGKILL");
  for (const { outcome } of attempts) expect(await outcome).toEqual({ kind: "returned" });
  await ending;
  expect(host.plugins.status("echo")).toMatchObject({ state: "stopped", restarts: 0 });
});
