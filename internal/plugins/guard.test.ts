import { expect, test } from "bun:test";
import { join } from "node:path";
import {
  InitializeResponse,
  JobLogEntry,
  type WatcherRegistration,
} from "../../proto/gen/protocol/domain.ts";
import { DescribeResponse, HandlerOptions } from "../../proto/gen/qntx/v1/plugin.ts";
import { JOB_TIMEOUT_MAX_MS } from "../job/job.ts";
import {
  cleanCost,
  cleanEntry,
  cleanProgress,
  cleanText,
  HANDLERS_MAX,
  readAnnouncement,
  readHandlers,
} from "./guard.ts";

test("a text is cut between characters and has no zero bytes", () => {
  expect(cleanText("a\0b", 10)).toBe("a\uFFFDb");
  expect(cleanText("a".repeat(11), 10)).toBe(`${"a".repeat(10)}… (cut: 11 characters)`);
  expect(cleanText(`${"a".repeat(9)}😀b`, 10)).toBe(`${"a".repeat(9)}… (cut: 12 characters)`);
});

test("a cost is an amount or nothing, with a sentence", () => {
  const said: string[] = [];
  const costs = [0.25, 0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((cost) =>
    cleanCost(cost, (s) => said.push(s)),
  );
  expect(costs).toEqual([0.25, 0, 0, 0, 0]);
  expect(said).toHaveLength(3);
});

test("progress is between nothing and all", () => {
  expect(cleanProgress({ current: 0, total: 0, message: "" })).toBeNull();
  expect(cleanProgress({ current: 9, total: 4, message: "" })).toEqual({ current: 4, total: 4, message: "" });
  expect(cleanProgress({ current: -9, total: -4, message: "m" })).toEqual({
    current: 0,
    total: 0,
    message: "m",
  });
  expect(cleanProgress({ current: 7, total: 0, message: "" })).toEqual({ current: 7, total: 0, message: "" });
});

test("a line from an answer keeps what can be read of it", () => {
  const entry = { timestamp: "yesterday", level: "CRITICAL", message: "m", stage: "s", metadata: "[1]" };
  expect(cleanEntry(JobLogEntry.fromPartial(entry), 5)).toEqual({
    at: 5,
    level: "error",
    message: "m",
    stage: "s",
    fields: "",
  });
});

test("a line whose time has no offset is of UTC, whatever the zone of the process", async () => {
  const program = `
    import { cleanEntry } from ${JSON.stringify(join(import.meta.dir, "guard.ts"))};
    const line = { level: "", message: "", stage: "", metadata: "" };
    const times = ["2030-01-01T00:00:00", "2030-01-01T00:00:00Z", "2030-01-01T05:30:00+05:30", "2030-01-01"];
    process.stdout.write(JSON.stringify(times.map((timestamp) => cleanEntry({ ...line, timestamp }, 5).at)));`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { TZ: "America/New_York" },
    stdout: "pipe",
  });
  expect(new Set(JSON.parse(await child.stdout.text()))).toEqual(new Set([Date.UTC(2030, 0, 1)]));
});

const NAMES = [
  // announced           kept
  ["python.script", true],
  ["a", true],
  ["a-b:c_d.e", true],
  ["x".repeat(128), true],
  ["x".repeat(129), false],
  ["", false],
  [".a", false],
  ["a/b", false],
  ["a b", false],
  ["a\n", false],
  ["é", false],
] as const;

test("handler names are checked, and what is refused is named", () => {
  for (const [name, kept] of NAMES) {
    const said: string[] = [];
    expect([name, readHandlers([name], [], (s) => said.push(s)).length === 1]).toEqual([name, kept]);
    expect(said).toHaveLength(kept ? 0 : 1);
  }
  expect(readHandlers(["a", "a"], [], () => {})).toHaveLength(1);
  const many = Array.from({ length: HANDLERS_MAX + 5 }, (_, i) => `h${i}`);
  expect(readHandlers(many, [], () => {})).toHaveLength(HANDLERS_MAX);
});

