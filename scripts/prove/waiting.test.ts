/** A few lines of jobs, and what must be noticed in them; `npm run prove` has hundreds. */
import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { type Sabotage, standInLine } from "./waiting.ts";

const LINES = 6;
const LINES_MAX = 40; // In which every mutant is caught.

test("who waits is told why, and that is so; nobody starts on what is used up, or stands still for nothing", async () => {
  for (let seed = 1; seed <= LINES; seed++) expect(await standInLine(seed)).toBeNull();
});

/** The statements that have `words`, with `from` said as `to`. */
function edited(words: string, from: string, to: string): Sabotage {
  return {
    database(db: Database) {
      const prepare = db.prepare.bind(db);
      const change = (sql: string) => (sql.includes(words) ? sql.replace(from, to) : sql);
      Object.assign(db, { prepare: (sql: string) => prepare(change(sql)) });
    },
  };
}

const MUTANTS: Record<string, Sabotage> = {
  "what was spent is not written down": edited(
    "INSERT INTO budget_spent",
    "$step, $amount)",
    "$step, $amount * 0)",
  ),
  "an estimate is not reserved": edited("INSERT INTO budget_running", "$reserved,", "$reserved * 0,"),
  "nobody is woken when a budget opens": {
    store: (store) => void (store.budgets.opening = async () => null),
  },
  "a pause is not told": { store: (store) => void (store.limits.pauses = async () => []) },
  "a budget is said to open a minute late": {
    store(store) {
      const all = store.budgets.all.bind(store.budgets);
      const later = (opensAt: number | null) => (opensAt === null ? null : opensAt + 60_000);
      store.budgets.all = async () =>
        (await all()).map((budget) => ({
          ...budget,
          states: budget.states.map((state) => ({ ...state, opensAt: later(state.opensAt) })),
        }));
    },
  },
};

test.each(Object.entries(MUTANTS))(
  "it is noticed when %s",
  async (_, sabotage) => {
    for (let seed = 1; seed <= LINES_MAX; seed++) if ((await standInLine(seed, sabotage)) !== null) return;
    throw new Error(`Nobody noticed in ${LINES_MAX} lines.`);
  },
  60_000,
);
