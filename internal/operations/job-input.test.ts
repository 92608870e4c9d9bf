/** What may be said of a new job. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newJob } from "../store/storetest/fixture.ts";
import { jobEnqueueMany } from "./job.ts";
import type { Context } from "./operation.ts";
import { callOperation } from "./run.ts";

const env = new FakeEnv();
let store: SqliteStore;
beforeEach(() => {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
});
afterEach(() => store.close());

function enqueue(more: object): Promise<unknown> {
  const principal = { kind: "operator", name: "someone" } as const;
  const context: Context = { env, log: silentLog, store, principal, host: null, home: "/nowhere" };
  return callOperation(context, "job.enqueue", { handler: "test.work", ...more });
}

test.each([
  ["a parent that is not there", { parentId: "nope" }, 'There is no job "nope".'],
  ["a policy for nothing to wait for", { waitPolicy: "fail" }, 'waitPolicy: "fail" has no effect'],
  ["the same beside an empty list", { waitPolicy: "fail", waitFor: [] }, 'waitPolicy: "fail" has no effect'],
  ["a time for no key", { uniqueFor: "1h" }, 'uniqueFor: "1h" has no effect'],
])("refused is %s", async (_, more, message) => {
  await expect(enqueue(more)).rejects.toThrow(message);
});

test("people may name a parent by the end of its id", async () => {
  const parent = newJob(env);
  await store.jobs.enqueue([parent]);
  expect(await enqueue({ parentId: parent.id.slice(-8) })).toMatchObject({ parentId: parent.id });
});

const job = { handler: "test.work" };

test.each<[string, unknown, boolean]>([
  ["a handler", { jobs: [job] }, true],
  ["a payload, and fields that are not said", { jobs: [{ ...job, payload: 1, id: undefined }] }, true],
  ["one of many that says more", { jobs: [job, { ...job, priority: 1 }] }, false],
  ["a field that there is not", { jobs: [{ ...job, prio: 1 }] }, false],
  ["a field of every object", { jobs: [JSON.parse('{"handler":"test.work","__proto__":1}')] }, false],
  ["a handler that is no text", { jobs: [{ handler: 1 }] }, false],
  ["no handler", { jobs: [{}] }, false],
  ["no object", { jobs: [null] }, false],
  ["something beside the jobs", { jobs: [job], more: 1 }, false],
  ["no job", { jobs: [] }, false],
  ["too many jobs", { jobs: Array.from({ length: 10_001 }, () => job) }, false],
  ["no list", { jobs: { length: 1, 0: job } }, false],
  ["nothing", undefined, false],
])("jobs that fit without a closer look would stand that too: %s", (_, input, fits) => {
  expect(jobEnqueueMany.fits?.(input)).toBe(fits);
  if (fits) expect(jobEnqueueMany.input.safeParse(input).success).toBe(true);
});
