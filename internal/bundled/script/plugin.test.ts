/** Scripts as jobs: real processes, driven through the plugin's own handlers. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JobStart } from "../../../sdk/typescript/messages.ts";
import { finishOfError, finishOfResult } from "../../../sdk/typescript/ending.ts";
import { fromBytes, toBytes } from "../../../sdk/typescript/codec.ts";
import type {
  Attestation,
  AttestationFilter,
  Attestations,
  Host,
  JobHandler,
  JobOptions,
  Json,
} from "../../../sdk/typescript/qntx.ts";
import { type AbortWord, RunningJob } from "../../../sdk/typescript/running.ts";
import { MemoryAttestations, MemoryHost } from "../memory-host.ts";
import { createScriptPlugin } from "./plugin.ts";
import { NO_SERVICES } from "../../../sdk/typescript/services.ts";

const room = mkdtempSync(join(tmpdir(), "qntx-script-"));
afterAll(() => rmSync(room, { recursive: true, force: true }));

const role = `const { runScriptRole } = await import(${JSON.stringify(join(import.meta.dir, "role.ts"))}); await runScriptRole();`;
const self = () => [process.execPath, "--no-install", "--no-env-file", "-e", role];

/** Attestations that can be followed. */
class FollowedAttestations extends MemoryAttestations {
  readonly #followers = new Set<(attestation: Attestation) => void>();

  override async create(attestation: Parameters<Attestations["create"]>[0]): Promise<Attestation> {
    const made = await super.create(attestation);
    for (const tell of this.#followers) tell(made);
    return made;
  }

  override watch(_filter?: AttestationFilter, signal?: AbortSignal): AsyncIterable<Attestation> {
    const followers = this.#followers;
    const stream = new ReadableStream<Attestation>({
      start(controller) {
        const tell = (attestation: Attestation) => controller.enqueue(attestation);
        followers.add(tell);
        signal?.addEventListener("abort", () => {
          followers.delete(tell);
          controller.close();
        });
      },
    });
    return stream;
  }
}

/** The plugin, started; jobs are run as the runtime would run them. */
class World implements AsyncDisposable {
  readonly folder = mkdtempSync(join(room, "plugin-"));
  readonly ats = new FollowedAttestations();
  readonly #memory = new MemoryHost();
  readonly #plugin = createScriptPlugin({ folder: this.folder, self });
  jobs: Record<string, JobHandler | JobOptions> = {};
  #announced = () => {};

  readonly host: Host = {
    config: { word: "configured" },
    log: this.#memory.log,
    scheduler: this.#memory.scheduler,
    ats: this.ats,
    queue: {
      enqueue: async (handler, payload) => ({ id: `${handler} ${JSON.stringify(payload)}`, created: true }),
      enqueueMany: async () => {
        throw new Error("the queue is full");
      },
    },
    services: NO_SERVICES,
    locks: {
      tryLock: async ({ key }) => ({ token: `token of ${key}`, fence: 1 }),
      renew: async () => true,
      release: async () => false,
    },
    secrets: { get: async (name) => `the secret ${name}` },
    http: { fetch: async (url) => ({ status: 200, body: `the page of ${url}`, attestationId: "" }) },
    storage: {
      get: async (key) => ({
        key,
        version: 7,
        size: 2,
        expiresAt: "",
        value: [1],
        bytes: Buffer.from("[1]"),
      }),
      set: async (key) => ({ key, version: 8, size: 2, expiresAt: "" }),
      delete: async () => true,
      list: async () => ({ keys: [], cursor: "" }),
    },
    context: async () => ({
      plugin: "script",
      tenant: "",
      version: "1",
      digest: "",
      capabilities: [],
      hostVersion: "1",
    }),
    setJobs: async (jobs) => {
      this.jobs = jobs;
      this.#announced();
    },
  };

  static async start(saved: [name: string, code: string, lang: string][] = []): Promise<World> {
    const world = new World();
    for (const [name, code, lang] of saved) await world.save(name, code, lang);
    await world.#plugin.start?.(world.host);
    return world;
  }

