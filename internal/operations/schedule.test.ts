/** Changes of one schedule that are made at the same moment, and schedules of one name that are others'. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Principal } from "../access/principal.ts";
import type { FakeEnv } from "../base/fake-env.ts";
import { POLICY_DEFAULT } from "../schedule/schedule.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { Folder, OPERATOR, pluginPrincipal } from "./fixture.ts";
import type { Host } from "./operation.ts";
import { callOperation } from "./run.ts";

let folder: Folder;
let env: FakeEnv;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ env, store } = folder);
});
afterEach(() => store.close());

const call = (name: string, input: object, principal: Principal = OPERATOR) =>
  folder.call(name, input, principal);

test("changes of different parts of a policy are all kept, and one that names its revision is refused", async () => {
  await call("schedule.create", { name: "n", handler: "a.b", every: "1h" });
  const update = (change: object) => call("schedule.update", { id: "n", ...change });
  const parts = [{ jitter: "5s" }, { overlap: "allow" }, { timeout: "7m" }, { priority: 3 }];
  const late = (): unknown => update({ description: "late", revision: 1 });
  const [first = {}, ...others] = parts;
  await Promise.all([update(first), expect(late()).rejects.toThrow("has changed"), ...others.map(update)]);
  expect(await call("schedule.show", { id: "n" })).toMatchObject({
    jitterMs: 5_000,
    overlap: "allow",
    timeoutMs: 420_000,
    priority: 3,
    description: "",
  });
});

test("a run that somebody asks for has every policy of the schedule that a run has", async () => {
  const retry = { kind: "fixed", baseMs: 1_000, maxMs: 2_000 } as const;
  const policy = { ...POLICY_DEFAULT, priority: 7, timeoutMs: 9_000, maxAttempts: 4, retry };
  await store.schedules.create(newSchedule(env, { name: "n", policy }));
  await call("schedule.run", { id: "n" });
  await env.advance(60_000);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 1 });
  const { items } = await store.jobs.list({}, { limit: 10 });
  const same = { priority: 7, timeoutMs: 9_000, maxAttempts: 4, retry };
  expect(items).toMatchObject([
    { trigger: "schedule", ...same },
    { trigger: "run-now", ...same },
  ]);
});

test("an upsert finds no schedule of another tenant", async () => {
  const plugin = (tenant: string) => pluginPrincipal({ tenant });
  const wanted = { name: "n", handler: "a.b", every: "1h", upsert: true };
  for (const tenant of ["a", "b"])
    expect(await call("schedule.create", wanted, plugin(tenant))).toMatchObject({ created: true });
  expect(await call("schedule.create", wanted, plugin("a"))).toMatchObject({ created: false });
});

test("a handler that nobody offers is taken, and whoever names it is told", async () => {
  const plugins = {
    offers: (lane: string) => (lane === "shell.beat" ? { plugin: "shell", live: true } : null),
    statuses: () => [{ name: "shell", handlers: ["shell.beat"] }],
  };
  const host = { ready: true, plugins, schedulesChanged() {} } as unknown as Host;
  const ask = (name: string, input: object, principal: Principal = OPERATOR) =>
    callOperation(folder.context(principal, host), name, input);
  const told = 'No plugin offers "beat" now; its runs will wait. Did you mean shell.beat?';
  const make = { name: "n", handler: "beat", every: "1h" };
  expect(await ask("schedule.create", make)).toMatchObject({ state: "active", warnings: [told] });
  expect(await ask("schedule.create", { ...make, ifNotExists: true })).toMatchObject({ warnings: [] });
  expect(await ask("schedule.update", { id: "n", jitter: "1s" })).toMatchObject({ warnings: [] });
  expect(await ask("schedule.update", { id: "n", handler: "shell.beat" })).toMatchObject({ warnings: [] });
  expect(await ask("schedule.update", { id: "n", handler: "beat" })).toMatchObject({ warnings: [told] });
  const document = "schedules: [{name: m, handler: beat, every: 1h}, {name: o, handler: beat, every: 2h}]";
  for (const verb of ["schedule.plan", "schedule.apply"])
    expect(await ask(verb, { document })).toMatchObject({ changes: 2, warnings: [told] });
  expect(await ask("schedule.create", make, pluginPrincipal())).toMatchObject({ warnings: [] });
});

test("without a host, only a slip in the name of a saved script is told", async () => {
  await call("handler.create", { name: "beat", code: "date", lang: "sh" });
  const make = (handler: string) => call("schedule.create", { handler, every: "1h" });
  expect(await make("beat")).toMatchObject({
    warnings: ['There is no saved handler "beat". Did you mean shell.beat?'],
  });
  for (const handler of ["shell.beat", "ixgest.git"])
    expect(await make(handler)).toMatchObject({ warnings: [] });
});

test("the ledger shows its last rows, and with a span the first ones of it", async () => {
  await call("schedule.create", { name: "n", handler: "a.b", every: "1m", overlap: "allow" });
  const from = new Date(env.now()).toISOString();
  for (let minute = 1; minute <= 5; minute++) {
    await env.advance(60_000);
    await store.schedules.fire({ nodeId: store.nodes.id, limit: 1 });
  }
  const minutes = async (input: object) => {
    const page = (await call("schedule.ledger", { id: "n", limit: 2, ...input })) as {
      occurrences: { occurrence: string }[];
    };
    return page.occurrences.map(({ occurrence }) => (Date.parse(occurrence) - Date.parse(from)) / 60_000);
  };
  expect(await minutes({})).toEqual([4, 5]);
  expect(await minutes({ from })).toEqual([1, 2]);
  expect(await minutes({ to: new Date(env.now()).toISOString() })).toEqual([1, 2]);
});

test("a number of missed runs is refused where one runs at most, and a window behind the greatest lateness is told", async () => {
  const make = (input: object) => call("schedule.create", { handler: "a.b", every: "1h", ...input });
  await expect(make({ missedMax: 3 })).rejects.toThrow(
    "missedMax: has no effect when the missed policy is latest.",
  );
  const told = "Nothing starts later than 1d after its time, so no more is made up for in a window of 2d.";
  const made = (await make({ missed: "all", missedMax: 3, missedWindow: "2d" })) as { id: string };
  expect(made).toMatchObject({ warnings: [told] });
  const update = (change: object) => call("schedule.update", { id: made.id, ...change });
  expect(await update({ missed: "latest" })).toMatchObject({ missedMax: 3, warnings: [] });
  await expect(update({ missedMax: 5 })).rejects.toThrow("has no effect");
  expect(await update({ missedWindow: "3d", maxLateness: "3d" })).toMatchObject({ warnings: [] });
});

test("an upsert that pauses does so in the step that changes, whoever changes it at the same moment", async () => {
  const wanted = { name: "n", handler: "a.b", every: "1h", upsert: true };
  await call("schedule.create", wanted);
  const { schedules } = store;
  schedules.pause = () => Promise.reject(new Error("a step of its own"));
  const off = call("schedule.create", { ...wanted, every: "2h", paused: true, note: "later" });
  const other = call("schedule.update", { id: "n", description: "new" });
  expect(await off).toMatchObject({ state: "paused", everyMs: 7_200_000, pause: { note: "later" } });
  await other;
  const again = await call("schedule.create", { ...wanted, every: "3h", paused: true, note: "other" });
  expect(again).toMatchObject({ state: "paused", everyMs: 10_800_000, pause: { note: "later" } });
});
