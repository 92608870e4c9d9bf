/**
 * Days that were really lived, on a store whose clock the test moves, are played again:
 * the forecast must say of each occurrence what the ledger says.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import type { Outcome } from "../job/outcome.ts";
import { settle } from "../job/outcome.ts";
import {
  type OverlapPolicy,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
  type Schedule,
} from "../schedule/schedule.ts";
import { SqliteForecasts } from "../store/sqlite/forecasts.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { replay } from "./replay.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const COMPLETED: Outcome = { kind: "completed", result: null, cost: 0 };

/** Numbers in [0, 1) that are the same for the same seed. */
function dice(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), state | 1);
    state ^= state + Math.imul(state ^ (state >>> 7), state | 61);
    return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One schedule, and whoever runs its jobs, on a clock of their own. */
class Life implements AsyncDisposable {
  readonly env = new FakeEnv();
  readonly db = new Database(":memory:", { strict: true });
  readonly store: SqliteStore;
  readonly start: number;
  #ends = new Map<string, number>();
  #nextDueAt: number | null = null;

  constructor() {
    migrate(this.db);
    this.store = new SqliteStore(this.env, { db: this.db, logPath: ":memory:", tzdata: "test" });
    this.start = this.env.now();
  }

  async create(policy: Partial<Policy>, everyMs: number): Promise<Schedule> {
    const made = await this.store.schedules.create(
      newSchedule(this.env, {
        policy: { ...POLICY_DEFAULT, ...policy },
        spec: { kind: "every", everyMs },
      }),
    );
    if ("refused" in made) throw new Error(made.refused);
    await this.look(0);
    return made;
  }

  /** Lives for a while: what is due fires at its moment, and runs take what `tookMs` says. */
  async live(ms: number, tookMs: () => number): Promise<void> {
    for (const until = this.env.now() + ms; this.env.now() < until;) {
      const ends = [...this.#ends.values()];
      const next = Math.min(until, this.#nextDueAt ?? until, ...ends);
      await this.env.advance(Math.max(1, next - this.env.now()));
      await this.look(tookMs());
    }
  }

  /** Ends what is over, fires what is due, and begins what was fired. */
  async look(tookMs: number): Promise<void> {
    const now = this.env.now();
    await this.store.jobs.promote(100);
    for (const [id, at] of this.#ends) {
      if (at > now) continue;
      this.#ends.delete(id);
      const job = await this.store.jobs.get(id);
      if (job) await this.store.jobs.settle([settle(job, COMPLETED, { now, random: 0 })]);
    }
    const nodeId = this.store.nodes.id;
    let fired = await this.store.schedules.fire({ nodeId, limit: 100 });
    while ((fired.nextDueAt ?? now + 1) <= now)
      fired = await this.store.schedules.fire({ nodeId, limit: 100 });
    for (const id of fired.stopped) this.#ends.set(id, now + SECOND);
    this.#nextDueAt = fired.nextDueAt;
    const jobs = await this.store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 100 }] });
    for (const job of jobs) this.#ends.set(job.id, now + Math.max(1, Math.round(tookMs)));
  }

  /** Holds the whole life of a schedule against its ledger. Returns how many occurrences that were. */
  async hold(
    id: string,
    from = this.start,
  ): Promise<{ recorded: number; differences: unknown[]; outcomes: Set<string> }> {
    const schedule = await this.store.schedules.get(id);
    if (!schedule) throw new Error("it is gone");
    const source = new SqliteForecasts(this.db, { tzdata: "test" });
    const [history] = source.history(id);
    if (!history) throw new Error("it has no past");
    const now = this.env.now();
    const span = { from, to: now };
    const { recorded, differences, rows } = replay(source, schedule, { history, span, now });
    return {
      recorded,
      outcomes: new Set(rows.map(({ outcome }) => outcome)),
      differences: differences.map((one) => ({ ...one, occurrence: (one.occurrence - this.start) / SECOND })),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
  }
}

