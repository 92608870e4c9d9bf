/** A ScheduledPlugin, driven over real gRPC as a host drives it. */
import { describe, expect, test } from "bun:test";
import { Metadata } from "@grpc/grpc-js";
import { ExecuteJobRequest } from "../../proto/gen/protocol/domain.ts";
import { asked, Driver } from "./driver.ts";
import sweeper from "./examples/sweeper.ts";
import { defineScheduledPlugin, type Job, type PluginSchedule, type ScheduledPlugin } from "./qntx.ts";

/** As an author may write it: methods, and what they share. */
class Sweeper implements ScheduledPlugin {
  readonly name = "sweeper";
  readonly version = "1.0.0";
  readonly priority = 5;
  swept = 0;
  cleanups = 0;

  schedules(): PluginSchedule[] {
    return [
      { id: "often", when: "30s", jitterMs: 500, missed: "all", payload: { deep: false } },
      { id: "nightly", when: "30 2 * * *", timezone: "Europe/Berlin", priority: -1, timeoutMs: 60_000 },
    ];
  }

  run({ declaredId, scheduleId, occurrence, runCount, catchup, tenant, payload }: Job) {
    this.swept++;
    return { declaredId, scheduleId, occurrence, runCount, catchup, tenant, payload };
  }

  cleanup(): void {
    this.cleanups++;
  }
}

const RUN = {
  trigger: "schedule",
  scheduleId: "SC_1",
  declaredId: "often",
  occurrence: "2026-01-31T10:00:00.000Z",
  runCount: 41,
  catchup: true,
  tenant: "acme",
};
const describeHost = { hostVersion: "1" };

test("declares what it says, with one handler for all of it", async () => {
  await using driver = await Driver.start(defineScheduledPlugin(new Sweeper()));
  const said = await asked(driver.service, driver.service.describe, describeHost);
  expect(said).toMatchObject({ protocol: "qntx.v1", stream: true, priority: 5 });
  expect(said.handlers.map(({ name }) => name)).toEqual(["sweeper.run"]);
  expect(said.schedules).toMatchObject([
    { id: "often", handler: "sweeper.run", when: "30s", jitterMs: 500, missed: "all", priority: undefined },
    { id: "nightly", handler: "sweeper.run", timezone: "Europe/Berlin", priority: -1, timeoutMs: 60_000 },
  ]);
  expect(said.schedules[0]?.payload.toString()).toBe('{"deep":false}');
});

test("the example runs", async () => {
  await using driver = await Driver.start(sweeper);
  const { schedules } = await asked(driver.service, driver.service.describe, describeHost);
  expect(schedules.map(({ id }) => id)).toEqual(["often", "nightly", "hourly"]);
  const { result } = await driver.run("sweeper.run", { deep: true }, RUN);
  expect(JSON.parse(result.toString())).toEqual({ schedule: "often", run: 41, deep: true });
});

test("a run is told which it is, over the stream and by a call of its own", async () => {
  const sweeper = new Sweeper();
  await using driver = await Driver.start(defineScheduledPlugin(sweeper));
  const { trigger: _, ...expected } = { ...RUN, payload: { deep: false } };
  const overStream = await driver.run("sweeper.run", expected.payload, RUN);
  expect(JSON.parse(overStream.result.toString())).toEqual(expected);

  const beside = new Metadata();
  beside.set("qntx-schedule-id", RUN.scheduleId);
  beside.set("qntx-declared-id", RUN.declaredId);
  beside.set("qntx-occurrence", RUN.occurrence);
  beside.set("qntx-run-count", "41");
  beside.set("qntx-catchup", "true");
  beside.set("qntx-tenant", "acme");
  const payload = Buffer.from('{"deep":false}');
  const request = ExecuteJobRequest.fromPartial({ jobId: "JB_1", handlerName: "sweeper.run", payload });
  const { result } = await asked(driver.domain, driver.domain.executeJob, request, beside);
  expect(JSON.parse(result.toString())).toEqual(expected);
  expect(sweeper.swept).toBe(2);
});

