/** Code that runs: python.script, how it is cancelled, and the interpreter that is kept warm for it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOUND_MS, Fixture, linesOf, resultOf, untilDead } from "./testdata/fixture.ts";

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
        "info one",
        "info two",
        "warn three",
        "info four",
        "info five",
        "info last without an end",
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
