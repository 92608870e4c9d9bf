/**
 * Plugins in Python run Pulse jobs: one with our SDK, a file in the plugin folder,
 * and one by a stranger, over stubs that stock protoc makes at test time. Every
 * way in which a job can end is seen from the command line, as a person sees it.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writePlugin, writeStranger } from "./python.ts";

interface Line {
  level: string;
  message: string;
  stage: string;
  fields: string;
  at: string;
}

setDefaultTimeout(60_000);

let place: Place;

beforeAll(async () => {
  place = new Place(`[plugin]\nenabled = ["ours", "stranger"]\nbundled = false\n`);
  writePlugin(place, "ours.py");
  writeStranger(place, "stranger");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
});

afterAll(() => place[Symbol.asyncDispose]());

/** Enqueues a job, waits for its end, and gives what `job show` says of it. */
async function run(handler: string, payload: unknown, ...options: string[]): Promise<JobShown> {
  const id = await place.enqueue(handler, payload, ...options);
  await place.ended(id);
  return place.json<JobShown>("job", "show", id);
}

function logsOf(id: string): Promise<Line[]> {
  return place.jsonLines<Line>("job", "logs", id);
}

/** Lets a job of `ours.wait` end. */
function release(file: string): void {
  writeFileSync(join(place.home, "plugins-data", "ours", file), "");
}

describe("both kinds of plugin", () => {
  const PLUGINS = [
    { name: "ours", version: "2.5.0", stream: true },
    { name: "stranger", version: "0.9.1", stream: false },
  ];

  test.each(PLUGINS)("$name announces its handlers", async ({ name, version, stream }) => {
    const shown = await place.plugin(name);
    expect(shown).toMatchObject({ state: "ready", version, stream });
    expect(shown.handlers).toContain(`${name}.add`);
  });

  test.each(PLUGINS)(
    "a job of $name completes with result, progress, cost, logs and version",
    async ({ name, version }) => {
      const job = await run(`${name}.add`, [1, 2, 3.5]);
      expect(job).toMatchObject({
        state: "completed",
        result: { sum: 6.5 },
        progress: { current: 3, total: 3 },
        costActual: 0.25,
        pluginVersion: version,
        attempt: 1,
        error: null,
      });
      const line = (await logsOf(job.id)).find(({ message }) => message === "adding");
      expect(JSON.parse(line?.fields ?? "")).toEqual({ numbers: 3 });
    },
  );

  test.each(PLUGINS)(
    "a job of $name fails with the plugin's own sentence, and costs what it cost",
    async ({ name, version }) => {
      const job = await run(`${name}.refuse`, {}, "--max-attempts", "1");
      expect(job).toMatchObject({
        state: "failed",
        error: { message: "Row 7 has no price." },
        costActual: 0.5,
        pluginVersion: version,
      });
    },
  );

  test.each(PLUGINS)(
    "a job of $name that takes longer than its timeout is told to end, and the plugin stays",
    async ({ name }) => {
      const { pid } = await place.plugin(name);
      const job = await run(`${name}.hang`, {}, "--timeout", "1s", "--max-attempts", "1");
      expect(job).toMatchObject({ state: "failed", error: { kind: "timeout" } });
      expect(job.error?.message).toContain("1s");
      expect(await place.plugin(name)).toMatchObject({ state: "ready", pid, restarts: 0 });
    },
  );
});

describe("our SDK", () => {
  test("lines and progress are there while the job still runs", async () => {
    const id = await place.enqueue("ours.wait", "live");
    const lines = await place.until("a live line", async () => {
      const said = await logsOf(id);
      return said.length >= 2 && said;
    });
    expect(lines.map(({ message }) => message.replace(/\d+$/, "PID"))).toEqual(["waiting in PID", "waiting"]);
    await place.until("live progress", async () => {
      const { state, progress } = await place.json<JobShown>("job", "show", id);
      expect(state).toBe("running");
      return progress?.message === "waiting" && progress.current === 1 && progress.total === 2;
    });
    release("live");
    expect(await place.ended(id)).toMatchObject({ state: "completed" });
  });

  test("an exception keeps its traceback", async () => {
    const { state, error } = await run("ours.raise", {});
    expect(state).toBe("failed");
    expect(error).toMatchObject({ message: "KeyError: 'price'", kind: "KeyError", attempt: 1 });
    expect(error?.stack).toContain('return row["price"]');
    expect(error?.stack).toContain("in price_of");
    expect(error?.stack).not.toContain("sdk/python"); // The SDK's own frames explain nothing.
  });

  test("a job that does not hear its cancellation is ended with its process after the grace; its neighbour runs again", async () => {
    const { pid } = await place.plugin("ours");
    const neighbour = await place.enqueue("ours.wait", "neighbour");
    await place.until("the neighbour to run", async () => (await place.plugin("ours")).running === 1);
    const deaf = await run("ours.deaf", {}, "--timeout", "1s");
    expect(deaf).toMatchObject({ state: "failed", error: { kind: "timeout" } });
    expect(deaf.error?.message).toContain("replaced");
    release("neighbour");
    const { state, attempt, lost, result } = await place.ended(neighbour);
    expect({ state, attempt, lost }).toEqual({ state: "completed", attempt: 1, lost: 0 });
    const now = await place.plugin("ours");
    expect(now.state).toBe("ready");
    expect(now.pid).not.toBe(pid);
    expect(result).toEqual({ pid: now.pid });
  });
});

describe("a stranger", () => {
  test("its log entries are the job's lines: time, level, stage and metadata", async () => {
    const { id } = await run("stranger.add", [1]);
    const [first, second] = await logsOf(id);
    expect(first).toMatchObject({
      at: "2026-01-31T10:00:00.000Z",
      level: "warn",
      stage: "read",
      message: "adding",
      fields: '{"numbers": 1}',
    });
    expect(second).toMatchObject({ level: "info", message: "may take 300 s" });
  });

  test("an exception fails the try with what gRPC tells of it", async () => {
    const { state, error } = await run("stranger.fail", {}, "--max-attempts", "1");
    expect(state).toBe("failed");
    expect(error?.message).toBe("plugin execution failed: Exception calling application: 'price'");
    await place.until("the rest in the plugin's log", async () =>
      (await place.plugin("stranger")).lastLines.some((line) => line.startsWith("Traceback")),
    );
  });

  test("hears that its job's time is over", async () => {
    await run("stranger.hang", {}, "--timeout", "1s", "--max-attempts", "1");
    await place.until("the plugin to hear of it", async () =>
      (await place.plugin("stranger")).lastLines.includes("told to end"),
    );
  });

  test("a result that is no text arrives as bytes", async () => {
    expect(await run("stranger.unsaid", {})).toMatchObject({ result: { base64: "//4=" } });
  });
});
