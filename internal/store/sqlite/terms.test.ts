/** What happens to terms when the program comes with other rules for time zones. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../../base/fake-env.ts";
import { verifyLedger } from "../../operations/verify-ledger.ts";
import type { NewSchedule } from "../schedules.ts";
import { newSchedule } from "../storetest/fixture.ts";
import { openDatabase } from "./open.ts";
import { SqliteStore } from "./store.ts";

const HOUR = 3_600_000;
const HOURLY = { kind: "cron", cron: ["0 * * * *"] } as const;

test("with other rules, a term begins for what depends on them, and is looked at", async () => {
  const env = new FakeEnv();
  const db = openDatabase(":memory:");
  const open = (tzdata: string) => new SqliteStore(env, { db, logPath: ":memory:", tzdata });
  const before = open("old");
  const definitions: Partial<NewSchedule>[] = [
    { spec: HOURLY, timezone: "Europe/Berlin" },
    { spec: HOURLY, timezone: "UTC" },
    { spec: { kind: "every", everyMs: HOUR } },
  ];
  const schedules = definitions.map((definition) => newSchedule(env, definition));
  for (const schedule of schedules) await before.schedules.create(schedule);
  for (let i = 0; i < 3; i++) {
    await env.advance(HOUR);
    await before.schedules.fire({ nodeId: before.nodes.id, limit: 10 });
  }
  await env.advance(HOUR / 2);

  const after = open("new");
  open("new");
  const terms = await Promise.all(
    schedules.map(async ({ id }) => (await after.ledger.history(id))[0]?.terms),
  );
  expect(terms.map((of) => of?.map(({ tzdata }) => tzdata))).toEqual([["old", "new"], ["old"], ["old"]]);
  expect(await after.schedules.fire({ nodeId: after.nodes.id, limit: 10 })).toMatchObject({
    settled: 1,
    jobs: [],
    nextDueAt: env.now() + HOUR / 2,
  });

  db.run("DELETE FROM occurrence WHERE occurrence = (SELECT MIN(occurrence) FROM occurrence)");
  const verdicts = await Promise.all(
    schedules.map(async ({ id }) => {
      const schedule = await after.schedules.get(id);
      return schedule && verifyLedger(after, schedule, { now: env.now(), breathe: async () => {} });
    }),
  );
  expect(verdicts).toMatchObject([
    { gap: 0, unjudged: 1 },
    { gap: 1, unjudged: 0 },
    { gap: 1, unjudged: 0 },
  ]);
  await after.close();
});
