import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, messageOf } from "../base/fault.ts";
import { Harness, writeOdd, writeProgram } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const FIXTURES = [import.meta.dir, "testdata"].join("/");
const NEVER = "no plugin";

test("a plugin of our SDK becomes ready, is registered in one step, and runs a job", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  const status = host.plugins.status("echo");
  expect(status).toMatchObject({
    state: "ready",
    kind: "typescript",
    version: "1.2.3",
    stream: true,
    reason: "",
  });
  expect(host.registry.handlersOf("echo")).toEqual([...status.handlers]);

  const { outcome, lines, progress } = host.attempt("echo.say", '{"a":1}');
  expect(await outcome).toMatchObject({ kind: "completed", result: Buffer.from('{"a":1}') });
  expect(lines).toMatchObject([{ level: "info", message: "saying it", fields: '{"times":1}' }]);
  expect(progress).toEqual([{ current: 1, total: 2, message: "half" }]);
});

const REASONS = [
  // mode              the reason says
  ["wrong-name", 'It says that its name is "other"; it was enabled as "odd".'],
  ["exit", "ended with exit code 1 before it was ready"],
  ["exit", "It said last: the configuration is bad"],
  ["fail-initialize", "It failed to initialize: INTERNAL: no database"],
  ["mute-tcp", "It did not answer Metadata"],
  ["noise-tcp", "It did not answer Metadata"],
  ["http1-tcp", "It did not answer Metadata"],
] as const;

test.each(REASONS)("a plugin that fails to start by %s says: %s", async (mode, reason) => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", mode),
    limits: { handshakeMs: mode.endsWith("-tcp") ? 500 : 20_000, portLineMs: 300, backoffFirstMs: 60_000 },
  });
  const status = await host.state("odd", "failed");
  expect(status.reason).toContain(reason);
  expect(status.reason).toContain("(mode 0755)");
  expect(status).toMatchObject({ pid: null, startsAgain: true });
  await host.plugins.settled;
  expect([...host.registry.lanes()]).toEqual([]);
  expect(host.tokens.size).toBe(0);
});

const STARTS = [
  "plain", // Does not know Describe.
  "empty-describe", // Answers every unknown method with nothing.
  "no-port", // Prints no line and listens where it was asked to.
  "late-port", // Prints the line after we have tried the port that it was asked for.
  "garbage", // Prints bytes and lines that look nearly right first.
  "one-connection", // Lets one TCP connection in at a time.
];

test.each(STARTS)("a plugin of QNTX becomes ready and runs a job: %s", async (mode) => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", mode),
    limits: { portLineMs: 600 },
  });
  const status = await host.state("odd", "ready");
  expect(status).toMatchObject({ stream: false, concurrency: 1, handlers: ["odd.do"] });
  await host.plugins.settled;
  const { outcome, lines, progress } = host.attempt("odd.do", "x");
  expect(await outcome).toMatchObject({ kind: "completed", cost: 0.5 });
  // What it printed while it started may be read only now.
  expect(lines.filter(({ stage }) => stage !== "printed")).toMatchObject([
    { at: Date.UTC(2026, 0, 1), level: "warn", stage: "s", fields: '{"a":1}' },
  ]);
  expect(progress).toEqual([{ current: 0, total: 4, message: "" }]);
});

test("a plugin whose port somebody takes while it starts is asked for another one, and nobody notices", async () => {
  await using thief = new AsyncDisposableStack();
  await using host = new Harness({ enabled: ["odd"], write: writeSlowStarter, limits: { portLineMs: 300 } });
  const asked = join(host.folder, "asked");
  await host.until(() => existsSync(asked), "it to be asked for a port");
  const port = Number(readFileSync(asked, "utf8"));
  thief.use(Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }));
  writeFileSync(join(host.folder, "go"), "");
  await host.plugins.settled;
  expect(host.plugins.status("odd")).toMatchObject({ state: "ready", restarts: 0 });
  const said = "somebody took the port of a plugin while it started; it is asked for another one plugin=odd";
  expect(host.logged.filter((line) => line.startsWith(said))).toHaveLength(1);
  expect(await host.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
});

/** It says which port it is asked for, and waits until it may go on. */
function writeSlowStarter(folder: string): void {
  const inner = join(folder, "inner");
  mkdirSync(inner);
  writeOdd(inner, "odd", "no-port");
  writeProgram(
    join(folder, "qntx-odd-plugin"),
    `#!/bin/sh
echo $2 > ${folder}/asking && mv ${folder}/asking ${folder}/asked
until [ -e ${folder}/go ]; do sleep 0.02; done
exec ${inner}/qntx-odd-plugin "$@"
`,
  );
}

