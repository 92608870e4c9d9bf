/** A served plugin, driven over real gRPC as a host drives it. */
import { describe, expect, test } from "bun:test";
import { status } from "@grpc/grpc-js";
import { ExecuteJobRequest, HTTPRequest } from "../../proto/gen/protocol/domain.ts";
import { asked, Driver } from "./driver.ts";
import { RESULT_BYTES_MAX } from "./ending.ts";
import { type Job, type JobHandler, PermanentError, RetryAfterError, Snooze } from "./qntx.ts";
import { servePlugin } from "./runtime.ts";

const start = (jobs: Record<string, JobHandler>) => Driver.start({ name: "p", version: "1.2.3", jobs });

/** What a promise rejects with. Not `expect().rejects`: that waits in a loop of its own, which starves the server. */
const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** Resolves when the job is told to end. */
const untilAborted = (job: Job) =>
  new Promise<void>((resolve) => job.signal.addEventListener("abort", () => resolve(), { once: true }));

describe("what a handler returns", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const rows: [string, unknown, string][] = [
    ["an object", { a: [1, null] }, '{"a":[1,null]}'],
    ["text", "hello", '"hello"'],
    ["zero", 0, "0"],
    ["null", null, "null"],
    ["nothing", undefined, ""],
    ["bytes, as they are", new Uint8Array([104, 105]), "hi"],
    ["a part of a larger buffer", new Uint8Array([120, 104, 105, 120]).subarray(1, 3), "hi"],
  ];
  test.each(rows)("%s", async (_, returned, result) => {
    await using driver = await start({ go: () => returned });
    const finish = await driver.run("p.go");
    expect([finish.success, finish.result.toString(), finish.error]).toEqual([true, result, undefined]);
  });

  const bad: [string, unknown, RegExp][] = [
    ["a BigInt", { big: 1n }, /^The result of p\.go cannot be sent\. It holds a BigInt/],
    ["a cycle", cycle, /^The result of p\.go cannot be sent\. It holds itself/],
    ["a function", () => 1, /^The result of p\.go cannot be sent\. A function is not JSON/],
    ["too much", new Uint8Array(RESULT_BYTES_MAX + 1), /has 1048577 bytes; a result may have 1048576/],
  ];
  test.each(bad)("%s fails the job for good, with a sentence", async (_, returned, message) => {
    await using driver = await start({ go: async () => returned });
    const { success, error } = await driver.run("p.go");
    expect([success, error?.kind, error?.permanent]).toEqual([false, "result", true]);
    expect(error?.message).toMatch(message);
  });
});

describe("what a handler throws", () => {
  // Another copy of the SDK: the same name, another class.
  const copied = Object.assign(new Error("copied"), { name: "PermanentError" });
  const plain = { permanent: false, snooze: false, retryAfterMs: 0 };
  const rows: [string, unknown, object][] = [
    ["an Error", new TypeError("no"), { ...plain, message: "no", kind: "TypeError" }],
    ["text", "just text", { ...plain, message: "just text", kind: "Error" }],
    ["nothing at all", undefined, { ...plain, message: "undefined", kind: "Error" }],
    ["an object without prototype", Object.create(null), { ...plain, kind: "Error" }],
    ["a PermanentError", new PermanentError("never"), { ...plain, permanent: true, kind: "PermanentError" }],
    ["a copy of it", copied, { ...plain, permanent: true, kind: "PermanentError" }],
    [
      "a RetryAfterError",
      new RetryAfterError("later", 1500),
      { ...plain, retryAfterMs: 1500, message: "later" },
    ],
    ["a Snooze", new Snooze(20), { ...plain, snooze: true, retryAfterMs: 20 }],
  ];
  test.each(rows)("%s", async (_, thrown, error) => {
    await using driver = await start({
      now: () => {
        throw thrown;
      },
      later: async () => {
        throw thrown;
      },
    });
    for (const handler of ["p.now", "p.later"]) {
      const finish = await driver.run(handler);
      expect(finish.success).toBe(false);
      expect(finish.error).toMatchObject(error);
    }
  });

  test("the stack names the file, and the cause is beneath it", async () => {
    await using driver = await start({
      go: () => {
        throw new Error("outer", { cause: new RangeError("inner") });
      },
    });
    const { error } = await driver.run("p.go");
    expect(error?.stack).toContain("runtime.test.ts");
    expect(error?.stack).toMatch(/outer[^]*Caused by: [^]*inner/);
  });
});

