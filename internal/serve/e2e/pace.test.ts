/** A schedule whose runs take longer than its interval, through a real host: what it says about itself, and how often. */
import { expect, test } from "bun:test";
import { Witnesses } from "./witnesses.ts";

const STORY_LIMIT_MS = 120_000;

interface Shown {
  effective: string | null;
  effectiveMs: number | null;
  warning: string | null;
}

test(
  "a run of 2.5 s on a schedule of 1 s: it really runs every 3 s, and says so once",
  async () => {
    await using witnesses = new Witnesses({ python: false, children: false });
    const { place } = witnesses;
    await place.start();
    await place.working();
    const slow = { name: "slow", handler: "witness.work", payload: { ms: 2_500 }, every: "1s" };
    const { id } = await place.call<{ id: string }>("schedule.create", slow);
    const quick = { ...slow, name: "quick", payload: { ms: 0 } };
    await place.call("schedule.create", quick);

    const show = (name: string) => place.call<Shown>("schedule.show", { id: name });
    await place.until("its real interval", async () => (await show("slow")).effectiveMs === 3_000);
    expect(await show("slow")).toMatchObject({
      effective: "3s",
      warning: expect.stringMatching(/^Its runs take 2s\d+ms, longer than the 1s between them/),
    });
    expect(await show("quick")).toMatchObject({ effective: null, effectiveMs: null, warning: null });
    expect((await place.cli(["schedule", "list"])).stdout).toMatch(/every 1s \(really every 3s\)\n/);
    expect((await place.cli(["schedule", "show", "slow"])).stdout).toMatch(/^warning +Its runs take/m);

    await witnesses.wrote("a third run", ({ what }) => what === "end" && endsOf(id).length >= 3);
    expect(place.host.text.match(/take longer than its interval/g)).toHaveLength(1);
    const starts = startsOf(id);
    const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
    expect(gaps.every((gap) => gap > 2_500)).toBe(true);

    function startsOf(schedule: string): number[] {
      return witnesses
        .lines()
        .flatMap(({ what, scheduleId, at }) => (what === "start" && scheduleId === schedule ? [at] : []));
    }
    function endsOf(schedule: string) {
      return witnesses.lines().filter(({ what, scheduleId }) => what === "end" && scheduleId === schedule);
    }
  },
  STORY_LIMIT_MS,
);