test("a plugin that hangs in Initialize holds up nobody, is late, and leaves no process behind", async () => {
  await using host = new Harness({
    enabled: ["odd", "echo"],
    paths: [FIXTURES],
    write: (folder) => writeOdd(folder, "odd", "hang-initialize"),
    limits: { startupMs: 3_000 },
  });
  await host.plugins.settled;
  expect(host.plugins.status("odd").state).toBe("late");
  expect(await host.attempt("echo.noop").outcome).toMatchObject({ kind: "completed" });
  const { pid } = host.plugins.status("odd");
  await host.stop();
  expect(() => process.kill(pid ?? 0, 0)).toThrow();
});

test("a late plugin joins by a step of its own", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "slow-initialize"),
    limits: { startupMs: 300 },
  });
  await host.plugins.settled;
  expect(host.registry.lane("odd.do")).toBeUndefined();
  await host.state("odd", "ready");
  expect(host.states).toContain("odd late");
  expect(await host.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
});

test("nothing is registered before every plugin is settled, and then all of it at once", async () => {
  await using host = new Harness({
    enabled: ["quick", "slow"],
    write(folder) {
      writeOdd(folder, "quick", "plain");
      writeOdd(folder, "slow", "slow-initialize");
    },
  });
  await host.state("quick", "ready");
  expect([...host.registry.lanes()]).toEqual([]);
  await host.plugins.settled;
  expect(host.logged.filter((line) => line.startsWith("[plugin-loader]"))).toEqual([
    "[plugin-loader] Registering plugin async handlers with Pulse plugins=2",
    "[plugin-loader] Registering plugin async handler plugin=quick handler=quick.do",
    "[plugin-loader] Registering plugin async handler plugin=slow handler=slow.do",
    "[plugin-loader] Plugin async handler registration complete handlers=2",
  ]);
});

test("of two plugins with one handler the first in the configuration keeps it, and both are named", async () => {
  await using host = new Harness({
    enabled: ["first", "second"],
    write(folder) {
      writeOdd(folder, "first", "slow-initialize", "--handlers same.do"); // Order decides, not speed.
      writeOdd(folder, "second", "plain", "--handlers same.do,second.own");
    },
  });
  await host.plugins.settled;
  expect(host.registry.lane("same.do")?.executor.plugin).toBe("first");
  expect(host.plugins.status("first").state).toBe("ready");
  expect(host.plugins.status("second")).toMatchObject({
    state: "conflict",
    conflicts: ["same.do"],
    reason: "Handler same.do stays with plugin first; that of plugin second is reachable as second/same.do.",
  });
  expect(await host.attempt("second.own").outcome).toMatchObject({ kind: "completed" });
  expect(host.registry.lane("second/same.do")?.executor.plugin).toBe("second");
});

test("declared schedules are handed on, and a wrong one is why the plugin does not start", async () => {
  const declared: unknown[] = [];
  await using host = new Harness({
    enabled: ["good", "bad"],
    write(folder) {
      writeOdd(folder, "good", "schedules");
      writeOdd(folder, "bad", "schedules");
    },
    async declare({ plugin }, { schedules }) {
      if (plugin === "bad") throw new Fault("usage", "schedule x: when is wrong.", { hint: "Say 5m." });
      declared.push(...schedules);
    },
  });
  await host.plugins.settled;
  expect(declared).toMatchObject([{ id: "good.do", handler: "good.do", when: "60s", paused: false }]);
  expect(host.plugins.status("bad")).toMatchObject({
    state: "failed",
    reason: "schedule x: when is wrong. Say 5m.",
  });
  expect(host.plugins.status("bad").pid).toBeNull();
});

test("bad handler names are left out with a sentence", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "bad-names"),
  });
  await host.plugins.settled;
  expect(host.plugins.status("odd").handlers).toEqual(["ok.name"]);
  expect(host.logged.filter((line) => line.includes("is left out"))).toHaveLength(3);
});

test("a plugin that is not found says where it was looked for, and is not tried again", async () => {
  await using host = new Harness({ enabled: ["nowhere"], limits: { backoffFirstMs: 1 } });
  await host.plugins.settled;
  const { state, reason } = host.plugins.status("nowhere");
  expect(state).toBe("failed");
  for (const name of ["qntx-nowhere-plugin", "qntx-nowhere", "nowhere"]) {
    expect(reason).toContain(join(host.folder, name));
  }
  writeOdd(host.folder, "nowhere", "plain");
  expect(await host.plugins.restart("nowhere")).toMatchObject({ state: "ready" });
});