describe("what a handler is given", () => {
  const payloads: [string, string, unknown][] = [
    ["no bytes", "", undefined],
    ["JSON", '{"a":1}', { a: 1 }],
    ["what is not JSON", "{nope", "{nope"],
  ];
  test.each(payloads)("a payload of %s", async (_, sent, read) => {
    let seen: unknown = "unset";
    await using driver = await start({ go: (job) => void (seen = job.payload) });
    await driver.run("p.go", sent);
    expect(seen).toEqual(read);
  });

  test("the facts of the job", async () => {
    let seen: Job | undefined;
    await using driver = await start({ go: (job) => void (seen = job) });
    const occurrence = "2026-01-01T09:00:00.000Z";
    await driver.run("p.go", undefined, {
      attempt: 2,
      scheduleId: "SC_1",
      occurrence,
      catchup: true,
      trigger: "schedule",
    });
    expect(seen).toMatchObject({ handler: "p.go", attempt: 2, maxAttempts: 3, timeoutMs: 300_000 });
    expect(seen).toMatchObject({ scheduleId: "SC_1", occurrence, catchup: true, trigger: "schedule" });
  });

  test("functions that may be taken out of the job", async () => {
    await using driver = await start({
      go: ({ log, progress, cost, heartbeat }) => {
        log("one", { n: 1 });
        log.warn("two");
        progress(0.4, Number.NaN);
        progress(7, 9, "seven");
        cost(0.25);
        cost(Number.NaN);
        heartbeat();
      },
    });
    const stream = await driver.open();
    const finish = await stream.finished(stream.start("p.go"));
    expect(stream.logs.map(({ level, message, fields }) => [level, message, fields])).toEqual([
      ["info", "one", '{"n":1}'],
      ["warn", "two", ""],
    ]);
    expect(stream.progress.map(({ current, total, message }) => [current, total, message])).toEqual([
      [7, 9, "seven"],
    ]);
    expect(stream.beats).toHaveLength(1);
    expect(finish.cost).toBe(0.25);
  });
});

test("a checkpoint is sent with the turn, the newest of it, and is the state from then on", async () => {
  const seen: unknown[] = [];
  await using driver = await start({
    go: (job) => {
      seen.push(job.state);
      job.checkpoint({ page: 1 });
      job.checkpoint({ page: 2 });
      seen.push(job.state);
      expect(() => job.checkpoint("x".repeat(70_000))).toThrow("it may have 65536");
    },
  });
  const stream = await driver.open();
  await stream.finished(stream.start("p.go", undefined, { checkpoint: Buffer.from('{"page":7}') }));
  expect(seen).toEqual([{ page: 7 }, { page: 2 }]);
  expect(stream.checkpoints.map(String)).toEqual(['{"page":2}']);
});

test("console lines belong to the job that they come from, also after an await", async () => {
  const gate = Promise.withResolvers<void>();
  await using driver = await start({
    go: async (job) => {
      console.log("begin", job.payload);
      await gate.promise;
      console.error("end %s", job.payload);
    },
    open: () => gate.resolve(),
  });
  const stream = await driver.open();
  const [a, b] = [stream.start("p.go", "a"), stream.start("p.go", "b")];
  await stream.until(() => stream.logs.length === 2);
  stream.start("p.open");
  await Promise.all([stream.finished(a), stream.finished(b)]);
  expect([stream.said(a), stream.said(b)]).toEqual([
    ["begin a", "end a"],
    ["begin b", "end b"],
  ]);
  expect(stream.logs.map((log) => log.level)).toEqual(["info", "info", "error", "error"]);
});

test("what is said in one turn is one message, and lines come before the ending", async () => {
  await using driver = await start({ go: (job) => job.log("here") });
  const stream = await driver.open();
  const jobs = Array.from({ length: 500 }, (_, at) => ({ jobId: `j${at}`, handler: "p.go", fence: 1 }));
  stream.send({ starts: jobs });
  await stream.until(() => stream.finishes.length === 500);
  expect(stream.logs).toHaveLength(500);
  expect(stream.messages).toHaveLength(2); // The one that says ready, and the one that says all.
});

