/** What a guest of one tenant can reach of others: nothing, whichever way it names them. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { usualCapabilities } from "../access/capability.ts";
import { usualQuota } from "../access/quota.ts";
import type { FakeEnv } from "../base/fake-env.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { newJob } from "../store/storetest/fixture.ts";
import type { Declaration } from "./declare.ts";
import { declareOfPlugin } from "./declare-plugin.ts";
import { Folder, pluginPrincipal } from "./fixture.ts";
import type { Context, Host } from "./operation.ts";
import { callOperation } from "./run.ts";

let folder: Folder;
let env: FakeEnv;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ env, store } = folder);
});
afterEach(() => store.close());

function guest(host: Host | null = null): Context {
  const capabilities = new Set([...usualCapabilities("guest"), "cap:scheduler.manage" as const]);
  const quota = usualQuota("guest");
  return folder.context(pluginPrincipal({ plugin: "guest", tenant: "acme", capabilities, quota }), host);
}

const OTHERS = [
  ["another tenant", { tenant: "globex", owner: "plugin:guest" }],
  ["the host itself", { owner: "person:operator" }],
  ["another plugin of the tenant", { tenant: "acme", owner: "plugin:other" }],
] as const;

test.each(OTHERS)("a job of %s is no parent, nothing to wait for, and not to be seen", async (_, whose) => {
  const theirs = newJob(env, whose);
  const own = newJob(env, { tenant: "acme", owner: "plugin:guest" });
  await store.jobs.enqueue([theirs, own]);
  const enqueue = (more: object) => callOperation(guest(), "job.enqueue", { handler: "guest.x", ...more });
  await expect(enqueue({ parentId: theirs.id })).rejects.toThrow("is not a job of yours");
  await expect(enqueue({ waitFor: [theirs.id] })).rejects.toThrow("There is no job");
  for (const verb of ["show", "logs", "cancel", "pause"])
    await expect(callOperation(guest(), `job.${verb}`, { id: theirs.id })).rejects.toThrow("There is no job");
  expect(await enqueue({ parentId: own.id, waitFor: [own.id] })).toMatchObject({ parentId: own.id });
});

test("a declared schedule for a name that another plugin has is refused, though the guest announces it too", async () => {
  const declaration: Declaration = {
    id: "nightly",
    description: "",
    handler: "report",
    when: "1h",
    timezone: "",
    jitterMs: 0,
    missed: "",
    locking: "",
    payload: {},
    paused: false,
    priority: 0,
    timeoutMs: 0,
    mustStartWithinMs: 0,
    mustSucceedWithinMs: 0,
  };
  const announced = {
    schedules: [declaration],
    handlers: [{ name: "report" }],
    endpoints: [],
    watchers: [],
  };
  const offeredBy = (plugin: string | null) => {
    const offers = () => (plugin === null ? null : { plugin, live: true });
    return guest({ plugins: { offers }, schedulesChanged() {} } as unknown as Host);
  };
  await expect(declareOfPlugin(offeredBy("other"), "guest", announced)).rejects.toThrow(
    'Plugin guest lacks cap:queue.enqueue-any, and "acme@report" is not its handler.',
  );
  for (const plugin of [null, "guest"]) await declareOfPlugin(offeredBy(plugin), "guest", announced);
  expect((await store.schedules.list({}, {})).items).toHaveLength(1);
});

test("of several jobs, the one that is denied is named, for the call is not", async () => {
  const jobs = [{ handler: "guest.x" }, { handler: "other.x" }];
  const denied = { code: "denied", fields: [{ field: "jobs.1" }] };
  await expect(callOperation(guest(), "job.enqueueMany", { jobs })).rejects.toMatchObject(denied);
});

test("the watchers of a guest see its tenant alone, and share the jobs that it may enqueue a second", async () => {
  const watcher = {
    handler: "x",
    subjects: ["a"],
    predicates: [],
    contexts: [],
    actors: [],
    firesPerSecondMax: 80,
  };
  const rates = async (count: number) => {
    const watchers = Array.from({ length: count }, (_, n) => ({ ...watcher, id: `w${n}` }));
    await declareOfPlugin(guest(), "guest", { schedules: [], handlers: [], endpoints: [], watchers });
    const kept = await store.watchers.of("guest");
    expect(new Set(kept.map(({ tenant }) => tenant))).toEqual(new Set(["acme"]));
    return new Set(kept.map(({ firesPerSecondMax }) => firesPerSecondMax));
  };
  expect(await rates(1)).toEqual(new Set([80]));
  expect(await rates(3)).toEqual(new Set([33]));
});