test("when a plugin dies its only job is lost at once, and it comes back and is registered again", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "plain"),
    limits: { backoffFirstMs: 100 },
  });
  await host.plugins.settled;
  const before = host.plugins.status("odd").pid;
  expect(await host.attempt("odd.do", "die").outcome).toMatchObject({
    kind: "lost",
    alone: true,
    message: "Plugin odd: its process ended with exit code 3.",
  });
  expect(host.registry.lane("odd.do")).toBeUndefined();
  expect(host.plugins.offers("odd.do")).toBe("odd");
  expect(host.plugins.offers("odd/odd.do")).toBe("odd");
  expect(host.plugins.offers(NEVER)).toBeNull();
  expect(host.tokens.has("odd-1")).toBe(false);

  await host.until(() => host.registry.lane("odd.do") !== undefined, "the next process");
  const after = host.plugins.status("odd");
  expect(after).toMatchObject({ state: "ready", restarts: 1 });
  expect(after.pid).not.toBe(before);
  expect(host.tokens).toEqual(new Set(["odd-2"]));
});

test("jobs that fall together are not alone, and one that was told to end ends as it was told", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  const stays = [host.attempt("echo.stay"), host.attempt("echo.stay")];
  const told = host.attempt("echo.stay");
  told.cancel("timeout");
  await host.until(() => host.plugins.status("echo").running === 3, "three jobs to run");
  process.kill(host.plugins.status("echo").pid ?? 0, "SIGKILL");
  for (const { outcome } of stays) expect(await outcome).toMatchObject({ kind: "lost", alone: false });
  expect(await told.outcome).toMatchObject({ kind: "failed", errorKind: "timeout" });
});

test("a plugin that keeps ending is quarantined, and a restart lifts that", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "exit"),
    limits: { backoffFirstMs: 5, backoffMaxMs: 10, crashesMax: 3 },
  });
  const status = await host.state("odd", "quarantined");
  expect(status).toMatchObject({ restarts: 2, startsAgain: false });
  expect(status.reason).toContain("the configuration is bad");
  expect(status.reason).toContain("It has ended 3 times in short time and waits for a restart.");
  expect(host.givenUp).toEqual([`odd: ${status.reason}`]);
  writeOdd(host.folder, "odd", "plain");
  expect(await host.plugins.restart("odd")).toMatchObject({ state: "ready", reason: "" });
});

test("a process that somebody stopped is replaced", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "plain"),
    limits: { stoppedMs: 500, backoffFirstMs: 50 },
  });
  await host.plugins.settled;
  const first = host.plugins.status("odd").pid ?? 0;
  const { outcome } = host.attempt("odd.do", "hang");
  process.kill(first, "SIGSTOP");
  expect(await outcome).toMatchObject({
    kind: "lost",
    message: "Plugin odd: its process ended with signal SIGKILL.",
  });
  await host.until(() => (host.plugins.status("odd").pid ?? first) !== first, "another process");
  await host.state("odd", "ready");
});

test.each(["no-health", "sick"])(
  "Health that is not well (%s) marks the plugin and ends nothing",
  async (mode) => {
    await using host = new Harness({
      enabled: ["odd"],
      write: (folder) => writeOdd(folder, "odd", mode),
      limits: { healthEveryMs: 100, healthMs: 200 },
    });
    const { pid, reason } = await host.state("odd", "unresponsive");
    expect(reason).toContain(mode === "sick" ? "no disk" : "does not answer Health");
    await host.plugins.settled;
    expect(await host.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
    expect(host.plugins.status("odd").pid).toBe(pid);
  },
);

test("replace ends the process; the others in it are lost but not blamed, and it starts again at once", async () => {
  await using host = new Harness({
    enabled: ["echo"],
    paths: [FIXTURES],
    limits: { backoffFirstMs: 60_000 },
  });
  await host.plugins.settled;
  const deaf = host.attempt("echo.stay");
  const neighbour = host.attempt("echo.stay");
  deaf.cancel("cancelled");
  host.registry.lane("echo.stay")?.executor.replace("job JB_1 ignored its cancellation");
  expect(await deaf.outcome).toEqual({ kind: "cancelled", message: "The job was cancelled while it ran." });
  expect(await neighbour.outcome).toMatchObject({ kind: "lost", alone: false });
  await host.until(() => host.registry.lane("echo.stay") !== undefined, "the next process");
  expect(host.plugins.status("echo")).toMatchObject({ state: "ready", restarts: 1 });
});

test("handlers that change while the plugin runs are registered in a step", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  expect(await host.attempt("echo.grow").outcome).toMatchObject({ kind: "completed" });
  await host.until(() => host.registry.lane("echo.grown") !== undefined, "the new handler");
  expect(host.registry.lane("echo.say")).toBeUndefined();
  expect(host.plugins.status("echo").handlers).toEqual(["echo.noop", "echo.grown"]);
  expect(await host.attempt("echo.grown").outcome).toMatchObject({
    kind: "completed",
    result: Buffer.from('"grown"'),
  });
});

