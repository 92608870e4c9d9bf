/** The ticker on a real store and a clock that the test moves. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { Pulse } from "./pulse.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

test.each([
  [
    "that is not believed, and then is again",
    400 * DAY,
    ["clock.suspect", "clock.believed"],
    ["went forward by 400d at once", "believed again"],
  ],
  [
    "that is set by less than a day",
    2 * HOUR,
    ["clock.set", "clock.set"],
    [
      "went forward, or the machine slept, by 2h: what was missed",
      "went back by 2h: nothing runs twice, and schedules go on after",
    ],
  ],
])("a clock %s is said once each", async (_, step, kinds, sentences) => {
  const env = new FakeEnv();
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const nodeId = store.nodes.id;
  const pulse = new Pulse({ env, log: silentLog, store, nodeId, version: "0", napMs: SECOND, jobsMax: 1 });
  const stop = new AbortController();
  const run = Promise.all(
    pulse.early.map((service) => service.run({ stop: stop.signal, abort: stop.signal })),
  );

  await env.advance(10 * SECOND);
  env.jump(step);
  await env.advance(10 * SECOND);
  env.jump(-step);
  await env.advance(10 * SECOND);
  stop.abort();
  await env.advance(0);
  await run;

  const { items } = await store.events.list({ after: 0 }, {});
  expect(items.map(({ kind, subject }) => [kind, subject])).toEqual(kinds.map((kind) => [kind, ""]));
  for (const [i, sentence] of sentences.entries()) expect(items[i]?.message).toContain(sentence);
  await store.close();
});
