/**
 * Who reaches what, for every operation of the table: the owner, another plugin of its
 * tenant, the same plugin of another tenant, and whoever was not granted it. Another's
 * thing is answered in the very words in which a missing one is.
 *
 * An operation that plugins may call and that has no row here fails the first test.
 */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Capability, CAPABILITY_NAMES } from "../access/capability.ts";
import { usualQuota } from "../access/quota.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newAttestation, newJob, newSchedule } from "../store/storetest/fixture.ts";
import type { Context, Host } from "./operation.ts";
import { callOperation } from "./run.ts";
import { OPERATIONS } from "./table.ts";

const CALLERS = {
  owner: { plugin: "guest", tenant: "acme" },
  "another plugin of the tenant": { plugin: "other", tenant: "acme" },
  "the same plugin of another tenant": { plugin: "guest", tenant: "globex" },
  "a plugin of nobody": { plugin: "guest", tenant: "" },
} as const;
type Caller = keyof typeof CALLERS;
const OTHERS = Object.keys(CALLERS).filter((caller): caller is Caller => caller !== "owner");

/** The ids of what the owner has. */
const THEIRS = {
  job: "theirs-job",
  running: "theirs-running",
  schedule: "",
  attestation: "theirs-statement",
  key: "theirs-key",
};
const NOTHING = {
  job: "no-such-job",
  running: "no-such-running",
  schedule: "SC_NOSUCHSCHEDULE0000000000",
  attestation: "no-such-statement",
  key: "no-such-key",
};
type Things = Record<keyof typeof THEIRS, string>;

type Row =
  /** Names something of the owner's, in these ways. */
  | { names: (things: Things) => readonly object[] }
  /** Lists: the owner's things are in nobody else's; with `tenant`, in the lists of its tenant alone. */
  | { lists: keyof Things; tenant?: true; input?: object }
  /** Reaches nothing that anybody has, and why. */
  | { reaches: "nothing"; why: string };

const byId = (thing: keyof Things, more: object = {}): Row => ({
  names: (things) => [{ id: things[thing], ...more }],
});

const MATRIX: Readonly<Record<string, Row>> = {
  "schedule.create": {
    reaches: "nothing",
    why: "a name that is upserted is looked up among one's own (schedule.test.ts)",
  },
  "schedule.list": { lists: "schedule" },
  "schedule.show": byId("schedule"),
  "schedule.update": byId("schedule", { description: "meddled with" }),
  "schedule.pause": byId("schedule"),
  "schedule.resume": byId("schedule"),
  "schedule.ledger": byId("schedule"),
  "schedule.explain": byId("schedule"),
  "schedule.verify": byId("schedule"),
  "schedule.delete": byId("schedule"),
  "job.enqueue": {
    names: ({ job }) => [
      { handler: "HANDLER", parentId: job },
      { handler: "HANDLER", waitFor: [job] },
    ],
  },
  "job.enqueueMany": {
    names: ({ job }) => [
      { jobs: [{ handler: "HANDLER", parentId: job }] },
      { jobs: [{ handler: "HANDLER" }, { handler: "HANDLER", waitFor: [job] }] },
    ],
  },
  "job.batch": { reaches: "nothing", why: "it refuses parents and waits; ids are held in a test below" },
  "job.list": { lists: "job" },
  "job.show": byId("job"),
  "job.logs": byId("job"),
  "job.wait": byId("job", { timeout: "0s" }),
  "job.pause": byId("job"),
  "job.resume": byId("job"),
  "job.cancel": byId("running"),
  "ats.create": { reaches: "nothing", why: "ids are made here" },
  "ats.query": { lists: "attestation", tenant: true },
  "plugin.endpoints": {
    reaches: "nothing",
    why: "whatever it names, a plugin is told its own (schedule-target.test.ts)",
  },
  "http.fetch": {
    reaches: "nothing",
    why: "what was attested before is its tenant's (http-fetch.test.ts)",
  },
  "plugin.context": { reaches: "nothing", why: "it names nothing: the token says of whom it tells" },
  "storage.get": { names: ({ key }) => [{ key }] },
  "storage.list": { lists: "key" },
  "storage.set": { reaches: "nothing", why: "each has keys of its own (a test below)" },
  "storage.delete": { reaches: "nothing", why: "each has keys of its own (a test below)" },
  "secret.get": {
    reaches: "nothing",
    why: "a plugin is told its own (secret.test.ts), and its name is its own on a host (e2e/access.test.ts)",
  },
  "lock.try": { reaches: "nothing", why: "each has keys of its own (lock.test.ts)" },
  "lock.renew": { reaches: "nothing", why: "whoever has the token, which is random, has the lock" },
  "lock.release": { reaches: "nothing", why: "whoever has the token, which is random, has the lock" },
};

let env: FakeEnv;
let store: SqliteStore;
beforeEach(async () => {
  env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const owner = { tenant: "acme", owner: "plugin:guest", handler: "guest.work" };
  await store.jobs.enqueue([
    newJob(env, { id: THEIRS.job, ...owner }),
    newJob(env, { id: THEIRS.running, ...owner }),
  ]);
  const quota = usualQuota("trusted");
  await store.storage.set({ ...CALLERS.owner, quota }, { key: THEIRS.key, value: Buffer.from("1") });
  await store.attestations.create([newAttestation(env, { id: THEIRS.attestation, tenant: "acme" })]);
  const made = await store.schedules.create(
    newSchedule(env, { tenant: "acme", owner: { kind: "plugin", name: "guest" } }),
  );
  if ("refused" in made) throw new Error(made.refused);
  THEIRS.schedule = made.id;
});
afterEach(() => store.close());

const NOT_GRANTED: Capability = "cap:queue.enqueue-any";

