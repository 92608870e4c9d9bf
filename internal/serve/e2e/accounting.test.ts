/**
 * Accounting from end to end: over a span in which everything happens that can keep a
 * schedule from running, the ledger has as many occurrences as were planned, none twice,
 * and each kind of not running is explained by a sentence.
 */
import { expect, test } from "bun:test";
import { FakeEnv } from "../../base/fake-env.ts";
import { silentLog } from "../../base/log.ts";
import type { Context } from "../../operations/operation.ts";
import { callOperation } from "../../operations/run.ts";
import type { OccurrenceView } from "../../operations/schedule-view.ts";
import { openDatabase } from "../../store/sqlite/open.ts";
import { SqliteStore } from "../../store/sqlite/store.ts";
import { COMPLETED, end } from "../../store/storetest/fixture.ts";
import { Place } from "./host.ts";

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const PATIENCE_MS = 300_000;

interface Ledger {
  occurrences: OccurrenceView[];
}

/** Occurrences of rows, ranges with all of theirs. */
const counted = ({ occurrences }: Ledger) => occurrences.reduce((sum, { count }) => sum + count, 0);

/** The kinds of outcomes, each with the first moment that had it. */
const kindsOf = ({ occurrences }: Ledger) =>
  new Map(occurrences.toReversed().map(({ outcome, occurrence }) => [outcome as string, occurrence]));

const iso = (at: number) => new Date(at).toISOString();

