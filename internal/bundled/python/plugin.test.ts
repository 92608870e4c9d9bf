/** The python plugin under the SDK's own runtime, over gRPC; only its attestations and its queue are in memory. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTPRequest } from "../../../proto/gen/protocol/domain.ts";
import type { JobFinish } from "../../../proto/gen/qntx/v1/plugin.ts";
import { asked, Driver, type StreamDriver } from "../../../sdk/typescript/driver.ts";
import type { Attestation, Attestations, Host, Queue } from "../../../sdk/typescript/qntx.ts";
import { MemoryAttestations } from "../memory-host.ts";
import { createPythonPlugin } from "./plugin.ts";

const BOUND_MS = 30_000; // Generous: other tests run beside these.

/** Attestations in memory, with a stream of the new ones. */
class LiveAttestations implements Attestations {
  readonly memory = new MemoryAttestations();
  readonly #readers = new Set<(attestation: Attestation) => void>();

  async create(attestation: Parameters<Attestations["create"]>[0]): Promise<Attestation> {
    const made = await this.memory.create(attestation);
    for (const read of this.#readers) read(made);
    return made;
  }

  createMany: Attestations["createMany"] = (attestations) => this.memory.createMany(attestations);
  query: Attestations["query"] = (filter) => this.memory.query(filter);
  exists: Attestations["exists"] = (id) => this.memory.exists(id);

  watch(_filter: unknown, signal?: AbortSignal): AsyncIterable<Attestation> {
    const stream = new ReadableStream<Attestation>({
      start: (controller) => {
        this.#readers.add((attestation) => controller.enqueue(attestation));
        signal?.addEventListener("abort", () => controller.close(), { once: true });
      },
    });
    return stream;
  }

  save(name: string, code: string) {
    return this.create({ subjects: [name], ...HANDLER, attributes: { code, lang: "py" } });
  }

  remove(name: string) {
    return this.create({ subjects: [name], ...HANDLER, attributes: { deleted: true } });
  }
}

const HANDLER = { predicates: ["handler"], contexts: ["python"] };

/** The plugin, served. `await using` ends it and whatever it started. */
class Fixture implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "qntx-python-test-"));
  readonly ats = new LiveAttestations();
  readonly enqueued: unknown[][] = [];
  #driver: Driver | undefined;

  async start(config: Record<string, string> = {}): Promise<this> {
    const definition = createPythonPlugin(this.folder);
    const queue: Queue = {
      enqueue: async (...words) => {
        this.enqueued.push(words);
        return { id: "JB_7", created: true };
      },
      enqueueMany: async () => [],
    };
    const start = (host: Host) => definition.start?.({ ...host, ats: this.ats, queue });
    const http = Object.fromEntries(
      Object.entries(definition.http ?? {}).map(([route, answer]) => [
        route,
        (request: Request, host: Host) => answer(request, { ...host, queue }),
      ]),
    );
    this.#driver = await Driver.start({ ...definition, start, http }, { config });
    return this;
  }

  get driver(): Driver {
    if (!this.#driver) throw new Error("not started");
    return this.#driver;
  }

  async post(path: string, body: string, headers: Record<string, string> = {}) {
    const { domain } = this.driver;
    const request = HTTPRequest.fromPartial({
      method: "POST",
      path,
      body: Buffer.from(body),
      headers: Object.entries(headers).map(([name, value]) => ({ name, values: [value] })),
    });
    const answer = await asked(domain, domain.handleHttp, request);
    return { status: answer.statusCode, body: JSON.parse(answer.body.toString()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true });
  }
}

function resultOf(finish: JobFinish): unknown {
  expect(finish.error?.message ?? "").toBe("");
  return finish.result.length === 0 ? undefined : JSON.parse(finish.result.toString());
}

function linesOf(stream: StreamDriver, job: string): string[] {
  return stream.logs.filter(({ jobId }) => jobId === job).map(({ level, message }) => `${level} ${message}`);
}

