/** A simulation beside a real host: in a process of its own, which goes with whoever wants the answer. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { socketPath } from "../../http/socket.ts";
import { Place } from "./host.ts";

const STORY_LIMIT_MS = 120_000;
const SCHEDULES = 7; // With a month of seconds each: as much as is allowed, some seconds of work.

test(
  "who no longer wants the answer ends the process, and the host answers others meanwhile",
  async () => {
    await using place = new Place("[plugin]\nbundled = false\n");
    await place.start();
    for (let i = 0; i < SCHEDULES; i++)
      await place.call("schedule.create", {
        name: `s${i}`,
        handler: "a.b",
        every: "1s",
        startAt: "2039-01-01T00:00:00Z",
      });
    const gone = new AbortController();
    const answer = simulate(place, { from: "2040-01-01T00:00:00Z", to: "2040-02-01T00:00:00Z" }, gone.signal);
    const ended = answer.then(
      () => "answered",
      () => "gone",
    );
    await place.until("its process", async () => simulations(place.host.pid).length === 1);
    expect(await place.call("host.status")).toMatchObject({ running: expect.anything() });
    expect(simulations(place.host.pid)).toHaveLength(1);
    gone.abort();
    expect(await ended).toBe("gone");
    await place.until("its end", async () => simulations(place.host.pid).length === 0);

    // And who does want it gets it.
    const day = await simulate(place, { from: "2040-01-01T00:00:00Z", to: "2040-01-02T00:00:00Z" });
    expect(await day.json()).toMatchObject({
      schedules: SCHEDULES,
      fires: SCHEDULES * 86_400,
      atOnce: { runs: SCHEDULES },
    });
    expect(simulations(place.host.pid)).toEqual([]);
    const year = await simulate(place, {
      from: "2040-01-01T00:00:00Z",
      to: "2040-01-31T23:00:00Z",
      ids: ["nobody"],
    });
    expect(year.status).toBe(404);
  },
  STORY_LIMIT_MS,
);

function simulate(place: Place, input: object, signal?: AbortSignal): Promise<Response> {
  return fetch("http://x/api/v1/call/schedule.simulate", {
    unix: socketPath(place.home),
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
    ...(signal && { signal }),
  });
}

/** Processes below the host that simulate. */
function simulations(host: number): number[] {
  const pids = readdirSync(`/proc/${host}/task`).flatMap((task) =>
    readFileSync(`/proc/${host}/task/${task}/children`, "utf8").trim().split(" "),
  );
  return pids.filter((pid) => pid !== "" && words(pid).includes("__simulate")).map(Number);
}

function words(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // It went while we looked.
  }
}
