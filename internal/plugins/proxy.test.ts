import { expect, setDefaultTimeout, test } from "bun:test";
import type { Job } from "../job/job.ts";
import { Harness, writeOdd } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const FIXTURES = `${import.meta.dir}/testdata`;

/** One plugin for the unary rows and one for the stream rows. */
async function odd(mode: "plain" | "stream"): Promise<Harness> {
  const host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", mode),
    limits: { backoffFirstMs: 50 },
  });
  await host.plugins.settled;
  return host;
}

const UNARY = [
  // the plugin answers           the attempt's ending
  ["no", { kind: "failed", message: "I will not", permanent: false }],
  ["broken", { kind: "failed", message: "plugin execution failed: it fell over", errorKind: "rpc" }],
  ["busy", { kind: "failed", message: "plugin execution failed: come back later", errorKind: "rpc" }],
  ["gone", { kind: "disowned" }],
  ["nan", { kind: "completed", cost: 0, result: null }],
  ["huge", { kind: "failed", permanent: true, errorKind: "result" }],
  ["endless", { kind: "failed", errorKind: "rpc" }],
  ["no-protobuf", { kind: "failed", errorKind: "rpc" }],
  ["cut-off", { kind: "failed", errorKind: "rpc" }],
  ["no-utf8", { kind: "failed", message: "\uFFFDA\uFFFD" }],
] as const;

test("every answer to ExecuteJob is an ending", async () => {
  await using host = await odd("plain");
  for (const [word, ending] of UNARY) {
    expect(await host.attempt("odd.do", word).outcome).toMatchObject(ending);
  }
  expect(host.logged).toContain("cost NaN is not an amount and counts as 0 plugin=odd");
});

test("cancelling a unary attempt reaches the plugin and ends as it was told", async () => {
  await using host = await odd("plain");
  for (const [reason, kind] of [
    ["cancelled", "cancelled"],
    ["timeout", "failed"],
    ["shutdown", "returned"],
  ] as const) {
    const attempt = host.attempt("odd.do", "hang");
    attempt.cancel(reason);
    expect(await attempt.outcome).toMatchObject({ kind });
  }
  await host.until(
    () => host.lines.filter((line) => line.includes("told to cancel")).length === 3,
    "three cancellations",
  );
});

test("a unary attempt that is told to end has not ended while its plugin answers nothing", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "no-health"),
  });
  await host.plugins.settled;
  const attempt = host.attempt("odd.do", "hang");
  attempt.cancel("timeout");
  await host.until(() => host.lines.some((line) => line.includes("told to cancel")), "the cancellation");
  expect(host.plugins.status("odd").running).toBe(1);
  // What Pulse does when its grace is over.
  host.registry.lane("odd.do")?.executor.replace("it ignored its cancellation");
  expect(await attempt.outcome).toMatchObject({ kind: "failed", errorKind: "timeout" });
});

test("what the process prints is said by the job that runs alone in it, and by none of several", async () => {
  await using host = await odd("stream");
  const printed = (text: string) => host.until(() => host.lines.some((line) => line.includes(text)), text);
  const first = host.attempt("odd.do", "print one", { id: "JB_1" });
  await printed("print one");
  expect(first.lines).toMatchObject([{ level: "info", message: "print one", stage: "printed" }]);
  const second = host.attempt("odd.do", "print two", { id: "JB_2" });
  await printed("print two");
  expect(first.lines).toHaveLength(1);
  expect(second.lines).toEqual([]);
});

test("an attempt that was told to end before it began never reaches the plugin", async () => {
  await using host = await odd("stream");
  const signal = AbortSignal.abort("shutdown");
  expect(await host.attempt("odd.do", "close", {}, signal).outcome).toEqual({ kind: "returned" });
  expect(host.plugins.status("odd").running).toBe(0);
  // Had it arrived, the stream would be closed.
  expect(await host.attempt("odd.do", "x").outcome).toMatchObject({ kind: "completed" });
});

test("what a plugin sends for another attempt is dropped and said", async () => {
  await using host = await odd("stream");
  const { outcome, lines, progress } = host.attempt("odd.do", "stray");
  expect(await outcome).toMatchObject({ kind: "completed", result: Buffer.from("stray") });
  expect(lines).toEqual([]);
  expect(progress).toEqual([]);
  const said = "a message was for an attempt that does not run here, and is dropped";
  // Four strays, said at the first: a plugin that sends millions must not fill the log.
  expect(host.logged.filter((line) => line.startsWith(said))).toEqual([
    `${said} plugin=odd job=JB_none fence=1 dropped=1`,
  ]);
});

test("numbers and texts that make no sense are set right", async () => {
  await using host = await odd("stream");
  const { outcome, lines, progress } = host.attempt("odd.do", "odd");
  expect(await outcome).toMatchObject({ kind: "completed", cost: 0 });
  expect(progress).toEqual([{ current: 0, total: 0, message: "a\uFFFDb" }]);
  expect(lines).toMatchObject([{ level: "info", at: 0, fields: "" }]);
  expect(lines[0]?.message.length).toBeLessThan(16_600);
  expect(await host.attempt("odd.do", "mute").outcome).toMatchObject({
    kind: "failed",
    message: "The plugin gave no reason.",
  });
});

