/**
 * The Python SDK, by what a host sees of it: real python processes, spoken to over
 * gRPC. Fails with a sentence where no python3 has grpcio.
 */
import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { EchoHost } from "./testdata/host.ts";
import { PluginProcess } from "./testdata/process.ts";

const HELLO = "examples/hello.py";
const PROBE = "testdata/probe.py";
const BOUND_MS = 30_000; // Generous: other tests run beside these, and each starts an interpreter.

describe("start", () => {
  test(
    "the thirteen lines of hello are a plugin",
    async () => {
      await using plugin = new PluginProcess(HELLO);
      const answer = await plugin.execute("hello.greet", { who: "you" });
      expect(JSON.parse(answer.result.toString())).toEqual({ greeting: "Hello, you!" });
      expect(answer).toMatchObject({
        success: true,
        progressCurrent: 1,
        progressTotal: 1,
        pluginVersion: "0.1.0",
      });
      expect(answer.logEntries).toMatchObject([
        { level: "info", message: "greeting", metadata: '{"who": "you"}' },
      ]);
    },
    BOUND_MS,
  );

  test(
    "says who it is, what it wants and what it offers",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const about = await plugin.metadata();
      expect(about).toMatchObject({ name: "probe", version: "1.2.3", description: "Tries things." });

      const described = await plugin.describe();
      expect(described).toMatchObject({
        protocol: "qntx.v1",
        stream: true,
        concurrency: 8,
        capabilities: ["cap:scheduler.manage"],
      });
      expect(described.handlers).toContainEqual({
        name: "probe.echo",
        timeoutMs: 2500,
        maxAttempts: 4,
        concurrency: 2,
        concurrencyPerKey: 0,
        rate: "",
        burst: 0,
        description: "Gives back what it was given.",
        retry: "fixed:2s",
      });
      expect(described.schedules).toMatchObject([
        {
          id: "nightly",
          handler: "probe.echo",
          when: "0 3 * * *",
          timezone: "Europe/Berlin",
          jitterMs: 1500,
        },
      ]);
      expect(described.schedules[0]?.payload.toString()).toBe('{"deep":true}');
      expect(described.endpoints).toMatchObject([
        { method: "GET", path: "/ping", schedulable: true },
        { method: "GET", path: "/files/*", schedulable: false },
        { method: "POST", path: "/text", schedulable: true },
      ]);

      const initialized = await plugin.initialize({});
      expect(initialized.handlerNames).toContain("probe.echo");
      expect(initialized.handlerNames).toContain("other.name");
      expect((await plugin.configSchema()).fields["depth"]).toMatchObject({
        type: "integer",
        defaultValue: "3",
        minValue: "0",
        maxValue: "9.5",
      });
      expect((await plugin.glyphs()).glyphs).toMatchObject([
        { symbol: "☀", label: "Sun", contentPath: "/ping", defaultWidth: 300 },
      ]);
      expect(initialized.watchers).toMatchObject([
        { id: "arrivals", handlerName: "probe.echo", predicates: ["arrived"], maxFiresPerSecond: 3 },
      ]);
      expect(initialized.httpRoutes).toMatchObject([
        { method: "GET", path: "/ping" },
        { path: "/files/*" },
        { path: "/text" },
      ]);
      expect((await plugin.health()).healthy).toBe(true);
    },
    BOUND_MS,
  );

  test(
    "a port in use means the next free one",
    async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await new Promise((resolve) => taken.once("listening", resolve));
      const address = taken.address();
      const port = typeof address === "object" && address ? address.port : 0;
      await using plugin = new PluginProcess(HELLO, ["--port", String(port)]);
      expect(await plugin.port()).toBeGreaterThan(port);
      taken.close();
    },
    BOUND_MS,
  );

  test(
    "what on_start raises is the answer to Initialize",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const refused = plugin.initialize({ config: { fail: "this" } });
      await expect(refused).rejects.toMatchObject({
        code: status.FAILED_PRECONDITION,
        details: "probe did not start: ValueError: config: 'this' is wrong",
      });
      await plugin.lines.until((line) => line.startsWith("ValueError"));
    },
    BOUND_MS,
  );

  test(
    "a second Initialize is harmless, and the plugin's log is JSON",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      for (const mode of ["first", "second"]) {
        await plugin.initialize({ config: { mode } });
      }
      await plugin.lines.until(
        (line) => line === '{"level": "warn", "message": "starting", "mode": "first"}',
      );
      expect(plugin.lines.items.join()).not.toContain("second");
    },
    BOUND_MS,
  );
});

