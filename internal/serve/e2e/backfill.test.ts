/**
 * A backfill through a real host and a real plugin: beside a plan that goes on, and
 * over a kill -9 in its middle. The plugin's own record says what ran when.
 */
import { expect, test } from "bun:test";
import type { BackfillView } from "../../operations/backfill.ts";
import type { Backfill } from "../../store/backfills.ts";
import { type Line, Witnesses } from "./witnesses.ts";

const STORY_LIMIT_MS = 120_000;
const RUNS = 30;

interface Progress {
  backfills: Pick<Backfill, "runs">[];
}

test(
  "a backfill outlives its host: each instant is run, one after the other, while the plan goes on",
  async () => {
    await using witnesses = new Witnesses({ python: false, children: false });
    const { place } = witnesses;
    await place.start();
    await place.working();
    const make = (name: string, when: object) =>
      place.call<{ id: string }>("schedule.create", {
        name,
        handler: "witness.work",
        payload: { ms: 100 },
        ...when,
      });
    const live = await make("live", { every: "1s" });
    const past = await make("past", { cron: "0 0 * * *" });
    const span = { id: "past", from: "2026-01-01T00:00:00Z", to: "2026-01-31T00:00:00Z" };

    const plan = await place.call<BackfillView>("schedule.planBackfill", span);
    expect(plan).toMatchObject({ id: null, made: RUNS, existed: 0, occurrences: RUNS });
    expect(await progress()).toEqual([]);
    expect(await place.call<BackfillView>("schedule.backfill", span)).toMatchObject({
      made: RUNS,
      existed: 0,
    });
    await place.until("some of it", async () => ((await progress())[0]?.completed ?? 0) >= 5);
    await place.host.crash();
    const before = ofBackfill().filter(({ what }) => what === "end").length;
    expect(before).toBeLessThan(RUNS);

    await place.start();
    expect(await place.call<BackfillView>("schedule.backfill", span)).toMatchObject({
      made: 0,
      existed: RUNS,
    });
    await place.until("all of it", async () => (await progress())[0]?.completed === RUNS);
    expect(await progress()).toEqual([{ waiting: 0, open: 0, completed: RUNS, failed: 0, cancelled: 0 }]);

    const days = Array.from({ length: RUNS }, (_, day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString());
    const ended = ofBackfill().filter(({ what }) => what === "end");
    expect([...new Set(ended.map(({ occurrence = "" }) => occurrence))]).toEqual(days);
    expect(mostAtOnce(ofBackfill())).toBe(1);
    // The plan of the other schedule, in the same lane, was kept as long as a host was there.
    const { occurrences } = await place.call<{ occurrences: { outcome: string }[] }>("schedule.ledger", {
      id: live.id,
    });
    expect(occurrences.filter(({ outcome }) => outcome === "fired").length).toBeGreaterThan(2);
    const { sentence } = await place.call<{ sentence: string }>("schedule.explain", {
      id: "past",
      at: span.from,
    });
    expect(sentence).toMatch(/A backfill runs it: job \S+ completed/);

    async function progress() {
      return (await place.call<Progress>("schedule.backfills", { id: past.id })).backfills.map(
        ({ runs }) => runs,
      );
    }
    function ofBackfill(): Line[] {
      return witnesses
        .lines()
        .filter(({ scheduleId, trigger }) => scheduleId === past.id && trigger === "backfill");
    }
  },
  STORY_LIMIT_MS,
);

/** How many ran at once at most. What a killed process began, ended with it. */
function mostAtOnce(lines: readonly Line[]): number {
  const open = new Map<string, number>();
  let most = 0;
  for (const { what, id = "", pid } of lines) {
    for (const [other, of] of open) if (of !== pid) open.delete(other);
    if (what === "start") open.set(id, pid);
    if (what === "end") open.delete(id);
    most = Math.max(most, open.size);
  }
  return most;
}