describe("cancellation", () => {
  const rows: [string, string, string][] = [
    ["cancelled", "cancelled", "cancelled"],
    ["timeout", "timeout", "timeout"],
    ["shutdown", "shutdown", "shutdown"],
    ["a word of a newer host", "whatever", "cancelled"],
  ];
  test.each(rows)("%s reaches the handler, and its ending is still told", async (_, sent, kind) => {
    await using driver = await start({
      go: async (job) => {
        job.log("running");
        await untilAborted(job);
        job.signal.throwIfAborted();
      },
    });
    const stream = await driver.open();
    const job = stream.start("p.go");
    await stream.until(() => stream.logs.length === 1);
    stream.cancel(job, "cancelled", 99); // Of another attempt: not ours.
    stream.cancel(job, sent);
    const { success, error } = await stream.finished(job);
    expect([success, error?.kind]).toEqual([false, kind]);
  });

  test("a handler that returns all the same has its result told", async () => {
    await using driver = await start({
      go: async (job) => {
        job.log("running");
        await untilAborted(job);
        return job.signal.reason.reason;
      },
    });
    const stream = await driver.open();
    const job = stream.start("p.go");
    await stream.until(() => stream.logs.length === 1);
    stream.cancel(job, "timeout");
    const { success, result } = await stream.finished(job);
    expect([success, result.toString()]).toEqual([true, '"timeout"']);
  });

  test("a stream that breaks ends its jobs", async () => {
    const ended = Promise.withResolvers<string>();
    await using driver = await start({
      go: async (job) => {
        job.log("running");
        await untilAborted(job);
        ended.resolve(job.signal.reason.reason);
      },
    });
    const stream = await driver.open();
    stream.start("p.go");
    await stream.until(() => stream.logs.length === 1);
    stream.break();
    expect(await ended.promise).toBe("shutdown");
  });
});

test("a running job that says nothing is said to be alive", async () => {
  await using driver = await start({ go: untilAborted });
  const stream = await driver.open();
  const job = stream.start("p.go", undefined, { fence: 4 });
  await stream.until(() => stream.beats.length > 0);
  expect(stream.beats[0]).toEqual({ jobId: job, fence: 4 });
  stream.cancel(job, "cancelled", 4);
  await stream.finished(job, 4);
});

test("drain lets the jobs end and then closes the stream", async () => {
  const gate = Promise.withResolvers<void>();
  await using driver = await start({ go: () => gate.promise });
  const stream = await driver.open();
  const job = stream.start("p.go");
  stream.send({ drain: true });
  gate.resolve();
  await stream.until(() => stream.ended);
  expect(stream.finishes.map((finish) => finish.jobId)).toEqual([job]);
});

test("the same attempt sent twice runs once; a new claim of the job runs beside it", async () => {
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  await using driver = await start({
    go: () => {
      runs++;
      return gate.promise;
    },
  });
  const stream = await driver.open();
  const jobId = stream.start("p.go");
  stream.start("p.go", undefined, { jobId });
  stream.start("p.go", undefined, { jobId, fence: 2 });
  await stream.finished(stream.start("p.gone")); // By then the others have begun.
  gate.resolve();
  await Promise.all([stream.finished(jobId, 1), stream.finished(jobId, 2)]);
  expect(runs).toBe(2);
});

describe("a handler that the plugin does not have", () => {
  test("on the stream is an ending of its own kind", async () => {
    await using driver = await start({});
    const { success, error } = await driver.run("p.gone");
    expect([success, error?.kind, error?.message]).toEqual([
      false,
      "unknown-handler",
      'p has no handler "p.gone".',
    ]);
  });

  test("by ExecuteJob is NOT_FOUND", async () => {
    await using driver = await start({});
    const call = asked(
      driver.domain,
      driver.domain.executeJob,
      ExecuteJobRequest.fromPartial({ handlerName: "p.gone" }),
    );
    expect(await refusalOf(call)).toMatchObject({
      status: "NOT_FOUND",
      message: 'p has no handler "p.gone".',
    });
  });

  test("is found under the plugin's name as well as announced", async () => {
    await using driver = await start({ go: () => 1, "other.name": () => 2 });
    const results = await Promise.all(
      ["p.go", "p/p.go", "other.name", "p/other.name"].map((name) => driver.run(name)),
    );
    expect(results.map(({ result }) => result.toString())).toEqual(["1", "1", "2", "2"]);
  });
});