describe("end", () => {
  const ways: [string, (plugin: PluginProcess) => Promise<unknown>][] = [
    ["Shutdown", (plugin) => plugin.shutdown()],
    ["a closed stdin", async (plugin) => plugin.child.stdin.end()],
    ["SIGTERM", async (plugin) => plugin.child.kill("SIGTERM")],
  ];
  test.each(ways)(
    "%s ends it, with on_stop, also while a deaf handler runs",
    async (_way, end) => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.deaf");
      await stream.said("waiting");
      await end(plugin);
      expect(await plugin.child.exited).toBe(0);
      await plugin.lines.until((line) => line.includes('"stopping"'));
    },
    BOUND_MS,
  );

  test(
    "jobs that listen are answered before it ends",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait");
      await stream.said("waiting");
      plugin.child.kill("SIGTERM");
      expect((await stream.finish()).error).toMatchObject({ kind: "shutdown", snooze: true });
      expect(stream.lines()).toEqual(["info waiting", "info told to end: shutdown"]);
    },
    BOUND_MS,
  );
});

describe("a job whose plugin ends goes back unspent, unless it is done", () => {
  // handler, what the host is told
  const rows: [string, object][] = [
    ["probe.wait_plain", { success: false, error: { kind: "shutdown", snooze: true } }],
    ["probe.slow", { success: true, result: '"all of it"' }],
  ];
  test.each(rows)(
    "%s",
    async (handler, told) => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start(handler);
      await stream.said("waiting");
      plugin.child.kill("SIGTERM");
      const { success, result, error } = await stream.finish();
      expect({ success, result: result.toString(), error }).toMatchObject(told);
    },
    BOUND_MS,
  );
});

describe("job", () => {
  const endings: [string, unknown, object][] = [
    ["a value is the result", ["probe.echo", { a: [1, "ü"] }], { success: true, result: '{"a":[1,"ü"]}' }],
    ["nothing is an empty result", ["probe.echo"], { success: true, result: "" }],
    ["a handler may be named with its plugin", ["probe/probe.echo", 1], { success: true, result: "1" }],
    ["bytes stay bytes", ["other.name"], { success: true, result: "\0bytes" }],
    [
      "an exception says its class, and is retried",
      ["probe.fail"],
      { error: { message: "KeyError: 'missing'", kind: "KeyError", permanent: false } },
    ],
    [
      "PermanentError is for good",
      ["probe.fail", "permanent"],
      { error: { message: "no use trying", kind: "PermanentError", permanent: true } },
    ],
    [
      "RetryAfter says when",
      ["probe.fail", "later"],
      { error: { message: "busy", kind: "RetryAfter", retryAfterMs: 1500, snooze: false } },
    ],
    ["Snooze is no failure", ["probe.fail", "snooze"], { error: { snooze: true, retryAfterMs: 60_000 } }],
    [
      "sys.exit ends the job and not the plugin",
      ["probe.fail", "exit"],
      { error: { kind: "exit", message: "The handler called sys.exit(3)." } },
    ],
    [
      "a result that is not JSON is refused for good",
      ["probe.not_json"],
      {
        error: {
          kind: "result",
          permanent: true,
          message:
            "The result of probe.not_json is not JSON: Object of type object is not JSON serializable. Return plain data, or bytes.",
        },
      },
    ],
    [
      "a handler that is not there is not run",
      ["probe.nobody"],
      { error: { kind: "unknown-handler", message: 'probe has no handler "probe.nobody".' } },
    ],
  ];
  test(
    endings.map(([name]) => name).join("; "),
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      for (const [n, [name, ask, expected]] of endings.entries()) {
        const [handler = "", payload] = Array.isArray(ask) ? ask : [];
        stream.start(handler, payload, { jobId: `JB_${n}`, fence: n + 1 });
        const { result, ...finish } = await stream.finish(`JB_${n}`, n + 1);
        expect({ name, ...finish, result: result.toString() }).toMatchObject({ name, ...expected });
      }
    },
    BOUND_MS,
  );

  test(
    "a traceback begins at the handler",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.fail");
      const stack = (await stream.finish()).error?.stack ?? "";
      expect(stack).toContain('return {}["missing"]');
      expect(stack).toContain("probe.py");
      expect(stack).not.toContain("serve.py");

      const answer = await plugin.execute("probe.fail");
      expect(answer.success).toBe(false);
      expect(answer.error).toStartWith("KeyError: 'missing'\nTraceback (most recent call last):");
    },
    BOUND_MS,
  );

  test(
    "it is given everything that the host says",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.frame", "x", {
        attempt: 2,
        maxAttempts: 5,
        timeoutMs: 1500,
        trigger: "schedule",
        scheduleId: "SC_1",
        occurrence: "2026-01-01T00:00:00.000Z",
        catchup: true,
        declaredId: "nightly",
        runCount: 9,
        tenant: "acme",
      });
      expect(JSON.parse((await stream.finish()).result.toString())).toEqual({
        id: "JB_1",
        handler: "probe.frame",
        attempt: 2,
        max: 5,
        timeout: 1.5,
        trigger: "schedule",
        schedule: "SC_1",
        occurrence: "2026-01-01T00:00:00.000Z",
        catchup: true,
        declared: "nightly",
        run_count: 9,
        tenant: "acme",
        size: 3,
      });
    },
    BOUND_MS,
  );

  test(
    "progress and cost reach the host",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.work");
      expect((await stream.finish()).cost).toBe(0.75);
      const said = stream.messages.items.flatMap(({ progress }) => progress);
      expect(said.at(-1)).toEqual({ jobId: "JB_1", fence: 1, current: 3, total: 3, message: "step 3" });
    },
    BOUND_MS,
  );

  test(
    "what a job saves reaches the host, and the next attempt has it",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.save", undefined, { checkpoint: Buffer.from('{"page": 7}') });
      expect(JSON.parse(String((await stream.finish()).result))).toEqual([
        { page: 7 },
        { page: 8 },
        "ValueError",
      ]);
      const saved = stream.messages.items.flatMap(({ checkpoints }) => checkpoints);
      expect(saved.map(({ checkpoint }) => JSON.parse(String(checkpoint)))).toEqual([{ page: 8 }]);
    },
    BOUND_MS,
  );

  test(
    "a job that says nothing is known to be alive",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait_plain");
      await stream.messages.until(({ beats }) =>
        beats.some((beat) => beat.jobId === "JB_1" && beat.fence === 1),
      );
    },
    BOUND_MS,
  );
});