test("stop gives running jobs back, and the plugin can be started again", async () => {
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES] });
  await host.plugins.settled;
  const { outcome } = host.attempt("echo.stay");
  await host.plugins.stop("echo");
  expect(await outcome).toEqual({ kind: "returned" });
  expect(host.plugins.status("echo")).toMatchObject({ state: "stopped", pid: null });
  expect(host.registry.lane("echo.stay")).toBeUndefined();
  host.plugins.start("echo");
  await host.state("echo", "ready");
  expect(await host.attempt("echo.noop").outcome).toMatchObject({ kind: "completed" });
});

test("a plugin that stays after Shutdown is ended all the same", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write(folder) {
      writeProgram(join(folder, "deaf.sh"), "");
      writeOdd(folder, "odd", "stay");
    },
    limits: { termMs: 200 },
  });
  await host.plugins.settled;
  const pid = host.plugins.status("odd").pid ?? 0;
  await host.plugins.stop("odd");
  expect(() => process.kill(pid, 0)).toThrow();
});

test("a plugin at an address is used and not ended", async () => {
  await using one = new Harness({ enabled: ["odd"], write: (folder) => writeOdd(folder, "odd", "plain") });
  await one.plugins.settled;
  const pid = one.plugins.status("odd").pid ?? 0;
  const port = await listeningPort(pid);
  {
    await using two = new Harness({ enabled: ["odd"], sections: { odd: { address: `127.0.0.1:${port}` } } });
    await two.plugins.settled;
    expect(two.plugins.status("odd")).toMatchObject({ state: "ready", kind: "address", pid: null });
    expect(await two.attempt("odd.do").outcome).toMatchObject({ kind: "completed" });
  }
  expect(process.kill(pid, 0)).toBe(true);
});

test("what a plugin prints is in its log, the config reaches it, and its port line is not", async () => {
  await using host = new Harness({
    enabled: ["odd"],
    write: (folder) => writeOdd(folder, "odd", "plain"),
    config: { key: "v" },
  });
  await host.until(() => host.lines.some((line) => line.includes("initialized")), "the line");
  expect(host.plugins.logsOf("odd")).toContain('initialized with {"key":"v"}');
  await host.plugins.settled;
  await host.stop();
  const file = readFileSync(join(host.home, "logs", "odd.log"), "utf8");
  expect(file).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z\tINFO\tinitialized with {"key":"v"}$/m);
  expect(file).not.toContain("QNTX_PLUGIN_PORT");
});

test("a request reaches the plugin, and an answer that is none is a Fault", async () => {
  await using host = new Harness({
    enabled: ["odd", "bad"],
    write(folder) {
      writeOdd(folder, "odd", "plain");
      writeOdd(folder, "bad", "bad-http");
    },
  });
  const request = { method: "GET", path: "/a?b=c", headers: [], body: new Uint8Array() };
  expect(() => host.plugins.http("none", request)).toThrow("There is no plugin");
  await host.plugins.settled;
  expect(await host.plugins.http("odd", request)).toMatchObject({
    statusCode: 200,
    body: Buffer.from("/a?b=c"),
  });
  await expect(host.plugins.http("bad", request)).rejects.toThrow("status 7");
  for (const path of ["/nothing", "/empty"]) {
    const refused = await host.plugins.http("odd", { ...request, path }).catch(messageOf);
    expect(refused).toBe(`Plugin odd has no GET ${path}.`);
  }
  // What QNTX does for those that know their routes by the whole path.
  const whole = await host.plugins.http("odd", { ...request, path: "/whole" });
  expect(whole.body.toString()).toBe("/api/odd/whole");
  await host.plugins.stop("odd");
  await expect(host.plugins.http("odd", request)).rejects.toThrow("Plugin odd is stopped.");
});

/** The port that a process listens on, as the kernel sees it. */
async function listeningPort(pid: number): Promise<number> {
  const inodes = new Set<string>();
  for (const fd of new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/fd`, onlyFiles: false })) {
    const link = await Bun.$`readlink /proc/${pid}/fd/${fd}`.quiet().text();
    const inode = /socket:\[(\d+)\]/.exec(link)?.[1];
    if (inode) inodes.add(inode);
  }
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    if (columns[3] === "0A" && inodes.has(columns[9] ?? ""))
      return Number.parseInt(columns[1]?.split(":")[1] ?? "", 16);
  }
  throw new Error(`Process ${pid} listens on no port.`);
}