describe("ExecuteJob", () => {
  test("answers with result, lines, progress, cost and the plugin's version", async () => {
    await using driver = await start({
      go: async (job) => {
        console.log("from the console");
        job.log.warn("from the job", { n: 1 });
        job.progress(3, 4);
        job.cost(2);
        return { who: job.payload.who, timeoutMs: job.timeoutMs };
      },
    });
    const payload = Buffer.from('{"who":"me"}');
    const request = ExecuteJobRequest.fromPartial({
      jobId: "j",
      handlerName: "p.go",
      payload,
      timeoutSecs: 5,
    });
    const answer = await asked(driver.domain, driver.domain.executeJob, request);
    expect(answer).toMatchObject({ success: true, error: "", pluginVersion: "1.2.3" });
    expect(answer).toMatchObject({ progressCurrent: 3, progressTotal: 4, costActual: 2 });
    expect(answer.result.toString()).toBe('{"who":"me","timeoutMs":5000}');
    expect(answer.logEntries.map(({ level, message, metadata }) => [level, message, metadata])).toEqual([
      ["info", "from the console", ""],
      ["warn", "from the job", '{"n":1}'],
    ]);
  });

  test("answers success=false with the handler's own sentence", async () => {
    await using driver = await start({ go: () => Promise.reject(new Error("no luck")) });
    const answer = await asked(
      driver.domain,
      driver.domain.executeJob,
      ExecuteJobRequest.fromPartial({ handlerName: "p.go" }),
    );
    expect([answer.success, answer.error]).toEqual([false, "no luck"]);
  });

  test("ends the job when the caller has gone", async () => {
    const ended = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    await using driver = await start({
      go: async (job) => {
        begun.resolve();
        await untilAborted(job);
        ended.resolve(job.signal.reason.reason);
      },
    });
    const call = driver.domain.executeJob(ExecuteJobRequest.fromPartial({ handlerName: "p.go" }), () => {});
    await begun.promise;
    call.cancel();
    expect(await ended.promise).toBe("cancelled");
  });
});

describe("HTTP", () => {
  const rows: [string, string, string, number, string][] = [
    ["a route", "GET", "/hello?name=x", 200, "hello x"],
    ["a body", "POST", "/echo", 201, "sent: body"],
    ["whatever is below a folder", "POST", "/hooks/a/b", 200, "folder"],
    ["the nearest folder", "POST", "/hooks/deep/b", 200, "deep folder"],
    ["the exact route before a folder", "POST", "/hooks/exact", 200, "exact"],
    ["a folder by another method", "PUT", "/hooks/a", 405, "/hooks/a answers POST.\n"],
    ["an unknown path", "GET", "/nope", 404, "Plugin web has no route /nope.\n"],
    ["a known path by another method", "PUT", "/hello", 405, "/hello answers GET.\n"],
    ["a route that throws", "GET", "/boom", 500, "Plugin web failed to answer.\n"],
    ["a path that looks like a host", "GET", "//evil/hello", 404, "Plugin web has no route //evil/hello.\n"],
  ];
  test.each(rows)("%s", async (_, method, path, code, body) => {
    await using driver = await Driver.start({
      name: "web",
      version: "1",
      http: {
        "GET /hello": (request) => new Response(`hello ${new URL(request.url).searchParams.get("name")}`),
        "POST /echo": async (request) => new Response(`sent: ${await request.text()}`, { status: 201 }),
        "POST /hooks/*": () => new Response("folder"),
        "POST /hooks/deep/*": () => new Response("deep folder"),
        "POST /hooks/exact": () => new Response("exact"),
        "GET /boom": () => {
          throw new Error("boom");
        },
      },
    });
    const request = HTTPRequest.fromPartial({ method, path, body: Buffer.from("body") });
    const answer = await asked(driver.domain, driver.domain.handleHttp, request);
    expect([answer.statusCode, answer.body.toString()]).toEqual([code, body]);
  });

  test("headers come and go, cookies apart", async () => {
    await using driver = await Driver.start({
      name: "web",
      version: "1",
      http: {
        "GET /": (request) =>
          new Response("", {
            headers: [
              ["x-got", request.headers.get("x-a") ?? ""],
              ["set-cookie", "a=1"],
              ["set-cookie", "b=2"],
            ],
          }),
      },
    });
    const request = HTTPRequest.fromPartial({
      method: "GET",
      path: "/",
      headers: [{ name: "X-A", values: ["1", "2"] }],
    });
    const { headers } = await asked(driver.domain, driver.domain.handleHttp, request);
    expect(headers).toContainEqual({ name: "x-got", values: ["1, 2"] });
    expect(headers).toContainEqual({ name: "set-cookie", values: ["a=1", "b=2"] });
  });
});