/** True while a process lives: a dead one that nobody has waited for does not count. */
function lives(pid: number): boolean {
  return (
    Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)])
      .stdout.toString()
      .trim()
      .replace(/^Z.*/, "") !== ""
  );
}

async function untilDead(pid: number): Promise<void> {
  while (lives(pid)) await Bun.sleep(10);
}

describe("python.script", () => {
  let python: Fixture;
  beforeAll(async () => {
    python = await new Fixture().start();
  }, BOUND_MS);
  afterAll(() => python[Symbol.asyncDispose]());

  const results: [string, object, unknown][] = [
    ["a script's `result`", { code: "result = 6 * 7" }, 42],
    ["`content` is the same as `code`", { content: "result = 1" }, 1],
    ["no result", { code: "x = 1" }, undefined],
    [
      "what handler(job) returns",
      { code: "def handler(job):\n  return [job.handler, job.attempt]" },
      ["python.script", 1],
    ],
    [
      "an async handler",
      { code: "import asyncio\nasync def handler(job):\n  await asyncio.sleep(0)\n  return 'a'" },
      "a",
    ],
    ["the payload", { code: "result = job.payload['extra']", extra: { deep: [1] } }, { deep: [1] }],
    [
      "args and stdin",
      { code: "import sys\nresult = [sys.argv[1:], sys.stdin.read()]", args: ["a", 2], stdin: "ü" },
      [["a", "2"], "ü"],
    ],
    ["sys.exit(0) is a success", { code: "import sys\nsys.exit(0)" }, undefined],
    [
      "a file with a handler is not run as __main__",
      { code: "def handler(job): return 1\nif __name__ == '__main__': raise SystemExit(3)" },
      1,
    ],
    ["a script is", { code: "if __name__ == '__main__': result = 'main'" }, "main"],
  ];
  test.each(results)(
    "%s",
    async (_name, payload, expected) => {
      expect(resultOf(await python.driver.run("python.script", payload))).toEqual(expected);
    },
    BOUND_MS,
  );

  test(
    "numbers keep all their digits",
    async () => {
      const finish = await python.driver.run(
        "python.script",
        '{"code": "result = job.payload[\'n\'] + 1", "n": 9007199254740993}',
      );
      expect(finish.result.toString()).toBe("9007199254740994");
    },
    BOUND_MS,
  );

  test(
    "a file is read, and may import what lies beside it",
    async () => {
      writeFileSync(join(python.folder, "beside.py"), "VALUE = 5\n");
      const file = join(python.folder, "main.py");
      writeFileSync(file, "import beside\nresult = [beside.VALUE, __file__]\n");
      expect(resultOf(await python.driver.run("python.script", { file }))).toEqual([5, file]);
    },
    BOUND_MS,
  );

  const failures: [string, object, object][] = [
    ["an exception", { code: "{}['k']" }, { message: "KeyError: 'k'", kind: "KeyError", permanent: false }],
    [
      "a syntax error, for good",
      { code: "def (" },
      { message: "SyntaxError: invalid syntax (script.py, line 1)", permanent: true },
    ],
    [
      "an exit code",
      { code: "import sys\nsys.exit(3)" },
      { message: "The script ended with exit code 3.", kind: "exit" },
    ],
    [
      "an exit with a text",
      { code: "import sys\nsys.exit('no disk')" },
      { message: "The script ended with exit code 1: no disk" },
    ],
    [
      "a signal",
      { code: "import os\nos.kill(os.getpid(), 11)" },
      { message: "The script was ended by SIGSEGV.", kind: "exit" },
    ],
    [
      "a result that is not JSON, for good",
      { code: "result = {1, 2}" },
      { message: "The result is not JSON: Object of type set is not JSON serializable.", permanent: true },
    ],
    [
      "a result that is too large",
      { code: "result = 'x' * 1048577" },
      { message: "The result has 1048579 bytes; a result may have 1048576.", permanent: true },
    ],
    [
      "PermanentError",
      { code: "from qntx import PermanentError\nraise PermanentError('gone')" },
      { message: "gone", kind: "PermanentError", permanent: true },
    ],
    [
      "RetryAfter",
      { code: "from qntx import RetryAfter\nraise RetryAfter(1.5, 'busy')" },
      { message: "busy", retryAfterMs: 1500 },
    ],
    ["Snooze", { code: "from qntx import Snooze\nraise Snooze(60)" }, { snooze: true, retryAfterMs: 60_000 }],
    ["nothing to run", {}, { message: "payload: give exactly one of code, content, file.", permanent: true }],
    [
      "two things to run",
      { code: "1", file: "/x" },
      { message: "payload: give exactly one of code, content, file." },
    ],
    ["a relative file", { file: "x.py" }, { message: 'file: "x.py" is not an absolute path.' }],
    [
      "a file that is not there",
      { file: "/nowhere/x.py" },
      { message: "file: ENOENT: no such file or directory, open '/nowhere/x.py'" },
    ],
  ];
  test.each(failures)(
    "fails with %s",
    async (_name, payload, expected) => {
      expect((await python.driver.run("python.script", payload)).error).toMatchObject(expected);
    },
    BOUND_MS,
  );

  test(
    "the traceback shows the script's own lines and nothing of ours",
    async () => {
      const { error } = await python.driver.run("python.script", {
        code: "def inner():\n  return 1 / 0\ninner()",
      });
      expect(error?.stack).toContain('File "script.py", line 2, in inner\n    return 1 / 0');
      expect(error?.stack).not.toContain("zygote");
    },
    BOUND_MS,
  );

  test(
    "what it prints is its log, in order, also from what it starts",
    async () => {
      const stream = await python.driver.open();
      const code = `
import subprocess, sys
print("one"); job.log("two", n=2); job.log.warn("three"); print("four")
subprocess.run(["sh", "-c", "echo five"]); job.progress(1, 2, "half"); job.cost(0.5)
print("last without an end", end="")`;
      const job = stream.start("python.script", { code });
      const finish = await stream.finished(job);
      expect(linesOf(stream, job)).toEqual([
        ...["info one", "info two", "warn three", "info four", "info five", "info last without an end"],
      ]);
      expect(stream.logs.find(({ message }) => message === "two")?.fields).toBe('{"n":2}');
      expect(stream.progress).toMatchObject([{ current: 1, total: 2, message: "half" }]);
      expect(finish.cost).toBe(0.5);
      stream.end();
    },
    BOUND_MS,
  );

  test(
    "fields that JSON does not know are text",
    async () => {
      const stream = await python.driver.open();
      const job = stream.start("python.script", {
        code: "job.log('x', a=float('nan'), b=[1], c=None, d=1.5)",
      });
      await stream.finished(job);
      expect(JSON.parse(stream.logs[0]?.fields ?? "")).toEqual({ a: "nan", b: "[1]", c: null, d: 1.5 });
      stream.end();
    },
    BOUND_MS,
  );

  test(
    "stderr is a warning, and a long line comes in pieces",
    async () => {
      const stream = await python.driver.open();
      const job = stream.start("python.script", {
        code: "import sys\nprint('e', file=sys.stderr)\nprint('x' * 40000)",
      });
      await stream.finished(job);
      expect(linesOf(stream, job)).toContain("warn e");
      const lengths = stream.said(job).map((line) => line.length);
      expect(lengths.filter((length) => length > 1).reduce((sum, length) => sum + length, 0)).toBe(40_000);
      stream.end();
    },
    BOUND_MS,
  );

  test(
    "each job has a process group and a folder of its own, which is gone afterwards",
    async () => {
      const code =
        "import os\nopen('mine', 'w')\nresult = [os.getpid(), os.getpgid(0), os.getcwd(), os.environ['TMPDIR'], os.listdir('.')]";
      const [pid, group, folder, temporary, files] = resultOf(
        await python.driver.run("python.script", { code }),
      ) as unknown[];
      expect(group).toBe(pid);
      expect(temporary).toBe(folder);
      expect(files).toEqual(["mine"]);
      expect(existsSync(String(folder))).toBe(false);
    },
    BOUND_MS,
  );

  test(
    "what a script leaves running ends with it",
    async () => {
      const code = "import subprocess\nresult = subprocess.Popen(['sleep', '60']).pid";
      const pid = Number(resultOf(await python.driver.run("python.script", { code })));
      await untilDead(pid);
    },
    BOUND_MS,
  );
});