test.each(["close", "huge", "no-protobuf", "cut-off"])(
  "a stream that breaks (%s) takes the process with it: nobody knows what still runs",
  async (word) => {
    await using host = await odd("stream");
    const { pid } = host.plugins.status("odd");
    const other = host.attempt("odd.do", "hang");
    expect(await host.attempt("odd.do", word).outcome).toMatchObject({ kind: "lost", alone: false });
    expect(await other.outcome).toMatchObject({ kind: "lost", alone: false });
    await host.until(() => host.registry.lane("odd.do") !== undefined, "the next process");
    expect(host.plugins.status("odd").pid).not.toBe(pid);
  },
);

test("a job that breaks the stream by itself is blamed, so that it cannot do so for ever", async () => {
  await using host = await odd("stream");
  expect(await host.attempt("odd.do", "cut-off").outcome).toMatchObject({
    kind: "lost",
    alone: true,
    message: expect.stringContaining("Plugin odd: its job stream ended: "),
  });
});

test("a job stream that is announced and does not open is a reason not to start", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "no-stream"),
    limits: { backoffFirstMs: 60_000 },
  });
  const { reason } = await host.state("odd", "failed");
  expect(reason).toContain("The job stream ended before it was open: no such method.");
});

const STREAM = [
  // handler           the attempt's ending
  ["echo.noop", { kind: "completed", result: null, cost: 0 }],
  ["echo.fail", { kind: "failed", message: "it broke", errorKind: "TypeError", permanent: false }],
  ["echo.refuse", { kind: "failed", message: "never", permanent: true }],
  ["echo.later", { kind: "failed", message: "not now", retryAfterMs: 1_234 }],
  ["echo.nap", { kind: "snoozed", delayMs: 4_321 }],
] as const;

test("every ending of our SDK arrives as it was meant", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  for (const [handler, ending] of STREAM) {
    expect(await host.attempt(handler).outcome).toMatchObject(ending);
  }
  // A job can be claimed for a handler that the plugin has just given up.
  const executor = host.registry.lane("echo.noop")?.executor;
  expect(executor).toBeDefined();
  const gone = host.attempt("echo.noop", "", { handler: "echo.never" });
  expect(await gone.outcome).toEqual({ kind: "disowned" });
});

test("a job that obeys its signal by returning early was not completed", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  const endings = [
    ["cancelled", { kind: "cancelled", message: "The job was cancelled while it ran." }],
    [
      "timeout",
      { kind: "failed", errorKind: "timeout", message: expect.stringContaining("took longer than") },
    ],
    ["shutdown", { kind: "returned" }],
  ] as const;
  for (const [reason, ending] of endings) {
    for (const handler of ["echo.give", "echo.wait"]) {
      const attempt = host.attempt(handler);
      attempt.cancel(reason);
      expect(await attempt.outcome).toMatchObject(ending);
    }
  }
});

test("the stream carries thousands of jobs a second", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  const jobs = 20_000;
  let next = 0;
  const started = performance.now();
  const lane = async () => {
    while (next++ < jobs) {
      const { outcome } = host.attempt("echo.noop");
      if ((await outcome).kind !== "completed") throw new Error("a no-op did not complete");
    }
  };
  await Promise.all(Array.from({ length: 100 }, lane));
  // More than 100,000 a second on an idle machine; a timer or a message for each job would be far below this.
  expect(jobs / ((performance.now() - started) / 1_000)).toBeGreaterThan(5_000);
});

test("a plugin of QNTX finds beside the request which run it is, in headers of plain ASCII", async () => {
  await using host = new Harness({ enabled: ["odd"], write: (folder) => writeOdd(folder, "odd", "plain") });
  await host.plugins.settled;
  const resultOf = async (job: Partial<Job>): Promise<Record<string, string>> => {
    const outcome = await host.attempt("odd.do", "headers", job).outcome;
    const result = outcome.kind === "completed" ? outcome.result : null;
    const headers: Record<string, string> = JSON.parse(Buffer.from(result ?? []).toString());
    return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("qntx-")));
  };
  expect(await resultOf({})).toEqual({
    "qntx-attempt": "1",
    "qntx-max-attempts": "3",
    "qntx-trigger": "enqueue",
  });
  const run = {
    trigger: "schedule",
    attempt: 2,
    scheduleId: "SC_1",
    declaredId: "nightly",
    occurrence: Date.UTC(2026, 0, 1),
    runCount: 7,
    catchup: true,
    tenant: "100 % Zürich\n",
  } as const;
  expect(await resultOf(run)).toEqual({
    "qntx-attempt": "2",
    "qntx-max-attempts": "3",
    "qntx-trigger": "schedule",
    "qntx-schedule-id": "SC_1",
    "qntx-declared-id": "nightly",
    "qntx-occurrence": "2026-01-01T00:00:00.000Z",
    "qntx-run-count": "7",
    "qntx-catchup": "true",
    "qntx-tenant": "100 %25 Z%C3%BCrich%0A",
  });
});