describe("log", () => {
  test(
    "print, stderr, logging and threads write into the job's log",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.talk");
      await stream.finish();
      expect(stream.lines()).toEqual([
        "info from print",
        "warn to stderr",
        "error from logging",
        "info from a thread",
        "debug from log",
        "info no line end",
      ]);
      const logged = stream.messages.items.flatMap(({ logs }) => logs).find((line) => line.level === "debug");
      expect(logged?.fields).toBe('{"n": 1, "when": null}');
    },
    BOUND_MS,
  );

  test(
    "jobs side by side keep their lines apart",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      const numbers = [1, 2, 3, 4, 5, 6];
      for (const n of numbers) stream.start("probe.talk_plain", n, { jobId: `JB_${n}` });
      for (const n of numbers) {
        await stream.finish(`JB_${n}`);
        expect(stream.lines(`JB_${n}`)).toEqual([`info plain ${n}`, `info plain ${n} again`]);
      }
    },
    BOUND_MS,
  );

  test(
    "lines that cannot be sent are counted, and the log says how many",
    async () => {
      await using flood = new PluginProcess("testdata/flood.py", []);
      const line = await flood.lines.until(() => true);
      expect(line).toBe("1 50 lines were dropped here: the job said more than could be sent.");
    },
    BOUND_MS,
  );
});

describe("cancel", () => {
  const reasons: [string, string][] = [
    ["cancelled", "cancelled"],
    ["timeout", "timeout"],
    ["shutdown", "shutdown"],
  ];
  test.each(reasons)(
    "an async handler is told to end: %s",
    async (reason, kind) => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait");
      await stream.said("waiting");
      stream.send({ cancels: [{ jobId: "JB_1", fence: 1, reason }] });
      const finish = await stream.finish();
      expect(finish).toMatchObject({ success: false, error: { kind, message: "The job was told to end." } });
      expect(stream.lines()).toContain(`info told to end: ${reason}`);
    },
    BOUND_MS,
  );

  test(
    "a plain handler sees it, and only the attempt that was meant",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait_plain");
      await stream.said("waiting");
      stream.send({ cancels: [{ jobId: "JB_1", fence: 9, reason: "timeout" }] });
      stream.send({ cancels: [{ jobId: "JB_1", fence: 1, reason: "cancelled" }] });
      expect(JSON.parse((await stream.finish()).result.toString())).toEqual({
        cancelled: true,
        reason: "cancelled",
      });
    },
    BOUND_MS,
  );

  test(
    "a unary call that is given up cancels its job",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const giveUp = new AbortController();
      const answer = plugin.execute("probe.wait", undefined, { giveUp });
      await plugin.running(1);
      giveUp.abort();
      await expect(answer).rejects.toMatchObject({ code: status.CANCELLED });
      await plugin.running(0);
    },
    BOUND_MS,
  );

  test(
    "a stream that breaks cancels its jobs",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait");
      await stream.said("waiting");
      stream.call.cancel();
      await plugin.running(0);
    },
    BOUND_MS,
  );

  test(
    "drain lets jobs finish, then closes the stream",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      const stream = await plugin.stream();
      stream.start("probe.wait");
      await stream.said("waiting");
      stream.send({ drain: true });
      stream.send({ cancels: [{ jobId: "JB_1", fence: 1, reason: "shutdown" }] });
      await stream.finish();
      await stream.ended;
    },
    BOUND_MS,
  );
});