describe("cancel", () => {
  let python: Fixture;
  beforeAll(async () => {
    python = await new Fixture().start();
  }, BOUND_MS);
  afterAll(() => python[Symbol.asyncDispose]());

  async function begin(code: string) {
    const stream = await python.driver.open();
    const job = stream.start("python.script", { code });
    await stream.until(() => stream.logs.length > 0);
    return { stream, job };
  }

  test(
    "interrupts a script, which may tidy up, and leaves its neighbour alone",
    async () => {
      const neighbour = await begin(
        "import sys\nprint('here')\nwhile not job.cancelled: pass\nresult = 'ended by itself'",
      );
      const { stream, job } = await begin(
        "import time\ntry:\n  print('here')\n  time.sleep(60)\nfinally: print('tidy')",
      );
      stream.cancel(job, "timeout");
      expect((await stream.finished(job)).error).toMatchObject({ kind: "timeout" });
      expect(stream.said(job)).toEqual(["here", "tidy"]);
      expect(neighbour.stream.finishes).toEqual([]);

      neighbour.stream.cancel(neighbour.job);
      expect(resultOf(await neighbour.stream.finished(neighbour.job))).toBe("ended by itself");
    },
    BOUND_MS,
  );

  test(
    "kills what does not listen, with everything that it started",
    async () => {
      const code = `
import signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60"]).pid)
time.sleep(60)`;
      const { stream, job } = await begin(code);
      stream.cancel(job);
      expect((await stream.finished(job)).error).toMatchObject({ kind: "cancelled" });
      await untilDead(Number(stream.said(job)[0]));
    },
    BOUND_MS,
  );

  test(
    "reaches a job before it is forked",
    async () => {
      const stream = await python.driver.open();
      const job = stream.start("python.script", { code: "import time\ntime.sleep(60)" });
      stream.cancel(job);
      expect((await stream.finished(job)).error).toMatchObject({ kind: "cancelled" });
    },
    BOUND_MS,
  );
});