test("a day with overlap, a blackout, a pause, a change, and an hour in which nobody was there", async () => {
  for (const overlap of OVERLAP_POLICIES) {
    await using life = new Life();
    const blackouts = [{ from: life.start + 3 * HOUR, to: life.start + 4 * HOUR, note: "lunch" }];
    const { id } = await life.create({ overlap, blackouts }, MINUTE);
    let run = 0;
    const took = () => (run++ % 7 === 0 ? 150 * SECOND : 20 * SECOND);
    await life.live(2 * HOUR, took);
    await life.store.schedules.pause(id, { note: "", by: "me", until: null });
    await life.live(30 * MINUTE, took);
    await life.store.schedules.resume(id);
    await life.live(2 * HOUR, took);
    await life.env.advance(HOUR);
    await life.look(took());
    await life.live(HOUR, took);
    await life.store.schedules.update(id, { spec: { kind: "every", everyMs: 2 * MINUTE } });
    await life.live(24 * HOUR - (life.env.now() - life.start), took);
    const { recorded, differences, outcomes } = await life.hold(id);
    expect({ overlap, differences }).toEqual({ overlap, differences: [] });
    expect(recorded).toBeGreaterThan(800);
    for (const outcome of ["fired", "blackout", "paused"]) expect(outcomes).toContain(outcome);
    // A part of it is the same, although what came before is not known.
    expect((await life.hold(id, life.start + 5 * HOUR)).differences).toEqual([]);
    // So is what is left when the older half is no longer kept.
    await life.store.ledger.prune({ before: life.start + 12 * HOUR });
    const kept = await life.hold(id);
    expect(kept.differences).toEqual([]);
    expect(kept.recorded).toBeLessThan(recorded);
  }
}, 60_000);

test.each(OVERLAP_POLICIES.flatMap((overlap) => SEEDS.map((seed) => [overlap, seed] as const)))(
  "lives that nobody planned: %s, %i",
  async (overlap: OverlapPolicy, seed) => {
    const roll = dice(seed * 31 + OVERLAP_POLICIES.indexOf(overlap));
    const pick = <T>(list: readonly T[]): T => {
      const item = list[Math.floor(roll() * list.length)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    };
    await using life = new Life();
    const { start } = life;
    const policy: Partial<Policy> = {
      overlap,
      missed: pick(["latest", "skip", "earliest", "all"] as const),
      missedMax: pick([1, 3]),
      jitterMs: pick([0, 0, 5 * SECOND]),
      latenessMaxMs: pick([POLICY_DEFAULT.latenessMaxMs, 5 * MINUTE]),
      runsMax: pick([null, null, 60]),
      blackouts: roll() < 0.5 ? [{ from: start + 20 * MINUTE, to: start + 30 * MINUTE, note: "" }] : [],
    };
    const { id } = await life.create(policy, pick([20 * SECOND, MINUTE]));
    const took = () => pick([SECOND / 2, 5 * SECOND, 30 * SECOND, 90 * SECOND, 400 * SECOND]);
    for (let step = 0; step < 12; step++) {
      await life.live(Math.floor(roll() * 15) * MINUTE + 7 * SECOND, took);
      const what = pick(["pause", "resume", "nobody", "change", "nothing"] as const);
      if (what === "pause") await life.store.schedules.pause(id, { note: "", by: "me", until: null });
      if (what === "resume") await life.store.schedules.resume(id);
      if (what === "nobody") await life.env.advance(pick([20 * SECOND, 3 * MINUTE, 20 * MINUTE]) + 3_333);
      if (what === "change")
        await life.store.schedules.update(id, {
          spec: { kind: "every", everyMs: pick([20, 45, 60]) * SECOND },
        });
      await life.look(took());
    }
    const { recorded, differences } = await life.hold(id);
    expect({ policy: JSON.stringify(policy), differences: differences.slice(0, 5) }).toEqual({
      policy: JSON.stringify(policy),
      differences: [],
    });
    expect(recorded).toBeGreaterThan(0);
  },
);