test("options of a handler are limits, or not said", () => {
  const option = HandlerOptions.fromPartial({
    name: "a",
    timeoutMs: 1e15,
    maxAttempts: -3,
    concurrency: 2,
    description: "d",
    retry: "fixed:2s",
  });
  const wrong = HandlerOptions.fromPartial({ name: "c", retry: "whenever" });
  const said: string[] = [];
  const none = {
    timeoutMs: null,
    maxAttempts: null,
    concurrency: null,
    concurrencyPerKey: null,
    rate: null,
    burst: null,
    description: "",
    retry: null,
  };
  expect(readHandlers(["a", "b", "c"], [option, wrong], (sentence) => said.push(sentence))).toEqual([
    {
      ...none,
      name: "a",
      timeoutMs: JOB_TIMEOUT_MAX_MS,
      concurrency: 2,
      description: "d",
      retry: { kind: "fixed", baseMs: 2_000, maxMs: 2_000 },
    },
    { ...none, name: "b" },
    { ...none, name: "c" },
  ]);
  expect(said).toEqual(['retry of handler c is left out: retry: "whenever" is no retry policy.']);
});

test("declared schedules of both kinds are one list; one without an interval is left out", () => {
  const said: string[] = [];
  const described = DescribeResponse.fromPartial({
    protocol: "qntx.v1",
    concurrency: -4,
    priority: 9,
    schedules: [{ id: "nightly", handler: "a.b", when: "@daily", jitterMs: -5 }],
  });
  const initialized = InitializeResponse.fromPartial({
    schedules: [
      { handlerName: "a.b", intervalSeconds: 60, enabledByDefault: true },
      { handlerName: "a.b", intervalSeconds: 90 },
      { handlerName: "a.c", intervalSeconds: 0, enabledByDefault: true },
    ],
  });
  const { schedules, concurrency, stream } = readAnnouncement(described, initialized, (s) => said.push(s));
  expect(schedules).toMatchObject([
    { id: "nightly", handler: "a.b", when: "@daily", jitterMs: -5, paused: false, priority: 9 },
    { id: "a.b", handler: "a.b", when: "60s", paused: false },
    { id: "a.b:1", handler: "a.b", when: "90s", paused: true },
  ]);
  expect(said).toEqual(['the schedule of "a.c" is left out: it says no interval']);
  expect([concurrency, stream]).toEqual([0, false]);
});

test.each<[wrong: string, watcher: Partial<WatcherRegistration>, sentence: RegExp]>([
  ["no id", { id: "" }, /^watcher "" is left out: an id is letters/],
  ["no filter", { predicates: [] }, /^watcher "w" is left out: it names no subjects/],
  ["no handler", { handlerName: "" }, /^watcher "w" is left out: "" is no name of a handler$/],
  [
    "too many values",
    { subjects: Array.from({ length: 257 }, String) },
    /it has 257 subjects; 256 are allowed$/,
  ],
  ["an id that is taken", { id: "first" }, /^watcher "first" is left out: another one has that id$/],
])("a watcher with %s is left out with a sentence, and the others are kept", (_, wrong, sentence) => {
  const said: string[] = [];
  const watcher = { id: "w", handlerName: "p.x", predicates: ["is"] };
  const watchers = [
    { ...watcher, id: "first" },
    { ...watcher, ...wrong },
    { ...watcher, id: "last" },
  ];
  const initialized = InitializeResponse.fromPartial({ handlerNames: ["p.x"], watchers });
  const announced = readAnnouncement(null, initialized, (one) => void said.push(one));
  expect(announced.watchers.map(({ id }) => id)).toEqual(["first", "last"]);
  expect(said).toEqual([expect.stringMatching(sentence)]);
});

test("a watcher runs as often as it says: 0 is the usual, and too much the most that there is", () => {
  const said: string[] = [];
  const watchers = [0, -1, 7, 5_000].map((maxFiresPerSecond, n) => ({
    id: `w${n}`,
    handlerName: "p.x",
    actors: ["me"],
    maxFiresPerSecond,
  }));
  const announced = readAnnouncement(
    null,
    InitializeResponse.fromPartial({ watchers }),
    (one) => void said.push(one),
  );
  expect(announced.watchers.map(({ firesPerSecondMax }) => firesPerSecondMax)).toEqual([10, 10, 7, 1_000]);
  expect(said).toEqual([
    "watcher w3 asks for 5000 jobs a second and gets 1000",
    ...[0, 1, 2, 3].map(
      (n) => `watcher w${n} runs "p.x", which the plugin does not announce: its jobs wait until it does`,
    ),
  ]);
});