describe("the interpreter", () => {
  test(
    "is replaced when it dies, and its jobs fail and take nothing with them",
    async () => {
      await using python = await new Fixture().start();
      const stream = await python.driver.open();
      const code =
        "import os, subprocess, time\nprint(os.getppid(), subprocess.Popen(['sleep', '60']).pid)\ntime.sleep(60)";
      const job = stream.start("python.script", { code });
      await stream.until(() => stream.logs.length > 0);
      const [zygote = 0, grandchild = 0] = (stream.said(job)[0] ?? "").split(" ").map(Number);
      process.kill(zygote, "SIGKILL");
      expect((await stream.finished(job)).error).toMatchObject({
        message: "Python itself ended (SIGKILL) while the job ran.",
        permanent: false,
      });
      await untilDead(grandchild);
      expect(resultOf(await python.driver.run("python.script", { code: "result = 1" }))).toBe(1);
    },
    BOUND_MS,
  );

  test(
    "ends with the plugin, with all that runs in it",
    async () => {
      const python = await new Fixture().start();
      const stream = await python.driver.open();
      const code = "import os, time\nprint(os.getpid(), os.getppid(), os.getcwd())\ntime.sleep(60)";
      const job = stream.start("python.script", { code });
      await stream.until(() => stream.logs.length > 0);
      const [child = "", zygote = "", folder = ""] = (stream.said(job)[0] ?? "").split(" ");
      await python[Symbol.asyncDispose]();
      await untilDead(Number(child));
      await untilDead(Number(zygote));
      expect(existsSync(join(folder, ".."))).toBe(false);
    },
    BOUND_MS,
  );

  test(
    "that is not there fails the job with what to do, and not the plugin",
    async () => {
      await using python = await new Fixture().start({ interpreter: "python-that-is-not-there" });
      const { error } = await python.driver.run("python.script", { code: "1" });
      expect(error?.message).toStartWith("There is no python-that-is-not-there on PATH (");
      expect(error?.message).toEndWith("Install Python 3.8 or newer; this job is tried again.");
      expect(error?.permanent).toBe(false);
    },
    BOUND_MS,
  );
});

