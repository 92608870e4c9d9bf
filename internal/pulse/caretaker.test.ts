/** The lease of a boot, on a real store and a clock that the test moves. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { Caretaker } from "./caretaker.ts";
import { ClockGuard } from "./clock-guard.ts";

test("a boot keeps its lease while its jobs end, and gives it up when they have", async () => {
  const env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const { jobs, nodes } = store;
  const jobsEnd = Promise.withResolvers<void>();
  let held: Promise<void> | null = jobsEnd.promise;
  const caretaker = new Caretaker({
    env,
    log: silentLog,
    jobs,
    nodes,
    bootId: "BT_x",
    nodeId: nodes.id,
    version: "1",
    clock: new ClockGuard(env, null),
    holding: () => held,
    onJobs: () => {},
  });
  const leases = () => db.query<{ lease_until: number }, []>("SELECT lease_until FROM boot").all();
  const stop = new AbortController();
  const run = caretaker.run({ stop: stop.signal, abort: new AbortController().signal });
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
  await store.close();
});