test("a host that says nothing of schedules leaves nothing half known", async () => {
  await using driver = await Driver.start(defineScheduledPlugin(new Sweeper()));
  const request = ExecuteJobRequest.fromPartial({ jobId: "JB_1", handlerName: "sweeper.run" });
  const { result } = await asked(driver.domain, driver.domain.executeJob, request);
  expect(JSON.parse(result.toString())).toEqual({ catchup: false });
});

test("cleans up once for each time that a host has asked what it is", async () => {
  const sweeper = new Sweeper();
  await using driver = await Driver.start(defineScheduledPlugin(sweeper));
  const cleanUp = () => asked(driver.service, driver.service.cleanup, { reason: "stopped" });
  await asked(driver.service, driver.service.describe, describeHost);
  await cleanUp();
  await cleanUp();
  expect(sweeper.cleanups).toBe(1);
  await asked(driver.service, driver.service.describe, describeHost);
  await cleanUp();
  expect(sweeper.cleanups).toBe(2);
});

test("an object does as well as an instance, and needs three things", async () => {
  const plugin = defineScheduledPlugin({
    name: "beat",
    version: "1",
    schedules: [{ id: "often", when: "1s" }],
    run: ({ runCount }) => runCount,
  });
  await using driver = await Driver.start(plugin);
  expect((await driver.run("beat.run", undefined, RUN)).result.toString()).toBe("41");
  await asked(driver.service, driver.service.cleanup, { reason: "stopped" });
});

describe("what cannot travel is refused when it is asked for, with the schedule and the field", () => {
  const rows: [string, unknown, string][] = [
    ["no list", "daily", "The schedules of plugin p are no list."],
    ["no object", ["daily"], "Schedule no. 1 of plugin p has no id."],
    [
      "a misspelt field",
      [{ id: "s", handler: "go", when: "5m", jitter: 5, tz: "UTC" }],
      'The schedule "s" of plugin p has no field jitter, tz. It has id, handler, when, timezone, ',
    ],
    ["no when", [{ id: "s", handler: "go" }], 'The schedule "s" of plugin p has no when.'],
    ["no handler", [{ id: "s", when: "1h" }], 'The schedule "s" of plugin p has no handler.'],
    ["a number for a text", [{ id: "s", handler: "go", when: 5 }], 'when of schedule "s" of plugin p is 5'],
    ["half a priority", [{ id: "s", handler: "go", when: "1h", priority: 0.5 }], "must be a whole number"],
    ["jitter as text", [{ id: "s", handler: "go", when: "1h", jitterMs: "5s" }], 'jitterMs of schedule "s"'],
    [
      "a payload of functions",
      [{ id: "s", handler: "go", when: "1h", payload: () => 1 }],
      'payload of schedule "s"',
    ],
  ];
  test.each(rows)("%s", async (_, schedules, sentence) => {
    const definition = { name: "p", version: "1", jobs: { go() {} }, schedules: () => schedules };
    await using driver = await Driver.start(definition as never); // What an author in JavaScript may write.
    const refusal = await asked(driver.service, driver.service.describe, describeHost).catch(
      (error) => error,
    );
    expect(refusal).toMatchObject({ status: "INVALID_ARGUMENT", message: expect.stringContaining(sentence) });
  });
});

describe("what would do nothing is refused where it is defined", () => {
  const good = { name: "p", version: "1", schedules: [], run() {} };
  const rows: [string, object, string][] = [
    ["a misspelt field", { ...good, schedule: [] }, "ScheduledPlugin p has no field schedule. It has name, "],
    ["a handler of its own", { ...good, jobs: {} }, "ScheduledPlugin p has no field jobs."],
    ["no run", { ...good, run: undefined }, "ScheduledPlugin p has no run. Add one, like run(job) { … }."],
    ["no schedules", { ...good, schedules: undefined }, "ScheduledPlugin p has no schedules. Add them, like"],
  ];
  test.each(rows)("%s", (_, plugin, sentence) => {
    expect(() => defineScheduledPlugin(plugin as never)).toThrow(sentence);
  });
});