describe("saved handlers", () => {
  test(
    "those that exist are announced, the newest version of each, and run",
    async () => {
      const python = new Fixture();
      await python.ats.save("double", "def handler(job): return 0");
      await python.ats.save("double", "def handler(job): return job.payload * 2");
      await python.ats.save("gone", "result = 1");
      await python.ats.remove("gone");
      await python.ats.save("script", "result = 'not allowed'");
      await python.ats.save("a b", "result = 'not allowed'");
      await using _ = await python.start();

      const { handlerNames } = await python.driver.initialize();
      expect(handlerNames.sort()).toEqual(["python.csv", "python.double", "python.script", "python.webhook"]);
      expect(resultOf(await python.driver.run("python.double", 21))).toBe(42);
    },
    BOUND_MS,
  );

  test(
    "a new one, a changed one and a removed one are live without a restart",
    async () => {
      await using python = await new Fixture().start();
      const stream = await python.driver.open();
      const announced = () =>
        stream.messages
          .findLast((message) => message.handlersChanged)
          ?.handlersChanged?.handlers.map(({ name }) => name) ?? [];

      await python.ats.save("late", "result = 'first'");
      await stream.until(() => announced().includes("python.late"));
      expect(resultOf(await stream.finished(stream.start("python.late")))).toBe("first");

      const before = stream.messages.length;
      await python.ats.save("late", "result = 'second'");
      await stream.until(() => stream.messages.slice(before).some((message) => message.handlersChanged));
      expect(resultOf(await stream.finished(stream.start("python.late")))).toBe("second");

      await python.ats.remove("late");
      await stream.until(() => !announced().includes("python.late"));
      expect((await stream.finished(stream.start("python.late"))).error?.kind).toBe("unknown-handler");
      stream.end();
    },
    BOUND_MS,
  );

  test(
    "one saved while the stream did not stand yet is found a second later",
    async () => {
      await using python = await new Fixture().start();
      await python.ats.memory.create({
        subjects: ["silent"],
        ...HANDLER,
        attributes: { code: "result = 1" },
      });
      const stream = await python.driver.open();
      await stream.until(() =>
        stream.messages.some(({ handlersChanged }) =>
          handlersChanged?.handlers.some(({ name }) => name === "python.silent"),
        ),
      );
      stream.end();
    },
    BOUND_MS,
  );
});