test(
  "a host that is killed, a pause, an overlap and a blackout: what was planned is in the ledger, once",
  async () => {
    await using place = new Place();
    place.write("slow.sh", "sleep 1.3\n");
    await place.start();
    await place.working();
    await place.json("handler", "create", "--file", "slow.sh");
    const from = Date.now();
    const blackout = `${iso(from + 4 * SECOND)}/${iso(from + 6 * SECOND)}`;
    const words = ["--handler", "shell.slow", "--every", "1s", "--blackout", blackout];
    await place.json("schedule", "create", "busy", ...words);
    const ledger = () => place.call<Ledger>("schedule.ledger", { id: "busy", limit: 1_000 });
    const has = (...outcomes: string[]) =>
      place.until(outcomes.join(", "), async () => {
        const kinds = kindsOf(await ledger());
        return outcomes.every((outcome) => kinds.has(outcome));
      });
    await has("fired", "skipped-overlap", "blackout");
    await place.host.crash();
    await place.start();
    await place.working();
    const before = counted(await ledger());
    await place.until("life after the crash", async () => counted(await ledger()) > before + 2);
    await place.json("schedule", "pause", "busy", "--note", "the painters are in");
    await Bun.sleep(2 * SECOND); // What lies in a pause is time that passes.
    await place.json("schedule", "resume", "busy");
    await has("paused");
    const to = Date.now() - 2 * SECOND; // The last occurrences may not be written yet.

    const span = ["--from", iso(from), "--to", iso(to)];
    const rows = await place.json<Ledger>("schedule", "ledger", "busy", ...span, "--all");
    const planned = await place.json<{ total: number }>("schedule", "next", "busy", ...span);
    expect(counted(rows)).toBe(planned.total);
    expect(planned.total).toBeGreaterThan(5);
    expect(await place.cli(["schedule", "verify", "--all"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("dup=0 gap=0 overdue=0\n"),
    });
    const sentences: [string, RegExp][] = [
      ["skipped-overlap", /had not ended .*job JB_/],
      ["blackout", /lay in a blackout/],
      ["paused", /paused: the painters are in/],
    ];
    const kinds = kindsOf(await ledger());
    for (const [outcome, sentence] of sentences) {
      const at = kinds.get(outcome) ?? "";
      const { stdout } = await place.cli(["schedule", "explain", "busy", "--at", at]);
      expect(stdout).toMatch(sentence);
    }
  },
  PATIENCE_MS,
);

test("a change of clocks, a clock that is set back, and three days of nobody at thirty seconds", async () => {
  const env = new FakeEnv({ now: Date.UTC(2026, 2, 28, 22) });
  const db = openDatabase(":memory:");
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  const principal = { kind: "operator", name: "operator" } as const;
  const context: Context = { env, log: silentLog, store, principal, host: null, home: "" };
  const call = async <T>(operation: string, input: object) =>
    (await callOperation(context, operation, input)) as T;
  const fire = async (ms: number) => {
    for (const until = env.now() + ms; env.now() < until;) {
      await env.advance(30 * SECOND);
      await store.schedules.fire({ nodeId: store.nodes.id, limit: 100 });
      const jobs = await store.jobs.claim({ bootId: "BT", lanes: [{ lane: "a", limit: 100 }] });
      for (const job of jobs) if (job.occurrence !== busyAt) await end(store, env, job, COMPLETED);
    }
  };
  let busyAt = 0;
  const from = env.now();
  const timezone = "Europe/Berlin";
  const definitions = {
    halfMinutes: { every: "30s" },
    nightly: { cron: "30 2 * * *", timezone },
    minutes: { cron: "*/1 * * * *", timezone },
    hours: { cron: "15,45 0-23 * * *", timezone, dstGap: "skip" },
  };
  for (const [name, definition] of Object.entries(definitions))
    await call("schedule.create", { name, handler: "a", ...definition });
  await fire(HOUR);
  await call("schedule.pause", { id: "minutes", note: "lunch" });
  await fire(HOUR);
  await call("schedule.resume", { id: "minutes" });
  busyAt = Math.floor(env.now() / MINUTE) * MINUTE + MINUTE;
  await fire(4 * HOUR); // The clocks of Berlin go from 2 to 3; one run of `minutes` never ends.
  const gapAt = "2026-03-29T01:00:00.000Z"; // 03:00 there, when `nightly` makes up for 02:30.
  env.jump(-2 * HOUR);
  await fire(3 * HOUR);
  await env.advance(3 * DAY);
  await fire(HOUR);
  const to = env.now();

  const counts: Record<string, number> = {};
  const seen = new Set<string>();
  for (const id of Object.keys(definitions)) {
    const span = { id, from: iso(from), to: iso(to) };
    const rows: Ledger = { occurrences: [] };
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await call<Ledger & { cursor: string | null }>("schedule.ledger", {
        ...span,
        limit: 1_000,
        cursor,
      });
      rows.occurrences.push(...page.occurrences);
      cursor = page.cursor;
    }
    const planned = await call<{ total: number }>("schedule.next", span);
    expect([id, counted(rows)]).toEqual([id, planned.total]);
    counts[id] = planned.total;
    const at = [...kindsOf(rows)].map(([outcome, occurrence]) => ({ outcome, occurrence }));
    for (const { outcome, occurrence } of at) {
      seen.add(outcome);
      const { sentence } = await call<{ sentence: string }>("schedule.explain", { id, at: occurrence });
      expect([id, outcome, sentence]).toEqual([
        id,
        outcome,
        expect.stringMatching(SENTENCES[outcome] ?? /never/),
      ]);
    }
  }
  expect([...seen].toSorted()).toEqual(Object.keys(SENTENCES).toSorted());
  const spent = to - from; // What the clock on the wall says has passed, and so has the plan.
  expect(counts["halfMinutes"]).toBe(spent / (30 * SECOND) - 1); // The one at `to` is not before it.
  expect(counts["minutes"]).toBe(spent / MINUTE - 1);
  expect(counts["nightly"]).toBe(4);
  expect(await call("schedule.explain", { id: "nightly", at: gapAt })).toMatchObject({
    sentence: expect.stringMatching(/^It fired/),
  });
  expect(await call("schedule.verify", {})).toMatchObject({
    ok: true,
    dup: 0,
    gap: 0,
    schedules: 4,
    wrong: [],
  });
  await store.close();
});

/** What explains each way in which an occurrence may end. */
const SENTENCES: Record<string, RegExp> = {
  fired: /^It fired on time; job \S+ /,
  "caught-up": /^It was missed and made up for/,
  coalesced: /one run stands for all that were missed .*: job \S+/,
  "skipped-missed": /not made up for \(missed: latest/,
  "skipped-overlap": /had not ended \(overlap: skip\): job JB_/,
  paused: /^The schedule was paused: lunch \(by /,
  expired: /could not start within 1d of its time/,
};
