/** The lease of a boot, on a real store and a clock that the test moves. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newJob } from "../store/storetest/fixture.ts";
import { Caretaker } from "./caretaker.ts";
import { ClockGuard } from "./clock-guard.ts";

const ABORT = new AbortController().signal;

let env: FakeEnv;
let db: Database;
let store: SqliteStore;
let isOurs: boolean;
let held: Promise<void> | null;

beforeEach(() => {
  env = new FakeEnv();
  db = new Database(":memory:", { strict: true });
  migrate(db);
  isOurs = true;
  held = null;
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test", isOurs: () => isOurs });
});
afterEach(() => store.close());

function caretaker(): Caretaker {
  const { jobs, nodes } = store;
  return new Caretaker({
    env,
    log: silentLog,
    jobs,
    nodes,
    bootId: "BT_x",
    nodeId: nodes.id,
    version: "1",
    clock: new ClockGuard(env, null),
    holding: () => held,
  });
}

test("a boot keeps its lease while its jobs end, and gives it up when they have", async () => {
  const jobsEnd = Promise.withResolvers<void>();
  held = jobsEnd.promise;
  const leases = () => db.query<{ lease_until: number }, []>("SELECT lease_until FROM boot").all();
  const stop = new AbortController();
  const run = caretaker().run({ stop: stop.signal, abort: ABORT });
  await env.advance(5_000);
  stop.abort();
  for (let second = 0; second < 20; second++) {
    await env.advance(1_000);
    expect(leases()[0]?.lease_until).toBeGreaterThan(env.now());
  }
  held = null;
  jobsEnd.resolve();
  await env.advance(0);
  await run;
  expect(leases()).toEqual([]);
});

test("a boot whose place another one can have ends, and takes nothing of the other's", async () => {
  const job = newJob(env);
  await store.jobs.enqueue([job]);
  const run = caretaker().run({ stop: new AbortController().signal, abort: ABORT });
  const failed = run.catch((error: unknown) => error);
  await env.advance(5_000);
  isOurs = false;
  await store.jobs.claim({ bootId: "BT_other", lanes: [{ lane: job.handler, limit: 1 }] });
  await env.advance(5_000);
  expect(await failed).toMatchObject({ code: "conflict" });
  expect(await store.jobs.get(job.id)).toMatchObject({ state: "running", bootId: "BT_other" });
});
