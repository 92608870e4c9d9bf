/** A ScheduledPlugin in Python, by what a host sees of it: real python processes, spoken to over gRPC. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { status } from "@grpc/grpc-js";
import { PluginProcess } from "./testdata/process.ts";

setDefaultTimeout(30_000); // Generous: other tests run beside these, and each starts an interpreter.

const listed = (word: string) => new PluginProcess("testdata/listed.py", [word, "--port", "0"]);

test("the example declares three schedules, is told which run it is, and cleans up", async () => {
  await using plugin = new PluginProcess("examples/sweeper.py");
  const { schedules, handlers } = await plugin.describe();
  expect(handlers).toMatchObject([{ name: "sweeper.run", description: "" }]);
  expect(schedules).toMatchObject([
    { id: "often", handler: "sweeper.run", when: "30s", jitterMs: 0, priority: undefined },
    { id: "nightly", when: "30 2 * * *", timezone: "Europe/Amsterdam", timeoutMs: 600_000 },
    { id: "hourly", when: "@hourly", jitterMs: 60_000, missed: "all", priority: -1 },
  ]);
  expect(schedules[1]?.payload.toString()).toBe('{"deep":true}');
  const stream = await plugin.stream();
  stream.start("sweeper.run", { deep: true }, { declaredId: "nightly", runCount: 3, catchup: true });
  const { result } = await stream.finish();
  expect(JSON.parse(result.toString())).toEqual({ schedule: "nightly", run: 3, deep: true });
  await plugin.cleanUp();
  await plugin.lines.until((line) => line === "the broom is put away");
});

test("a list may be found out when it is asked for; a run over a call of its own knows as much", async () => {
  await using plugin = listed("good");
  const described = await plugin.describe();
  expect(described.priority).toBe(5);
  expect(described.handlers).toMatchObject([{ name: "listed.run", timeoutMs: 1_500, maxAttempts: 2 }]);
  expect(described.schedules).toMatchObject([
    { id: "a", jitterMs: 1_500, missed: "all", priority: 0, timeoutMs: 2_500 },
  ]);
  const headers = {
    "qntx-schedule-id": "SC_1",
    "qntx-declared-id": "a",
    "qntx-occurrence": "2026-01-31T10:00:00.000Z",
    "qntx-run-count": "41",
    "qntx-catchup": "true",
    "qntx-tenant": "100 %25 Z%C3%BCrich",
  };
  const told = await plugin.execute("listed.run", undefined, { headers });
  expect(JSON.parse(told.result.toString())).toEqual([
    "SC_1",
    "a",
    "2026-01-31T10:00:00.000Z",
    41,
    true,
    "100 % Zürich",
  ]);
  const alone = await plugin.execute("listed.run");
  expect(JSON.parse(alone.result.toString())).toEqual([null, null, null, null, false, null]);
});

test("cleans up once for each time that a host has asked what it is", async () => {
  await using plugin = listed("good");
  await plugin.describe();
  await Promise.all([plugin.cleanUp(), plugin.cleanUp()]);
  await plugin.describe();
  await plugin.cleanUp();
  await plugin.lines.until((line) => line === "cleaned up 2");
  expect(plugin.lines.items.filter((line) => line.startsWith("cleaned up"))).toHaveLength(2);
});

test("a cleanup that raises says so, and the plugin can still be ended", async () => {
  await using plugin = listed("raises");
  await plugin.describe().catch(() => {});
  const refusal: unknown = await plugin.cleanUp().catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: status.INTERNAL, details: "RuntimeError: the table is locked" });
  await plugin.shutdown();
  expect(await plugin.child.exited).toBe(0);
});

describe("what cannot be declared is refused when it is asked for", () => {
  const rows: [string, status, string][] = [
    ["raises", status.INTERNAL, "LookupError: no list today"],
    ["text", status.INVALID_ARGUMENT, "The schedules of plugin listed are no list."],
    ["dict", status.INVALID_ARGUMENT, "{'id': 'a'} among the schedules of plugin listed is no Schedule."],
    ["number", status.INVALID_ARGUMENT, "Schedule 'a' of plugin listed: when is 5; write a text, like"],
    ["jitter", status.INVALID_ARGUMENT, "Schedule 'a' of plugin listed: "],
    ["priority", status.INVALID_ARGUMENT, "Schedule 'a' of plugin listed: "],
    ["payload", status.INVALID_ARGUMENT, "Schedule 'a' of plugin listed: Object of type object is not JSON"],
    ["name", status.INVALID_ARGUMENT, "Schedule 'a' of plugin listed: "],
  ];
  test.each(rows)("%s", async (word, code, sentence) => {
    await using plugin = listed(word);
    const refusal: unknown = await plugin.describe().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code, details: expect.stringContaining(sentence) });
  });
});

test.each([
  ["mute", "TypeError: Mute has no run(self, job)."],
  ["timeless", 'TypeError: Timeless has no schedules, like [Schedule("often", "5m")].'],
])("what would do nothing is refused when it is served: %s", async (word, sentence) => {
  await using plugin = listed(word);
  await plugin.lines.until((line) => line === sentence);
  expect(await plugin.child.exited).toBe(1);
});