describe("python.webhook", () => {
  test(
    "a POST becomes a job, and the job finds the request",
    async () => {
      const python = new Fixture();
      await python.ats.save(
        "hook",
        "p = job.payload\nresult = [p['method'], p['path'], p['query'], p['body'], p['headers']['x-a']]",
      );
      await using _ = await python.start();
      const headers = { "content-type": "application/json", "x-a": "b", "idempotency-key": "k" };
      expect(await python.post("/hook?q=1", '{"n":1}', headers)).toEqual({
        status: 202,
        body: { job: "JB_7" },
      });

      const [handler, input, options] = python.enqueued[0] ?? [];
      expect([handler, options]).toEqual(["python.webhook", { uniqueKey: "hook k" }]);
      expect(resultOf(await python.driver.run("python.webhook", input))).toEqual([
        "POST",
        "/hook",
        { q: "1" },
        { n: 1 },
        "b",
      ]);
    },
    BOUND_MS,
  );

  test(
    "a name that nobody saved is a 404, and a job for it fails for good",
    async () => {
      await using python = await new Fixture().start();
      expect(await python.post("/nobody", "")).toEqual({
        status: 404,
        body: { error: 'There is no saved handler "nobody".' },
      });
      expect((await python.driver.run("python.webhook", { handler: "nobody" })).error).toMatchObject({
        message: 'There is no saved handler "nobody". Save one with: qntx handler create.',
        permanent: true,
      });
    },
    BOUND_MS,
  );
});

describe("python.csv", () => {
  let python: Fixture;
  beforeAll(async () => {
    python = new Fixture();
    await python.ats.save("price", "def row(row): return float(row['price'])");
    await python.ats.save("whole", "def handler(job): return job.payload['a']");
    await python.start();
  }, BOUND_MS);
  afterAll(() => python[Symbol.asyncDispose]());

  const text = 'name,price\nté,1.5\n"b, c",2\n';
  const results: [string, object, unknown][] = [
    ["a saved row(row)", { text, handler: "price" }, { rows: 2, returned: 2, results: [1.5, 2] }],
    [
      "a saved handler(job), with the row as its payload",
      { text: "a\n1\n", handler: "whole" },
      { rows: 1, returned: 1, results: ["1"] },
    ],
    [
      "an inline row(row)",
      { text, code: "def row(row): return row['name']" },
      { rows: 2, returned: 2, results: ["té", "b, c"] },
    ],
    [
      "another delimiter, and columns given",
      { text: "1;2\n", columns: ["x", "y"], delimiter: ";", code: "def row(row): return row" },
      { rows: 1, returned: 1, results: [{ x: "1", y: "2" }] },
    ],
    ["nothing returned", { text, code: "def row(row): pass" }, { rows: 2, returned: 0, results: [] }],
    ["no rows", { text: "a,b\n", code: "def row(row): pass" }, { rows: 0, returned: 0, results: [] }],
  ];
  test.each(results)(
    "%s",
    async (_name, payload, expected) => {
      expect(resultOf(await python.driver.run("python.csv", payload))).toEqual(expected);
    },
    BOUND_MS,
  );

  test(
    "a file is read row by row, with progress",
    async () => {
      const file = join(python.folder, "rows.csv");
      writeFileSync(file, `\ufeffn\n${Array.from({ length: 3000 }, (_, n) => n).join("\n")}\n`);
      const stream = await python.driver.open();
      const job = stream.start("python.csv", { file, code: "def row(row): return int(row['n'])" });
      const result = resultOf(await stream.finished(job));
      expect(result).toMatchObject({ rows: 3000, returned: 3000 });
      expect(stream.progress.at(-1)).toMatchObject({ current: 3000, total: 3000 });
      stream.end();
    },
    BOUND_MS,
  );

  const failures: [string, object, object][] = [
    [
      "names the row and its line",
      { text: "price\n1\nx\n", handler: "price" },
      { message: "row 2 (line 3): ValueError: could not convert string to float: 'x'", kind: "ValueError" },
    ],
    [
      "needs a function",
      { text, code: "x = 1" },
      { message: "The code of a python.csv job has to define row(row) or handler(job).", permanent: true },
    ],
    [
      "needs rows",
      { code: "def row(row): pass" },
      { message: "payload: give exactly one of text, file.", permanent: true },
    ],
    ["needs code", { text }, { message: "payload: give exactly one of code, content, handler." }],
  ];
  test.each(failures)(
    "%s",
    async (_name, payload, expected) => {
      expect((await python.driver.run("python.csv", payload)).error).toMatchObject(expected);
    },
    BOUND_MS,
  );
});