describe("start and stop", () => {
  test("Describe tells what the plugin wants", async () => {
    await using driver = await Driver.start({
      name: "p",
      version: "1",
      capabilities: ["cap:scheduler.manage"],
      concurrency: 7,
      jobs: {
        go: {
          run: () => 1,
          timeoutMs: 5,
          maxAttempts: 2,
          concurrency: 3,
          concurrencyPerKey: 4,
          rate: "50/s",
          burst: 2,
          description: "goes",
          retry: "fixed:2s",
        },
      },
      schedules: [{ id: "s", handler: "go", when: "5m", jitterMs: 10, missed: "skip", payload: { a: 1 } }],
      http: { "POST /sync": () => new Response() },
    });
    const told = await asked(driver.service, driver.service.describe, { hostVersion: "" });
    expect(told).toMatchObject({
      protocol: "qntx.v1",
      stream: true,
      concurrency: 7,
      capabilities: ["cap:scheduler.manage"],
    });
    expect(told.handlers).toEqual([
      {
        name: "p.go",
        timeoutMs: 5,
        maxAttempts: 2,
        concurrency: 3,
        concurrencyPerKey: 4,
        rate: "50/s",
        burst: 2,
        description: "goes",
        retry: "fixed:2s",
      },
    ]);
    expect(told.schedules[0]).toMatchObject({
      id: "s",
      handler: "p.go",
      when: "5m",
      jitterMs: 10,
      missed: "skip",
    });
    expect(told.endpoints).toEqual([
      { method: "POST", path: "/sync", description: "", schedulable: true, handler: "POST /sync" },
    ]);
  });

  test("Initialize starts the plugin once and announces what start has set", async () => {
    let starts = 0;
    await using driver = await Driver.start(
      {
        name: "p",
        version: "1",
        async start(host) {
          starts++;
          await host.setJobs({ [`from-${host.config["word"]}`]: () => 1 });
        },
      },
      { config: { word: "config" } },
    );
    const again = await driver.initialize({ config: { word: "other" } });
    expect([starts, again.handlerNames]).toEqual([1, ["p.from-config"]]);
    const stream = await driver.open(); // Describe came before start, so the options follow here.
    expect(stream.messages[0]?.handlersChanged?.handlers.map(({ name }) => name)).toEqual(["p.from-config"]);
  });

  test("an error in start is told to the host", async () => {
    const started = Driver.start({
      name: "p",
      version: "1",
      start: () => Promise.reject(new Error("no disk")),
    });
    expect(await refusalOf(started)).toMatchObject({ status: "INTERNAL", message: "no disk" });
  });

  test("setJobs tells the stream, and the new handlers run", async () => {
    await using driver = await start({
      go: (job) => job.qntx.setJobs({ went: { run: () => "new", maxAttempts: 9 } }),
    });
    const stream = await driver.open();
    await stream.finished(stream.start("p.go"));
    const changed = stream.messages.flatMap((message) => message.handlersChanged?.handlers ?? []);
    expect(changed).toMatchObject([{ name: "p.went", maxAttempts: 9 }]);
    expect((await stream.finished(stream.start("p.went"))).result.toString()).toBe('"new"');
  });

  test("jobs and streams before Initialize are refused", async () => {
    const plugin = await servePlugin({ name: "p", version: "1" }, { port: 0, print: () => {} });
    await using driver = new Driver(plugin, []);
    const call = asked(
      driver.domain,
      driver.domain.executeJob,
      ExecuteJobRequest.fromPartial({ handlerName: "p.go" }),
    );
    expect(await refusalOf(call)).toMatchObject({ status: "FAILED_PRECONDITION" });
    const refused = Promise.withResolvers<number>();
    driver.service.jobs().on("error", (error) => refused.resolve("code" in error ? Number(error.code) : -1));
    expect(await refused.promise).toBe(status.FAILED_PRECONDITION);
  });

  test("Shutdown runs stop, ends the jobs, answers, and then the plugin has stopped", async () => {
    const order: string[] = [];
    const driver = await Driver.start({
      name: "p",
      version: "1",
      jobs: {
        go: async (job) => {
          job.log("running");
          await untilAborted(job);
          order.push("job ended");
        },
      },
      stop: async () => void order.push("stopped"),
    });
    const stream = await driver.open();
    stream.start("p.go");
    await stream.until(() => stream.logs.length === 1);
    await asked(driver.domain, driver.domain.shutdown, {});
    await driver.plugin.stopped;
    expect(order.toSorted()).toEqual(["job ended", "stopped"]);
    await driver[Symbol.asyncDispose]();
  });

  test("a taken port is passed over, and the port is printed", async () => {
    await using first = await start({});
    const lines: string[] = [];
    const second = await servePlugin(
      { name: "q", version: "1" },
      { port: first.plugin.port, print: (line) => void lines.push(line) },
    );
    expect(second.port).toBeGreaterThan(first.plugin.port);
    expect(lines).toEqual([`QNTX_PLUGIN_PORT=${second.port}`]);
    await second.stop();
  });

  test("the plugin's own log is a JSON line with its level", async () => {
    await using driver = await start({ go: (job) => job.qntx.log.warn("low on disk", { free: 3 }) });
    await driver.run("p.go");
    expect(driver.lines.slice(1).map((line) => JSON.parse(line))).toEqual([
      { level: "warn", message: "low on disk", free: 3 },
    ]);
  });
});
