/**
 * Budgets through a real plugin with several handlers, over a kill -9, on a clock that the
 * test sets: who stops when, what is said of it, and who goes on when.
 */
import { expect, test } from "bun:test";
import { FakedClock } from "./faked-clock.ts";
import { type JobShown, Place } from "./host.ts";
import { writePlugin } from "./python.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const STEP = 15 * MINUTE; // Of a day's window.
/** In the middle of a step. */
const START = Date.UTC(2030, 0, 15, 12, 7, 0);
const OPENS = Date.UTC(2030, 0, 16, 12, 15, 0); // The first end of a step that is a day later than all of it.
const STORY_LIMIT_MS = 120_000;

const CONFIG = `
[plugin]
enabled = ["spender"]
bundled = false
[budget."handler:spender.buy"]
costPerDay = 10
[budget."handler:spender.rent"]
costPerDay = 5
[budget."plugin:spender"]
costPerMonth = 1000
callsPerMinute = 500
`;

interface BudgetShown {
  limits: { limit: string; spent: number; reserved: number; closed: boolean; opensAt: string | null }[];
}

test(
  "a budget stops its own handler alone, says until when, and holds over a kill -9",
  async () => {
    await using place = new Place(CONFIG);
    writePlugin(place, "spender.ts", "spender.ts");
    const clock = new FakedClock(place, START);
    const start = async () => {
      await place.start({ vars: clock.vars });
      await place.working();
    };
    const show = (id: string) => place.call<JobShown>("job.show", { id });
    const budget = async (scope: string) =>
      (await place.call<BudgetShown>("budget.show", { scope })).limits[0];
    await start();

    const bought: string[] = [];
    for (let made = 0; made < 4; made++) {
      bought.push(await place.enqueue("spender.buy", { cost: 6 }));
      if (made < 2) await place.ended(bought[made] ?? "");
    }
    const waiting = bought.slice(2);
    const reason = (scope: string, spent: number, amount: number) =>
      `budget: ${scope} has spent ${spent} of ${amount} a day; the next one starts at ${new Date(OPENS).toISOString()}`;
    const why = reason("handler:spender.buy", 12, 10);
    for (const id of waiting)
      expect(await show(id)).toMatchObject({ state: "queued", attempt: 0, waiting: why });
    const { jobs } = await place.call<{ jobs: JobShown[] }>("job.list", { state: "queued" });
    expect(jobs.map((job) => job.waiting)).toEqual([why, why]);
    expect((await place.cli(["status"])).stdout).toContain(why);

    // Two handlers of one plugin: the other one goes on.
    const rent = [await place.enqueue("spender.rent", { cost: 6 }), ""];
    await place.ended(rent[0] ?? "");
    rent[1] = await place.enqueue("spender.rent", { cost: 1 });
    expect((await show(rent[1])).waiting).toBe(reason("handler:spender.rent", 6, 5));
    await place.ended(await place.enqueue("spender.give", { cost: 1 }));

    // A kill while a job runs: nothing that was spent is forgotten, nothing stays reserved.
    const held = await place.enqueue(
      "spender.give",
      { cost: 2, until: `${place.home}/go` },
      "--cost-estimate",
      "3",
    );
    await place.until("its start", async () => (await show(held)).state === "running");
    expect(await budget("plugin:spender")).toMatchObject({ spent: 19, reserved: 3 });
    await place.host.crash();
    await start();
    await place.until("its second start", async () => (await show(held)).state === "running");
    expect(await budget("plugin:spender")).toMatchObject({ spent: 19, reserved: 3 });
    place.write("go", "");
    expect(await place.ended(held)).toMatchObject({ state: "completed", costActual: 2, interrupted: 1 });
    expect(await budget("plugin:spender")).toMatchObject({ spent: 21, reserved: 0 });
    for (const id of waiting) expect((await show(id)).waiting).toBe(why);

    // A minute before, jobs are claimed, and those are not.
    clock.set(OPENS - MINUTE);
    await place.ended(await place.enqueue("spender.give", { cost: 0 }));
    for (const id of [...waiting, rent[1]])
      expect(await show(id)).toMatchObject({ state: "queued", attempt: 0 });
    expect(await budget("handler:spender.buy")).toMatchObject({ spent: 12, closed: true });

    // And then by themselves.
    clock.set(OPENS);
    for (const id of [...waiting, rent[1]])
      expect(await place.ended(id)).toMatchObject({ state: "completed", attempt: 1 });
    expect(await budget("handler:spender.rent")).toMatchObject({ spent: 1, closed: false });
    expect(OPENS - START).toBeLessThanOrEqual(DAY + STEP);
  },
  STORY_LIMIT_MS,
);