describe("host", () => {
  test(
    "plain and async handlers call it, each in its own way",
    async () => {
      await using host = await new EchoHost().listen();
      await using plugin = new PluginProcess(PROBE);
      const endpoints = { atsStoreEndpoint: host.endpoint, scheduleEndpoint: host.endpoint };
      await plugin.initialize({ ...endpoints, authToken: "secret" });

      const plain = await plugin.execute("probe.host_plain");
      expect(plain.error).toBe("");
      expect(JSON.parse(plain.result.toString())).toEqual({
        schedule: ["probe.echo 5m", { n: 1 }, {}],
        missing: null,
        listed: ["first", "second"],
        jobs: [
          ["probe.echo 1500 1", true],
          ["far.off 0 ", true],
        ],
        attributes: { n: 1, deep: { list: [true, null, "x"] } },
        many: 2,
        found: ["AS_0", "AS_1"],
        exists: true,
        seen: ["one", "two"],
      });
      expect([...host.tokens]).toEqual(["Bearer secret", "secret"]);

      const async = await plugin.execute("probe.host_async");
      expect(async.error).toBe("");
      expect(JSON.parse(async.result.toString())).toEqual({
        made: "mine",
        listed: 2,
        refused: {
          code: "validation",
          says: "every: too often. Wait.",
          fields: { every: "too often" },
          hint: "Wait.",
          after: 1.5,
          limit: { name: "scheduleWritesPerMinute", allows: 10, used: 10 },
        },
        seen: ["one", "two"],
      });
    },
    BOUND_MS,
  );

  test(
    "set_jobs replaces the handlers on an open stream",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      await plugin.initialize({});
      const stream = await plugin.stream();
      stream.start("probe.rename");
      const message = await stream.messages.until(({ handlersChanged }) => handlersChanged !== undefined);
      expect(message.handlersChanged?.handlers.map(({ name, timeoutMs }) => [name, timeoutMs])).toEqual([
        ["probe.later", 1000],
        ["probe.rename", 0],
      ]);
      stream.start("probe.later", 7, { jobId: "JB_2" });
      expect((await stream.finish("JB_2")).result.toString()).toBe("7");
      stream.start("probe.echo", 7, { jobId: "JB_3" });
      expect((await stream.finish("JB_3")).error?.kind).toBe("unknown-handler");
    },
    BOUND_MS,
  );

  test(
    "HTTP handlers answer below the plugin's own path",
    async () => {
      await using plugin = new PluginProcess(PROBE);
      await plugin.initialize({ config: { mode: "m" } });
      const ping = await plugin.http("GET", "/ping?a=1&b=");
      expect(ping.statusCode).toBe(200);
      expect(JSON.parse(ping.body.toString())).toEqual({ query: { a: "1", b: "" }, agent: "bun" });

      const text = await plugin.http("POST", "/text", '{"n":5}');
      expect([text.statusCode, text.body.toString()]).toEqual([201, "got 5"]);
      expect(text.headers).toContainEqual({ name: "x-mode", values: ["m"] });

      expect((await plugin.http("GET", "/files/a/b")).body.toString()).toBe("/files/a/b");
      const refusals: [string, string, number, string][] = [
        ["GET", "/nowhere", 404, "Plugin probe has no route /nowhere.\n"],
        ["GET", "/text", 405, "/text answers POST.\n"],
        ["POST", "/text", 500, "Plugin probe failed to answer.\n"],
      ];
      for (const [method, path, code, sentence] of refusals) {
        const answer = await plugin.http(method, path, "{}");
        expect([answer.statusCode, answer.body.toString()]).toEqual([code, sentence]);
      }
    },
    BOUND_MS,
  );
});
