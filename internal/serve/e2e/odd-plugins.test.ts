/**
 * Plugins as they are in the wild, written for QNTX and knowing nothing of us: those
 * without handlers, those that refuse or agree to whatever they are asked, those that
 * serve one connection and one call at a time, and modules of QNTX's own runtime.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writePlugin, writeStranger } from "./python.ts";

setDefaultTimeout(60_000);

const ODD = ["silent", "refuses", "agrees", "single", "nan"];
let place: Place;

beforeAll(async () => {
  const enabled = JSON.stringify([...ODD, "weather", "tides"]);
  place = new Place(
    `[plugin]\nenabled = ${enabled}\nbundled = false\n[weather]\nplaces = ["Ulm"]\ndepth = 3\n`,
  );
  for (const name of ODD) writeStranger(place, name, "odd.py");
  writePlugin(place, "weather");
  writePlugin(place, "tides.ts");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
});

afterAll(() => place[Symbol.asyncDispose]());

async function run(handler: string, payload: unknown, ...options: string[]): Promise<JobShown> {
  return place.ended(await place.enqueue(handler, payload, ...options));
}

test("all of them are ready, at once, with what they announce", async () => {
  const { plugins } = await place.json<{
    plugins: { name: string; state: string; handlers: string[]; restarts: number }[];
  }>("plugin", "list");
  const seen = plugins.map(({ name, state, handlers, restarts }) => ({ name, state, handlers, restarts }));
  expect(seen).toEqual(
    [
      { name: "silent", handlers: [] },
      ...ODD.slice(1).map((name) => ({ name, handlers: [`${name}.echo`] })),
      { name: "weather", handlers: ["weather.fetch"] },
      { name: "tides", handlers: ["tides.next"] },
    ].map((plugin) => ({ ...plugin, state: "ready", restarts: 0 })),
  );
});

test.each(["refuses", "agrees", "single"])("%s runs jobs", async (name) => {
  const jobs = await Promise.all([1, 2, 3].map((number) => run(`${name}.echo`, { number })));
  expect(jobs.map(({ state, result }) => ({ state, result }))).toEqual(
    [1, 2, 3].map((number) => ({ state: "completed", result: { number } })),
  );
});

test("a cost of NaN is no cost, and the job has completed", async () => {
  expect(await run("nan.echo", {})).toMatchObject({ state: "completed", costActual: 0, result: {} });
});

test("an answer that is no message fails the try, and the plugin goes on", async () => {
  const { state, error } = await run("refuses.echo", { answer: "ffffff" }, "--max-attempts", "1");
  expect(state).toBe("failed");
  expect(error?.message).toStartWith("plugin execution failed: ");
  expect(await run("refuses.echo", {})).toMatchObject({ state: "completed" });
  expect(await place.plugin("refuses")).toMatchObject({ state: "ready", restarts: 0 });
});

test.each([
  ["silent", 404],
  ["refuses", 404],
  ["agrees", 404],
])("%s has no HTTP, which is no fault of it", async (name, status) => {
  expect((await place.http(`/api/${name}/page`)).status).toBe(status);
  expect(await place.plugin(name)).toMatchObject({ state: "ready", restarts: 0 });
});

test("one that answers one call after the other is busy with a job, not dead, and its next job's time has not begun", async () => {
  const { pid } = await place.plugin("single");
  await run("single.echo", { sleep: 0.2 }); // By now the host knows.
  const long = run("single.echo", { sleep: 3 });
  const short = run("single.echo", { after: "the long one" }, "--timeout", "1s", "--max-attempts", "1");
  expect(await long).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
  expect(await short).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
  expect(await place.plugin("single")).toMatchObject({ state: "ready", pid });
});

test("one that hangs in a job whose time is over is replaced, and goes on with the next", async () => {
  const { pid } = await place.plugin("single");
  const hung = run("single.echo", { sleep: 600 }, "--timeout", "1s", "--max-attempts", "1");
  await place.until("the job to run", async () => (await place.plugin("single")).running === 1);
  const next = run("single.echo", { after: "the one that hangs" });
  const { state, error } = await hung;
  expect({ state, kind: error?.kind }).toEqual({ state: "failed", kind: "timeout" });
  expect(error?.message).toContain("replaced");
  expect(await next).toMatchObject({ state: "completed", attempt: 1 });
  const now = await place.plugin("single");
  expect(now.state).toBe("ready");
  expect(now.pid).not.toBe(pid);
});

test("one that answers while it works is given several jobs at once", async () => {
  await run("refuses.echo", { sleep: 0.2 });
  const jobs = [run("refuses.echo", { sleep: 1 }), run("refuses.echo", { sleep: 1 })];
  await place.until("both to run", async () => (await place.plugin("refuses")).running === 2);
  for (const job of jobs) expect(await job).toMatchObject({ state: "completed" });
});

describe("a module of QNTX's runtime", () => {
  test("has its HTTP routes, its configuration and the endpoints of the host", async () => {
    const answer = await place.http("/api/weather/places");
    expect(await answer.json()).toEqual({
      places: ["Ulm"],
      endpoint: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    const added = await place.http("/api/weather/places", { body: JSON.stringify({ place: "Bern" }) });
    expect(await added.text()).toBe("2");
    const refused = await place.http("/api/weather/places", { body: "{}" });
    expect({ status: refused.status, body: await refused.json() }).toEqual({
      status: 422,
      body: { error: "place is missing" },
    });
    expect((await place.http("/api/weather/elsewhere")).status).toBe(404);
  });

  test("has its schedule, whose jobs say what the module lacks", async () => {
    const { schedules } = await place.json<{ schedules: { id: string; owner: string; everyMs: number }[] }>(
      "schedule",
      "list",
    );
    expect(schedules).toMatchObject([{ owner: "plugin:weather", handler: "weather.fetch", everyMs: 1_000 }]);
    const job = await place.until("a job of the schedule to end", async () => {
      const { jobs } = await place.call<{ jobs: JobShown[] }>("job.list", { handler: "weather.fetch" });
      return jobs.find(({ state }) => state === "failed");
    });
    expect(job).toMatchObject({ attempt: 1, scheduleId: schedules[0]?.id });
    expect(job.error?.message).toBe(
      "Plugin weather announces weather.fetch but exports no executeJob to run it.",
    );
  });

  test("runs jobs once it exports executeJob", async () => {
    expect(await run("tides.next", { harbour: "Brest" }, "--timeout", "7s")).toMatchObject({
      state: "completed",
      result: { harbour: "Brest", handler_name: "tides.next", timeout_secs: 7 },
      progress: { current: 2, total: 2 },
      costActual: 0.125,
    });
    const refused = await run("tides.next", { harbour: "" }, "--max-attempts", "1");
    expect(refused).toMatchObject({
      state: "failed",
      error: { message: "There is no harbour without a name." },
    });
  });
});
