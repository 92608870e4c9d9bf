/** The calls of a plugin's life that have a budget: Describe, which declares its schedules, and Cleanup. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import type { DeclaredSchedule } from "./guard.ts";
import { Harness, type HarnessOptions, writeOdd } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const FIXTURES = [import.meta.dir, "testdata"].join("/");
const BUDGET = "took longer than its budget of 500ms";

function tidy(word: string, more: Partial<HarnessOptions> = {}): Harness {
  return new Harness({ enabled: ["tidy"], paths: [FIXTURES], sections: { tidy: { args: [word] } }, ...more });
}

/** What the plugin and the host wrote into the plugin's log. */
const saidBy = (host: Harness) => host.plugins.logsOf("tidy");
const has = (host: Harness, part: string) => saidBy(host).some((line) => line.includes(part));

test("what a plugin declares reaches the host with its priority and budget; a handler that it lacks is named", async () => {
  const declared: DeclaredSchedule[] = [];
  await using host = tidy("", { declare: async (_, { schedules }) => void declared.push(...schedules) });
  await host.state("tidy", "ready");
  expect(declared).toMatchObject([
    { id: "a", handler: "tidy.stay", when: "1h", priority: 7, timeoutMs: 0 },
    { id: "b", when: "@daily", priority: -1, timeoutMs: 4_000 },
    { id: "c", priority: 7 },
  ]);
  expect(
    has(host, 'Schedule "c" of plugin tidy runs "tidy.nowhere", which the plugin does not announce'),
  ).toBe(true);
});

const UNDESCRIBED = [
  [
    "describe-hangs",
    `Plugin tidy: Describe ${BUDGET} (plugin.describe in qntx.toml) and its process was ended.`,
  ],
  ["describe-throws", "It failed to describe itself: INTERNAL: no list today."],
  ["describe-lies", 'The schedule "a" of plugin tidy has no when. Add one, like when: "5m".'],
] as const;

test.each(UNDESCRIBED)(
  "a plugin whose Describe comes to nothing (%s) does not start: %s",
  async (word, said) => {
    const describeMs = word === "describe-hangs" ? 500 : 20_000;
    await using host = tidy(word, { limits: { describeMs, backoffFirstMs: 60_000 } });
    const { reason, pid } = await host.state("tidy", "failed");
    expect(reason).toContain(said);
    expect(pid).toBeNull();
    expect(has(host, said)).toBe(true);
    expect(has(host, "cleanup was called")).toBe(false);
  },
);

test("a wrong declaration is refused once, quoted in state and logs, and what was taken is let go", async () => {
  const refusal = 'Schedule "a" ("1h"): when: is not to my taste.';
  const declare = () => Promise.reject(new Fault("config", refusal));
  await using host = tidy("", { declare });
  const { reason, restarts } = await host.state("tidy", "failed");
  expect(reason).toBe(refusal);
  expect(restarts).toBe(0);
  expect(host.logged).toContain(`Plugin tidy does not start: ${refusal} plugin=tidy`);
  expect(has(host, refusal)).toBe(true);
  expect(has(host, "cleanup was called")).toBe(true);
});

test("a plugin that fails after it has described itself cleans up", async () => {
  await using host = tidy("start-throws", { limits: { backoffFirstMs: 60_000 } });
  const { reason } = await host.state("tidy", "failed");
  expect(reason).toContain("It failed to initialize: INTERNAL: no database.");
  expect(has(host, "cleanup was called")).toBe(true);
});

test("cleanup comes when the runs have ended, and before the plugin is told to end", async () => {
  await using host = tidy("", { limits: { drainMs: 50, interruptMs: 20_000 } });
  await host.plugins.settled;
  const { outcome } = host.attempt("tidy.stay");
  await host.until(() => host.plugins.status("tidy").running === 1, "the run to begin");
  await host.plugins.stop("tidy");
  expect(await outcome).toEqual({ kind: "returned" });
  const order = saidBy(host).filter((line) => /ended|called/.test(line));
  expect(order).toEqual(["the run has ended", "cleanup was called", "stop was called"]);
});

const CLEANUPS = [
  ["cleanup-hangs", `Plugin tidy: Cleanup ${BUDGET} (plugin.cleanup in qntx.toml) and was cut off.`],
  ["cleanup-blocks", `Plugin tidy: Cleanup ${BUDGET} (plugin.cleanup in qntx.toml) and was cut off.`],
  ["cleanup-throws", "Plugin tidy failed to clean up: INTERNAL: the table is locked."],
] as const;

test.each(CLEANUPS)("a cleanup that %s does not hold up the end: %s", async (word, said) => {
  await using host = tidy(word, { limits: { cleanupMs: 500, shutdownMs: 200, termMs: 200 } });
  await host.plugins.settled;
  const { pid } = host.plugins.status("tidy");
  await host.plugins.stop("tidy");
  expect(host.plugins.status("tidy")).toMatchObject({ state: "stopped", pid: null });
  expect(() => process.kill(pid ?? 0, 0)).toThrow();
  expect(host.logged).toContain(`${said} plugin=tidy`);
  expect(has(host, said)).toBe(true);
});

test("the end of the host is an end too; a process that was killed is not asked", async () => {
  await using host = tidy("", { limits: { backoffFirstMs: 50 } });
  await host.plugins.settled;
  const first = host.plugins.status("tidy").pid ?? 0;
  process.kill(first, "SIGKILL");
  await host.until(() => (host.plugins.status("tidy").pid ?? first) !== first, "the next process");
  await host.state("tidy", "ready");
  expect(has(host, "cleanup was called")).toBe(false);
  await host.stop();
  expect(saidBy(host).filter((line) => line === "cleanup was called")).toHaveLength(1);
  expect(host.logged.filter((line) => line.includes("clean up"))).toEqual([]);
});

test("a plugin that does not know the call is not asked twice, and nobody complains", async () => {
  await using host = new Harness({ enabled: ["odd"], write: (folder) => writeOdd(folder, "odd", "stream") });
  await host.state("odd", "ready");
  await host.stop();
  expect(host.logged.filter((line) => line.includes("clean"))).toEqual([]);
});
