/** However many wait for their locks, to say why takes some milliseconds: those that have waited longest are told first. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../../base/fake-env.ts";
import { newSchedule } from "../storetest/fixture.ts";
import { NOTED_MAX } from "./lock-waits.ts";
import { openDatabase } from "./open.ts";
import { SqliteStore } from "./store.ts";

test("more that wait than are told at once are told one part after the other", async () => {
  const env = new FakeEnv();
  const db = openDatabase(":memory:");
  const locksBy = { plugin: "locks" };
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test", locksBy });
  const schedules = Array.from({ length: NOTED_MAX + 5 }, () => newSchedule(env));
  await Promise.all(schedules.map((schedule) => store.schedules.create(schedule)));
  await env.advance(60_000);
  for (let settled = 1; settled > 0;)
    ({ settled } = await store.schedules.fire({ nodeId: store.nodes.id, limit: 1_000 }));
  const noted = () =>
    db.query<{ count: number }, []>("SELECT COUNT(*) AS count FROM occurrence WHERE note = 'why'").get()
      ?.count;
  await store.schedules.noteLockWaits("why");
  expect(noted()).toBe(NOTED_MAX);
  const [first] = await store.schedules.lockWaits(1);
  if (first) await store.schedules.lockAnswers([{ ...first, otherNode: "another" }]);
  await store.schedules.noteLockWaits("why");
  expect(noted()).toBe(NOTED_MAX);
  await store.close();
});
