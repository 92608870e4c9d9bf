/** Changes of one schedule that are made at the same moment: none of them is lost. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Context } from "./operation.ts";
import { callOperation } from "./run.ts";

test("changes of different parts of a policy are all kept, and one that names its revision is refused", async () => {
  const env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const principal = { kind: "operator", name: "operator" } as const;
  const context: Context = { env, log: silentLog, store, principal, host: null, home: "/nowhere" };
  const call = (name: string, input: object) => callOperation(context, name, input);

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
  await store.close();
});
