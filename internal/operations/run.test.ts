/** The one way into an operation: who may, what is checked, what is written down. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Capability } from "../access/capability.ts";
import type { Principal } from "../access/principal.ts";
import type { Fault } from "../base/fault.ts";
import type { FakeEnv } from "../base/fake-env.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { Folder, OPERATOR, pluginPrincipal, refusal as refused } from "./fixture.ts";
import type { Context, Host, MeteredCall } from "./operation.ts";
import { attestationCreate } from "./attestation.ts";
import { admit, callOperation } from "./run.ts";
import { OPERATIONS } from "./table.ts";

let folder: Folder;
let env: FakeEnv;
let store: SqliteStore;
let calls: MeteredCall[];
beforeEach(() => {
  folder = new Folder();
  ({ env, store } = folder);
  calls = [];
});
afterEach(() => store.close());

const context = (principal: Principal = OPERATOR): Context => ({
  ...folder.context(principal),
  meter: (call) => calls.push(call),
});
const plugin = (name: string, may?: Iterable<Capability>) =>
  pluginPrincipal({ plugin: name, ...(may && { capabilities: new Set(may) }) });
const refusal = (name: string, input: unknown, principal?: Principal) =>
  refused(callOperation(context(principal), name, input));

test.each([
  "schedule.create",
  "schedule.update",
  "schedule.pause",
  "schedule.resume",
  "schedule.delete",
  "schedule.apply",
  "blackout.set",
])("%s is refused while the clock is not believed, and says what to do", async (name) => {
  const doubting = { clock: { suspicion: { reason: "the clock went forward by 3d at once", leftMs: 1 } } };
  const host = doubting as unknown as Host;
  const fault = await callOperation({ ...context(), host }, name, {}).catch((error: unknown) => error);
  expect(fault).toMatchObject({
    code: "conflict",
    message: `${name} waits until the clock is believed: the clock went forward by 3d at once.`,
    hint: "Set the clock right; or, if it is: qntx doctor --confirm-clock",
  });
});

test("names in the table are unique, and are noun.verb", () => {
  const names = OPERATIONS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z]+\.[a-zA-Z]+$/);
});

test.each([
  // operation            input                                                              field          sentence
  ["schedule.create", {}, "handler", "handler: is missing"],
  ["schedule.create", { handler: "a.b" }, "every", "every: when it runs is missing."],
  ["schedule.create", { handler: "a.b", every: "0s" }, "every", 'every: "0s" is too short.'],
  ["schedule.create", { handler: "a.b", every: "5x" }, "every", 'every: "5x" is not a duration.'],
  [
    "schedule.create",
    { handler: "a.b", every: "5s", cron: "* * * * *" },
    "cron",
    "every and cron cannot be given together",
  ],
  ["schedule.create", { handler: "a.b", cron: "61 * * * *" }, "cron", "61"],
  ["schedule.create", { handler: "a.b", cron: "0 0 30 2 *" }, "cron", "never fires"],
  ["schedule.create", { handler: "a.b", cron: "@daily", timezone: "Mars/Base" }, "timezone", "Mars/Base"],
  [
    "schedule.create",
    { handler: "a.b", every: "5s", timezone: "Europe/Berlin" },
    "timezone",
    "has no effect",
  ],
  ["schedule.create", { handler: "a.b", at: "2020-01-01T00:00:00Z" }, "at", "is in the past"],
  ["schedule.create", { handler: "a.b", at: "tomorrow" }, "at", "is not an instant"],
  ["schedule.create", { handler: "a b", every: "5s" }, "handler", "is not the name of a handler"],
  ["schedule.create", { handler: "a.b", every: "5s", name: "../x" }, "name", "cannot be a name"],
  ["schedule.create", { handler: "a.b", every: "5s", overlap: "sometimes" }, "overlap", "must be"],
  [
    "schedule.create",
    { handler: "a.b", every: "5s", payload: "x".repeat(100_001) },
    "payload",
    "at most 100000",
  ],
  ["schedule.create", { handler: "a.b", every: "5s", colour: "red" }, "colour", "is not a field"],
  ["job.enqueue", { handler: "" }, "handler", "is not the name of a handler"],
  ["job.enqueue", { handler: "a.b", id: "../../x" }, "id", "cannot be a job's id"],
  ["job.enqueue", { handler: "a.b", maxAttempts: 0 }, "maxAttempts", "at least 1"],
  ["job.enqueue", { handler: "a.b", priority: 1.5 }, "priority", "whole number"],
  ["job.enqueue", { handler: "a.b", timeout: "8d" }, "timeout", "out of range"],
  ["job.enqueue", { handler: "a.b", payload: "x".repeat(262_145) }, "payload", "at most 262144"],
  ["handler.create", { name: "a/b", code: "1", lang: "py" }, "name", "cannot be a handler's name"],
  ["handler.create", { name: "a", code: "", lang: "py" }, "code", "is empty"],
  ["handler.create", { name: "a", code: "1", lang: "rb" }, "lang", "must be one of"],
  ["ats.create", { attestations: [{ subjects: [] }] }, "attestations.0.subjects", "is empty"],
  ["job.list", { state: "sleeping" }, "state", ""],
  ["schedule.next", { cron: "* * * * *", count: 0 }, "count", "at least 1"],
] as [string, unknown, string, string][])(
  "%s %j is refused, and names the field",
  async (name, input, field, sentence) => {
    const fault = await refusal(name, input);
    expect(fault.code).toBe("usage");
    expect(fault.fields.map((wrong) => wrong.field)).toContain(field);
    expect(fault.message).toContain(sentence);
  },
);

test.each(["__proto__", "constructor", "toString", "job", "job.nothing", ""])(
  "there is no operation %p",
  async (name) => {
    expect((await refusal(name, {})).code).toBe("not-found");
  },
);

test("what needs a host says so without one", async () => {
  const fault = await refusal("plugin.list", {});
  expect([fault.code, fault.hint]).toEqual(["unreachable", "Start one with: qntx serve"]);
});

test("a plugin may do what its capabilities say, and a refusal is written down", async () => {
  const fault = await refusal(
    "schedule.create",
    { handler: "p.work", every: "5s" },
    plugin("p", ["cap:ats.read"]),
  );
  expect(fault.message).toBe("Plugin p lacks cap:scheduler.manage, which schedule.create needs.");
  expect((await refusal("schedule.run", { id: "x" }, plugin("p"))).message).toBe(
    "Plugins may not call schedule.run.",
  );
  await expect(admit(context(plugin("p", [])), attestationCreate, {})).rejects.toThrow("lacks cap:ats.write");
  const { items } = await store.audit.list({});
  expect(items.map(({ operation, principal, allowed }) => [operation, principal, allowed])).toEqual([
    ["ats.create", "plugin:p", false],
    ["schedule.run", "plugin:p", false],
    ["schedule.create", "plugin:p", false],
  ]);
});

test("another plugin's schedules and jobs do not exist, by list and by id", async () => {
  const mine = (await callOperation(context(plugin("a")), "schedule.create", {
    handler: "a.x",
    every: "5s",
    name: "n",
  })) as { id: string };
  const job = (await callOperation(context(plugin("a")), "job.enqueue", { handler: "a.x" })) as {
    id: string;
  };
  for (const id of [mine.id, "n"])
    expect((await refusal("schedule.show", { id }, plugin("b"))).code).toBe("not-found");
  expect((await refusal("job.show", { id: job.id }, plugin("b"))).code).toBe("not-found");
  expect((await refusal("job.cancel", { id: job.id }, plugin("b"))).code).toBe("not-found");
  expect(await callOperation(context(plugin("b")), "schedule.list", {})).toMatchObject({ schedules: [] });
  expect(await callOperation(context(plugin("b")), "job.list", {})).toMatchObject({ jobs: [] });
  expect(await callOperation(context(plugin("a")), "schedule.list", {})).toMatchObject({
    schedules: [{ id: mine.id }],
  });
});

test("a job that names its plugin is that plugin's alone, whoever else has such a handler", async () => {
  const { id } = (await callOperation(context(), "job.enqueue", { handler: "b/report" })) as { id: string };
  const offers = (lane: string) => ({ plugin: lane === "b/report" ? "b" : "a", live: true });
  const host = { ready: true, plugins: { offers } } as unknown as Host;
  const show = (name: string) => callOperation({ ...context(plugin(name)), host }, "job.show", { id });
  expect(await show("b")).toMatchObject({ id });
  expect(await show("a").catch((error: Fault) => error.code)).toBe("not-found");
  const list = (handler: string) => callOperation(context(), "job.list", { handler });
  expect(await list("b/report")).toMatchObject({ jobs: [{ id }] });
  expect(await list("a/report")).toMatchObject({ jobs: [] });
});

test.each([
  // who would run it                                    plugin's state   why it waits
  [null, "ready", 'no plugin offers "a.x"'],
  [{ plugin: "p", live: false }, "failed", "plugin p is not running"],
  [{ plugin: "p", live: false }, "ready", 'plugin p runs, but says that it does not know "a.x"'],
  [{ plugin: "p", live: true }, "ready", "waits for a free slot"],
])("a queued job of %p whose plugin is %s says why it waits", async (offer, state, why) => {
  const { id } = (await callOperation(context(), "job.enqueue", { handler: "a.x" })) as { id: string };
  const plugins = { offers: () => offer, statuses: () => [{ name: "p", state }] };
  const host = { ready: true, plugins } as unknown as Host;
  expect(await callOperation({ ...context(), host }, "job.show", { id })).toMatchObject({ waiting: why });
});

test("without enqueue-any a plugin enqueues for itself alone", async () => {
  const guest = plugin("a", ["cap:queue.enqueue"]);
  for (const handler of ["b.x", "b/x", "b/a.x"])
    expect((await refusal("job.enqueue", { handler }, guest)).code).toBe("denied");
  expect(await callOperation(context(guest), "job.enqueue", { handler: "a/x" })).toMatchObject({
    handler: "a/x",
  });
  expect(await callOperation(context(guest), "job.enqueue", { handler: "a.x" })).toMatchObject({
    state: "queued",
  });
});

test("ids may be shortened to what is their own; several candidates are listed", async () => {
  for (const name of ["one", "two"])
    await callOperation(context(), "schedule.create", { handler: "a.x", every: "5s", name });
  const { schedules } = (await callOperation(context(), "schedule.list", {})) as {
    schedules: { id: string; name: string }[];
  };
  const [first] = schedules;
  const end = first?.id.slice(-8) ?? "";
  expect(await callOperation(context(), "schedule.show", { id: end.toLowerCase() })).toMatchObject({
    id: first?.id,
  });
  const fault = await refusal("schedule.show", { id: first?.id.slice(0, 8) });
  expect(fault.code).toBe("usage");
  expect(fault.message).toContain(first?.id ?? "?");
  expect((await refusal("schedule.show", { id: "nothing" })).code).toBe("not-found");
});

test("every call is metered, refused ones too", async () => {
  await callOperation(context(), "job.enqueue", { handler: "a.x" });
  await refusal("job.enqueue", {});
  expect(calls.map(({ operation, ok }) => [operation, ok])).toEqual([
    ["job.enqueue", true],
    ["job.enqueue", false],
  ]);
});

test("changes are in the audit trail with what they were about", async () => {
  await callOperation(context(), "schedule.create", { handler: "a.x", every: "5s", name: "n" });
  await callOperation(context(), "schedule.pause", { id: "n", note: "why" });
  const { items } = await store.audit.list({});
  expect(items.map(({ operation, subject, allowed }) => [operation, subject, allowed])).toEqual([
    ["schedule.pause", "n", true],
    ["schedule.create", "n", true],
  ]);
});

test("upsert finds its own schedule by name and keeps the grid when the interval is the same", async () => {
  const create = (input: object) =>
    callOperation(context(), "schedule.create", { handler: "a.x", every: "1m", name: "n", ...input });
  const first = (await create({ upsert: true })) as { id: string; nextRunAt: string };
  await env.advance(10_000);
  expect(await create({ upsert: true, description: "d" })).toMatchObject({
    id: first.id,
    nextRunAt: first.nextRunAt,
    description: "d",
  });
  const fault = await refusal("schedule.create", { handler: "a.x", every: "1m", name: "n" });
  expect([fault.code, fault.fields[0]?.field]).toEqual(["conflict", "name"]);
});

test("upsert with paused pauses the schedule that is there; without it, a paused one stays so", async () => {
  const upsert = (input: object) =>
    callOperation(context(), "schedule.create", {
      handler: "a.x",
      every: "1m",
      name: "n",
      upsert: true,
      ...input,
    });
  expect(await upsert({})).toMatchObject({ state: "active", created: true });
  expect(await upsert({ paused: true, note: "why" })).toMatchObject({
    state: "paused",
    pause: { note: "why" },
    created: false,
  });
  expect(await upsert({})).toMatchObject({ state: "paused", pause: { note: "why" } });
});

test("a retry leaves the number of tries to the handler where nobody had said one", async () => {
  const enqueue = async (input: object) =>
    (await callOperation(context(), "job.enqueue", { handler: "a.x", ...input })) as { id: string };
  const retried = async ({ id }: { id: string }) => {
    await callOperation(context(), "job.cancel", { id });
    const job = (await callOperation(context(), "job.retry", { id })) as { id: string };
    const lane = { lane: "a.x", limit: 10, maxAttempts: 7 };
    const claimed = await store.jobs.claim({ bootId: "BT_x", lanes: [lane] });
    return claimed.find((candidate) => candidate.id === job.id)?.maxAttempts;
  };
  expect(await retried(await enqueue({}))).toBe(7);
  expect(await retried(await enqueue({ maxAttempts: 2 }))).toBe(2);
});

test("a saved handler has versions, can be rolled back, deleted and made again", async () => {
  const run = (name: string, input: object) => callOperation(context(), name, input);
  for (const code of ["one", "two"]) await run("handler.create", { name: "v", code, lang: "py" });
  expect(await run("handler.show", { name: "v" })).toMatchObject({ handler: "python.v", code: "two" });
  expect(await run("handler.rollback", { name: "python.v" })).toMatchObject({ code: "one" });
  expect(await run("handler.history", { name: "v" })).toMatchObject({
    versions: [{ current: true }, {}, {}],
  });
  await run("handler.delete", { name: "v" });
  expect((await refusal("handler.show", { name: "v" })).code).toBe("not-found");
  expect(await run("handler.list", {})).toEqual({ handlers: [] });
  await run("handler.create", { name: "v", code: "three", lang: "ts" });
  expect(await run("handler.list", {})).toMatchObject({ handlers: [{ handler: "script.v" }] });
});

test.each([
  [{ priority: 0.5 }, "jobs.1.priority: must be a whole number."],
  [{ id: "no id" }, 'jobs.1.id: "no id" cannot be a job\'s id.'],
  [{ handler: "?" }, 'jobs.1.handler: "?" is not the name of a handler.'],
  [
    { handler: "other.run" },
    'jobs.1: Plugin p lacks cap:queue.enqueue-any, and "other.run" is not its handler.',
  ],
] as const)("of several jobs, the one that is wrong is named: %j", async (wrong, sentence) => {
  const jobs = [{ handler: "p.run" }, { handler: "p.run", ...wrong }];
  const fault = await refusal("job.enqueueMany", { jobs }, plugin("p", ["cap:queue.enqueue"]));
  expect(fault.message).toBe(sentence);
});