  save(name: string, code: string, lang: string, more: Record<string, Json> = {}): Promise<Attestation> {
    const context = lang === "sh" ? "shell" : "script";
    const attributes = { code, lang, ...more };
    return this.ats.create({ subjects: [name], predicates: ["handler"], contexts: [context], attributes });
  }

  /** Resolves when the announced handlers are such. */
  async until(condition: (jobs: World["jobs"]) => boolean): Promise<void> {
    while (!condition(this.jobs)) await new Promise<void>((resolve) => (this.#announced = resolve));
  }

  run(
    handler: string,
    payload: Json = undefined,
    onLine: (line: string, job: RunningJob) => void = () => {},
  ) {
    const options = this.jobs[handler];
    if (typeof options !== "object") throw new Error(`no handler ${handler}`);
    const start = JobStart.create({ jobId: "JB_1", handler, attempt: 2, maxAttempts: 3, scheduleId: "SC_1" });
    start.payload = toBytes(payload);
    const lines: string[] = [];
    const voice = {
      log(job: RunningJob, level: string, message: string) {
        lines.push(`${level} ${message}`);
        onLine(message, job);
      },
      progress: (_: RunningJob, current: number, total: number) => void lines.push(`${current}/${total}`),
      checkpoint() {},
      beat() {},
    };
    const job = new RunningJob(start, this.host, voice);
    return new Promise<Ended>((resolve) => {
      const told = ({ success, result, error, cost }: ReturnType<typeof finishOfResult>) =>
        resolve({ success, result: fromBytes(result), error, cost, lines });
      job.run(
        options.run,
        (result) => told(finishOfResult(job, result)),
        (error) => told(finishOfError(job, error)),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#plugin.stop?.(this.host);
  }
}

interface Ended {
  success: boolean;
  result: Json;
  error: ReturnType<typeof finishOfResult>["error"];
  cost: number;
  lines: string[];
}

/** Resolves when the process is gone, or dead and only waits for its new parent to notice. A test that waits for ever fails. */
async function gone(pid: number): Promise<void> {
  const isRunning = () => {
    try {
      return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    } catch {
      return false;
    }
  };
  while (isRunning()) await Bun.sleep(5);
}

/** Runs code by script.run in a world of its own. */
async function run(code: string, args: Json = undefined): Promise<Ended> {
  await using world = await World.start();
  return await world.run("script.run", { code, args });
}

describe("what a file returns", () => {
  const rows: [string, string, Json][] = [
    ["its function's result", "export default (job) => ({ got: job.payload })", { got: [1, "a"] }],
    ["what is awaited", "export default async (job) => { await null; return job.attempt; }", 2],
    ["nothing", "export default () => {}", undefined],
    ["TypeScript", "export default (job: { payload: number[] }): number => job.payload.length", 2],
    ["its arguments", "export default () => process.argv.slice(2)", ["1", "a"]],
    ["the work of loading it", "console.log('done')", undefined],
    [
      "the name of its job",
      "export default () => process.env.QNTX_JOB_ID + process.env.QNTX_SCHEDULE_ID",
      "JB_1SC_1",
    ],
    ["its configuration", "export default (job) => job.qntx.config.word", "configured"],
  ];
  test.each(rows)("%s", async (_, code, result) => {
    const ended = await run(code, [1, "a"]);
    expect([ended.success, ended.result, ended.error]).toEqual([true, result, undefined]);
  });
});

describe("how a file fails", () => {
  const rows: [string, string, object][] = [
    [
      "by an exception",
      "export default () => { throw new RangeError('no') }",
      { kind: "RangeError", message: "no" },
    ],
    [
      "for good",
      'import { PermanentError } from "qntx"; export default () => { throw new PermanentError("never") }',
      { kind: "PermanentError", message: "never", permanent: true },
    ],
    [
      "for a while",
      'import { RetryAfterError } from "qntx"; export default () => { throw new RetryAfterError("later", 900) }',
      { message: "later", retryAfterMs: 900, permanent: false },
    ],
    [
      "by sleeping on it",
      'import { Snooze } from "qntx"; export default () => { throw new Snooze(5) }',
      { snooze: true, retryAfterMs: 5 },
    ],
    ["by its exit code", "console.error('disk is full'); process.exit(3)", { kind: "exit" }],
    [
      "by a signal",
      "process.kill(process.pid, 'SIGKILL')",
      { kind: "exit", message: expect.stringContaining("SIGKILL") },
    ],
    ["by a result that is not JSON", "export default () => 1n", { kind: "result", permanent: true }],
    [
      "by its grammar",
      "export default (job => {",
      { message: expect.stringMatching(/script\.ts cannot be loaded: line 1/) },
    ],
    [
      "by exporting something else",
      "export default 5",
      { message: expect.stringContaining("is not a function") },
    ],
    [
      "by a package that is not there",
      'import pad from "left-pad"; export default pad',
      { message: expect.stringContaining("Packages are not fetched") },
    ],
  ];
  test.each(rows)("%s", async (_, code, error) => {
    const ended = await run(code);
    expect(ended.success).toBe(false);
    expect(ended.error).toMatchObject(error);
  });

  test("the stack names the file", async () => {
    const { error } = await run("export default () => {\n  throw new Error('here')\n}");
    expect(error?.stack).toMatch(/script\.ts:2/);
  });

  const requests: [string, Json, RegExp][] = [
    ["no object", "text", /^payload: it must be an object/],
    ["neither", {}, /^payload: give exactly one of code and file/],
    ["both", { code: "", file: "/x" }, /^payload: give exactly one of code and file/],
    ["no text", { code: 1 }, /^code: it must be a text/],
    ["a relative file", { file: "x.ts" }, /^file: "x.ts" is not an absolute path/],
    ["no such file", { file: "/nope.ts" }, /^file: .*nope/],
  ];
  test.each(requests)("a request of %s is refused for good", async (_, payload, message) => {
    await using world = await World.start();
    const { error } = await world.run("script.run", payload);
    expect([error?.kind, error?.permanent]).toEqual(["PermanentError", true]);
    expect(error?.message).toMatch(message);
  });
});

test("everything that a script says is in the job, in order, with its level", async () => {
  const ended = await run(`
    export default async (job) => {
      console.log("one"); job.log("two"); console.error("three"); job.log.warn("four", { n: 4 });
      await null;
      job.progress(1, 2); job.cost(0.5);
      process.stdout.write("raw\\n"); process.stderr.write("raw error\\n");
    };`);
  const spoken = ended.lines.filter((line) => !line.includes("raw"));
  expect(spoken).toEqual(["info one", "info two", "error three", "warn four", "1/2"]);
  expect(ended.lines).toContain("info raw");
  expect(ended.lines).toContain("warn raw error");
  expect(ended.cost).toBe(0.5);
});

test("what a script says just before it ends its process is not lost", async () => {
  const ended = await run(
    "export default (job) => { job.log('last words'); process.stdout.write('x'.repeat(200_000)); process.exit(0); }",
  );
  expect([ended.success, ended.lines[0]]).toEqual([true, "info last words"]);
  expect(ended.lines.join("").split("x").length - 1).toBe(200_000);
});

test("a file runs where it lies, with what lies beside it", async () => {
  await Bun.write(join(room, "beside.ts"), "export const word: string = 'beside';");
  await Bun.write(join(room, "main.ts"), "import { word } from './beside.ts'; export default () => word;");
  await using world = await World.start();
  const ended = await world.run("script.run", { file: join(room, "main.ts") });
  expect(ended.result).toBe("beside");
});

test("a script asks the host through the plugin, and is told what it refuses", async () => {
  const ended = await run(`
    export default async ({ qntx }) => {
      const job = await qntx.queue.enqueue("p.go", { a: 1 });
      const schedule = await qntx.scheduler.create({ handler: "p.go", every: "5m" });
      await qntx.ats.create({ subjects: ["s"], predicates: ["made"], attributes: { n: 1 } });
      const made = await qntx.ats.query({ predicates: ["made"] });
      const refused = await qntx.queue.enqueueMany([]).catch((error) => error.name + ": " + error.message);
      let watch = "";
      try { qntx.ats.watch({}) } catch (error) { watch = error.message }
      const { body } = await qntx.http.fetch("http://example.org/");
      const { value } = await qntx.storage.get("where");
      const { plugin } = await qntx.context();
      return { job: job.id, schedule: schedule.id, made: made[0].attributes, refused, watch, body, value, plugin };
    };`);
  expect(ended.result).toEqual({
    job: 'p.go {"a":1}',
    schedule: "SC_1",
    made: { n: 1 },
    refused: "HostError: the queue is full",
    watch: "A handler file cannot watch attestations: it lives no longer than its job. Write a plugin.",
    body: "the page of http://example.org/",
    value: [1],
    plugin: "script",
  });
});

describe("isolation", () => {
  test("the environment is spelt out, and the folder is the job's own and gone afterwards", async () => {
    process.env["QNTX_TEST_SECRET"] = "do not pass on";
    await using world = await World.start();
    const code = `import { writeFileSync } from "node:fs";
      export default () => { writeFileSync("left.txt", "x"); return [process.cwd(), Object.keys(process.env).sort(), process.env.TMPDIR === process.cwd()]; }`;
    const { result } = await world.run("script.run", { code });
    const [folder, names, isTemporary] = result;
    expect(folder).toStartWith(world.folder);
    expect([existsSync(folder), isTemporary]).toEqual([false, true]);
    expect(names.filter((name: string) => !["HOME", "LANG", "TZ"].includes(name))).toEqual([
      "PATH",
      "QNTX_ATTEMPT",
      "QNTX_HANDLER",
      "QNTX_JOB_ID",
      "QNTX_OCCURRENCE",
      "QNTX_SCHEDULE_ID",
      "QNTX_TRIGGER",
      "TMPDIR",
    ]);
  });

  test("one script that dies takes no other with it", async () => {
    await using world = await World.start();
    const dies = world.run("script.run", { code: "process.abort()" });
    const lives = world.run("script.run", { code: "export default () => Bun.sleep(50).then(() => 'alive')" });
    expect((await dies).success).toBe(false);
    expect((await lives).result).toBe("alive");
  });

  test("what a script has started and left is ended with it", async () => {
    const ended = await run(`
      export default () => Bun.spawn(["sleep", "1000"], { env: {}, stdio: ["ignore", "inherit", "inherit"] }).pid;`);
    expect(ended.result).toBeGreaterThan(0);
    await gone(ended.result);
  });

  test("folders of a process that is gone are removed at the start", async () => {
    const folder = mkdtempSync(join(room, "plugin-"));
    await Bun.write(join(folder, "jobs-999999999", "job-x", "file"), "left");
    await Bun.write(join(folder, "keep", "file"), "mine");
    const plugin = createScriptPlugin({ folder, self });
    await using world = new World();
    await plugin.start?.(world.host);
    expect(readdirSync(folder).toSorted()).toEqual([`jobs-${process.pid}`, "keep"]);
    await plugin.stop?.(world.host);
    expect(readdirSync(folder)).toEqual(["keep"]);
  });
});

describe("ending a job early", () => {
  const waits = "console.log('pid', process.pid);";
  const rows: [string, string, AbortWord, string][] = [
    [
      "one that listens",
      `${waits} export default (job) => new Promise((_, no) => job.signal.addEventListener("abort", () => no(job.signal.reason)))`,
      "cancelled",
      "cancelled",
    ],
    ["one that does not", `${waits} export default () => new Promise(() => {})`, "timeout", "timeout"],
    ["one that computes for ever", `export default () => { ${waits} for (;;); }`, "timeout", "timeout"],
  ];
  test.each(rows)("%s", async (_, code, reason, kind) => {
    await using world = await World.start();
    let pid = 0;
    const ended = await world.run("script.run", { code }, (line, job) => {
      pid = Number(/^pid (\d+)/.exec(line)?.[1] ?? pid);
      job.abort(reason);
    });
    expect([ended.success, ended.error?.kind]).toEqual([false, kind]);
    expect(pid).toBeGreaterThan(0);
    await gone(pid);
  });

  test("a script that returns because it was told to end has not done its job", async () => {
    await using world = await World.start();
    // It says that it is up when it listens, and not before: what comes earlier would find nobody.
    const code = `export default (job) => new Promise((yes) => {
      job.signal.addEventListener("abort", () => yes("tidied: " + job.signal.reason.reason));
      console.log("up");
    })`;
    const ended = await world.run("script.run", { code }, (_, job) => job.abort("shutdown"));
    expect([ended.success, ended.error?.kind]).toEqual([false, "shutdown"]);
  });

  test("a shell script and what it waits for", async () => {
    await using world = await World.start([["slow", "echo up; sleep 1000; echo never", "sh"]]);
    const ended = await world.run("shell.slow", undefined, (_, job) => job.abort("timeout"));
    expect([ended.success, ended.error?.kind, ended.lines]).toEqual([false, "timeout", ["info up"]]);
  });
});

describe("shell", () => {
  const rows: [string, string, object][] = [
    [
      "JSON in the result file",
      'echo \'{"a": 1}\' > "$QNTX_RESULT_FILE"',
      { success: true, result: { a: 1 } },
    ],
    ["text in the result file", 'echo text > "$QNTX_RESULT_FILE"', { success: true, result: "text" }],
    ["no result", "true", { success: true, result: undefined }],
    ["the payload on stdin", 'cat > "$QNTX_RESULT_FILE"', { success: true, result: { p: 1 } }],
    ["stdin that nobody reads", "exec <&-", { success: true }],
    [
      "lines",
      "echo out; echo err >&2; printf unfinished",
      { lines: expect.arrayContaining(["info out", "warn err", "info unfinished"]) },
    ],
    [
      "another shell",
      '#!/usr/bin/env bash\n[[ -n "$BASH_VERSION" ]] && echo 1 > $QNTX_RESULT_FILE',
      { result: 1 },
    ],
    [
      "the job's facts",
      'echo "\\"$QNTX_HANDLER $QNTX_ATTEMPT\\"" > $QNTX_RESULT_FILE',
      { result: "shell.it 2" },
    ],
    [
      "an exit code",
      "echo 'no such table' >&2; exit 7",
      {
        success: false,
        error: expect.objectContaining({
          kind: "exit",
          message: "The script ended with exit code 7: no such table",
        }),
      },
    ],
    ["a shell that is not there", "#!/nope\ntrue", { success: false }],
  ];
  test.each(rows)("%s", async (_, code, ended) => {
    await using world = await World.start([["it", code, "sh"]]);
    expect(await world.run("shell.it", { p: 1 })).toMatchObject(ended);
  });
});

describe("saved handlers", () => {
  test("are announced at the start: the newest of each, without the deleted", async () => {
    await using world = await World.start([
      ["a", "export default () => 'old'", "ts"],
      ["b", "true", "sh"],
      ["run", "export default () => 'mine is the name of the plugin itself'", "ts"],
      ["a", "module.exports = () => 'new'", "js"],
    ]);
    expect(Object.keys(world.jobs).toSorted()).toEqual(["script.a", "script.run", "shell.b"]);
    expect((await world.run("script.a")).result).toBe("new");
  });

  test("are announced when they are saved, changed and deleted while the plugin runs", async () => {
    await using world = await World.start();
    expect(Object.keys(world.jobs)).toEqual(["script.run"]);
    await world.save("late", "export default () => 1", "ts");
    await world.until((jobs) => "script.late" in jobs);
    expect((await world.run("script.late")).result).toBe(1);
    const before = world.jobs;
    await world.save("late", "export default () => 2", "ts");
    await world.until((jobs) => jobs !== before);
    expect((await world.run("script.late")).result).toBe(2);
    await world.save("late", "", "ts", { deleted: true });
    await world.until((jobs) => !("script.late" in jobs));
  });
});