function context(caller: Caller, capabilities: readonly Capability[] = CAPABILITY_NAMES): Context {
  const granted = new Set(capabilities.filter((name) => name !== NOT_GRANTED));
  const quota = usualQuota("trusted");
  const principal = { kind: "plugin", ...CALLERS[caller], capabilities: granted, quota } as const;
  const host = {
    plugins: { offers: () => null },
    clock: { suspicion: null },
    schedulesChanged() {},
    jobsDelayed() {},
  } as unknown as Host;
  return { env, log: silentLog, store, principal, host, home: "/nowhere" };
}

/** What a call is answered, or the whole of its refusal. */
async function ask(caller: Caller, operation: string, input: object): Promise<string> {
  const own = JSON.parse(JSON.stringify(input).replaceAll("HANDLER", `${CALLERS[caller].plugin}.work`));
  try {
    return `answered ${JSON.stringify(await callOperation(context(caller), operation, own))}`;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message, hint, fields } = error;
    return `refused ${JSON.stringify({ code, message, hint, fields })}`;
  }
}

const withoutIds = (answer: string, things: Things) =>
  Object.values(things).reduce((text, id) => text.replaceAll(id, "ID"), answer);

const everything = async () =>
  JSON.stringify([
    await store.jobs.get(THEIRS.job),
    await store.jobs.get(THEIRS.running),
    await store.schedules.get(THEIRS.schedule),
    await store.storage.get(CALLERS.owner, THEIRS.key),
  ]);

const FOR_PLUGINS = OPERATIONS.filter(({ plugin }) => plugin !== undefined);
const named = FOR_PLUGINS.flatMap(({ name }) => {
  const row = MATRIX[name];
  return row && "names" in row ? [[name, row] as const] : [];
});
const listed = FOR_PLUGINS.flatMap(({ name }) => {
  const row = MATRIX[name];
  return row && "lists" in row ? [[name, row] as const] : [];
});

test("every operation that plugins may call has its row, and no row is left of one that they may not", () => {
  const missing = FOR_PLUGINS.filter(({ name }) => !MATRIX[name]).map(
    ({ name }) =>
      `${name}: plugins may call it now. Say in MATRIX (access-matrix.test.ts) what of others it could reach.`,
  );
  const stale = Object.keys(MATRIX).filter(
    (name) => !FOR_PLUGINS.some((operation) => operation.name === name),
  );
  expect([
    ...missing,
    ...stale.map((name) => `${name}: no plugin may call it any more; take its row out.`),
  ]).toEqual([]);
});

test.each(OPERATIONS.map(({ name, plugin }) => [name, plugin] as const))(
  "%s without its capability is refused and written down",
  async (name, capability) => {
    const rest = CAPABILITY_NAMES.filter((granted) => granted !== capability);
    const refused = callOperation(context("owner", rest), name, {});
    await expect(refused).rejects.toMatchObject({ code: "denied" });
    const { items } = await store.audit.list({ limit: 10 });
    expect(items[0]).toMatchObject({ principal: "plugin:guest", operation: name, allowed: false });
  },
);

describe.each(named)("%s", (name, row) => {
  test.each(OTHERS)("of %s: refused as for what is missing, and nothing has changed", async (caller) => {
    const before = await everything();
    const missing = row.names(NOTHING);
    for (const [index, input] of row.names(THEIRS).entries()) {
      const theirs = withoutIds(await ask(caller, name, input), THEIRS);
      expect(theirs).toStartWith("refused");
      expect(theirs).toBe(withoutIds(await ask(caller, name, missing[index] ?? {}), NOTHING));
    }
    expect(await everything()).toBe(before);
  });

  test("of its owner: done, or refused for another reason", async () => {
    for (const input of row.names(THEIRS)) {
      const answer = await ask("owner", name, input);
      expect(answer).not.toContain('"code":"not-found"');
      expect(answer).not.toContain("is not a job of yours");
    }
  });
});

test.each(listed)(
  "%s has what is the caller's, and nothing else",
  async (name, { lists, tenant, input = {} }) => {
    for (const caller of Object.keys(CALLERS) as Caller[]) {
      const sees = caller === "owner" || (tenant === true && CALLERS[caller].tenant === "acme");
      expect([caller, (await ask(caller, name, input)).includes(THEIRS[lists])]).toEqual([caller, sees]);
    }
  },
);

test.each(OTHERS)("of %s, what is stored under a key of its own stays as it is", async (caller) => {
  const before = await everything();
  const { key } = THEIRS;
  expect(await ask(caller, "storage.delete", { key })).toBe('answered {"deleted":false}');
  expect(await ask(caller, "storage.set", { key, value: 2, version: 0 })).toStartWith("answered");
  expect(await ask(caller, "storage.delete", { key })).toBe('answered {"deleted":true}');
  expect(await everything()).toBe(before);
});

test.each(OTHERS)("of %s, an id that is taken says that, and nothing of whose job it is", async (caller) => {
  const before = await everything();
  const job = { handler: "HANDLER", id: THEIRS.job };
  for (const [name, input] of [
    ["job.enqueue", job],
    ["job.enqueueMany", { jobs: [{ handler: "HANDLER" }, job] }],
    ["job.batch", { jobs: [{ handler: "HANDLER" }], completion: job }],
    ["job.batch", { jobs: [job], completion: { handler: "HANDLER" } }],
  ] as const) {
    expect(await ask(caller, name, input)).toBe(
      `refused ${JSON.stringify({ code: "conflict", message: `The id "${THEIRS.job}" is taken.`, hint: "Give the job another one.", fields: [] })}`,
    );
  }
  expect(await everything()).toBe(before);
  expect((await store.jobs.list({}, {})).items).toHaveLength(2); // All of a call, or nothing.
});
