/** A fixed slice of the simulation for every change; the long proof takes a thousand seeds and all mutants (main.ts). */
import { describe, expect, test } from "bun:test";
import { OUTCOMES } from "../../internal/schedule/schedule.ts";
import { FakeEnv } from "../../internal/base/fake-env.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";
import { databaseFor, type Door, openWorldDatabase } from "./database.ts";
import { hunt } from "./main.ts";
import { MUTANTS } from "./mutants.ts";
import { simulate } from "./simulation.ts";

const SEEDS = 12;
const SLOW_MS = 120_000; // Far beyond what it takes: the machine may be busy.

test(
  "no promise is broken in the first seeds, and they do enough to break some",
  () => {
    const results = Array.from({ length: SEEDS }, (_, index) => simulate(index + 1));
    expect(results.flatMap(({ seed, violations }) => violations.map((each) => ({ seed, ...each })))).toEqual(
      [],
    );
    const total = (of: "jobs" | "attempts" | "occurrences" | "hosts") =>
      results.reduce((sum, result) => sum + result[of], 0);
    expect(total("attempts")).toBeGreaterThan(SEEDS * 50);
    expect(total("occurrences")).toBeGreaterThan(SEEDS * 50);
    expect(total("hosts")).toBeGreaterThan(SEEDS * 2);
    const seen = new Set(results.flatMap(({ outcomes }) => [...outcomes]));
    expect(seen.size).toBeGreaterThan(OUTCOMES.length - 4); // Some come in few worlds only.
  },
  SLOW_MS,
);

test(
  "the same seed is the same world",
  () => {
    const [first, again, other] = [simulate(5), simulate(5), simulate(6)];
    expect(again.hash).toBe(first.hash);
    expect(again.trace).toEqual(first.trace);
    expect(other.hash).not.toBe(first.hash);
  },
  SLOW_MS,
);

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
  "what this mutant would change is there: %s",
  (_, { sabotage }) => {
    const env = new FakeEnv();
    const mutation = sabotage?.(env) ?? null;
    const crash = (): never => {
      throw new Error("nobody is killed here");
    };
    const door: Door = { before() {}, after() {}, crash, prepared() {} };
    using db = openWorldDatabase();
    const behind = databaseFor(db, door, mutation);
    const open = () => new SqliteStore(env, { db: behind, logPath: ":memory:", tzdata: "sim" });
    expect(open).not.toThrow();
    mutation?.checkApplied?.();
  },
);

describe("a mutant is caught:", () => {
  test.each(MUTANTS.filter(({ rare }) => !rare).map((mutant) => [mutant.name, mutant] as const))(
    "%s",
    (_, mutant) => {
      const violation = hunt(mutant)?.violations[0];
      expect(violation).toBeDefined();
      if (mutant.atEnd) expect(violation?.invariant).toBe("verify");
    },
    SLOW_MS,
  );
});
