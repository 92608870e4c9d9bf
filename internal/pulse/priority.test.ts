/** Of runs that are due at the same moment, lower priorities start first, whoever's they are and however few slots there are. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { POLICY_DEFAULT } from "../schedule/schedule.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import type { Executor } from "./executor.ts";
import { Pulse } from "./pulse.ts";

const MINUTE = 60_000;
/** Plugins in the order in which they are registered, and what their schedules say. */
const PRIORITIES = { c: [6, 5], a: [700, -5], d: [1_000], b: [0, 1] } as const;
const IN_ORDER = ["a-5", "b0", "b1", "c5", "c6", "a700", "d1000"];
/** Where jobs wait for a slot, handlers take turns, in the order of their first. */
const FIRST_OF_EACH = ["a-5", "b0", "c5", "d1000"];

test.each([100, 2, 1])("with %p slots", async (jobsMax) => {
  const env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const pulse = new Pulse({
    env,
    log: silentLog,
    store,
    nodeId: store.nodes.id,
    version: "0",
    napMs: 1_000,
    jobsMax,
  });
  const started: string[] = [];
  for (const plugin of Object.keys(PRIORITIES)) {
    const handler = {
      name: `${plugin}.run`,
      timeoutMs: null,
      maxAttempts: null,
      concurrency: null,
      description: "",
    };
    pulse.registry.register([{ executor: stand(plugin, started), handlers: [handler] }]);
  }
  const stop = new AbortController();
  const signals = { stop: stop.signal, abort: stop.signal };
  const run = Promise.all([...pulse.early, pulse.worker].map((service) => service.run(signals)));

  for (const [plugin, priorities] of Object.entries(PRIORITIES)) {
    for (const priority of priorities) {
      const policy = { ...POLICY_DEFAULT, priority };
      const target = { kind: "handler", handler: `${plugin}.run` } as const;
      const making = store.schedules.create(newSchedule(env, { target, policy, anchor: env.now() }));
      await env.advance(0);
      await making;
    }
  }
  pulse.schedulesChanged();
  for (let minute = 0; minute < 3; minute++) {
    started.length = 0;
    await env.advance(MINUTE - (env.now() % MINUTE));
    await env.advance(100);
    if (jobsMax >= IN_ORDER.length) expect(started).toEqual(IN_ORDER);
    expect(started.filter((name) => FIRST_OF_EACH.includes(name))).toEqual(FIRST_OF_EACH);
    expect(started.toSorted()).toEqual(IN_ORDER.toSorted());
  }
  stop.abort();
  await env.advance(10_000);
  await run;
  await store.close();
});

/** A plugin that notes what it starts. */
function stand(plugin: string, started: string[]): Executor {
  return {
    plugin,
    version: "1",
    concurrency: 10,
    async execute({ job }) {
      started.push(`${plugin}${job.priority}`);
      return { kind: "completed", result: null, cost: 0 };
    },
    replace() {},
  };
}
