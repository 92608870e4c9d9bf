/**
 * A host that is killed: a slice of the kill loop, which `bun scripts/prove/crashes.ts`
 * runs whole, and what each manner of dying does to one job that runs.
 */
import { expect, test } from "bun:test";
import { type JobShown, type RunningHost } from "./host.ts";
import { killLoop, killLoopTrouble } from "./kill-loop.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

const STORY_LIMIT_MS = 120_000;
const GONE_MS = 2_000; // Promised: so long after the death of a host, what it started is gone.

const MANNERS: readonly [string, (host: RunningHost) => Promise<void>][] = [
  ["its keeper", (host) => host.kill()],
  ["the host alone", (host) => host.killHost()],
  ["both at once", (host) => host.crash()],
];

test.each(MANNERS)(
  "when a kill takes %s, the job that ran is run again and pays nothing; no process is left",
  async (manner, kill) => {
    await using witnesses = new Witnesses();
    const { place } = witnesses;
    await place.start({ vars: WITNESS_VARS });
    const ids = ["mine.1", "mine.2", "theirs"];
    for (const id of ids) {
      await place.call("job.enqueue", { id, handler: id === "theirs" ? "scribe.hold" : "witness.hold" });
    }
    const starts = await Promise.all(ids.map((id) => witnesses.started(id)));
    const before = witnesses.processes();
    expect(before).toHaveLength(4); // Two plugins, and of each a child in a session of its own.

    await kill(place.host);
    if (manner !== "both at once") expect(await witnesses.orphans(before, GONE_MS)).toEqual([]);
    await place.start({ vars: WITNESS_VARS });
    expect(await witnesses.orphans(before, GONE_MS)).toEqual([]);

    for (const { id = "", pid } of starts) {
      expect((await witnesses.started(id, pid)).attempt).toBe(1);
      witnesses.release(id);
      expect(await place.ended(id)).toMatchObject({
        state: "completed",
        attempt: 1,
        lost: 0,
      } satisfies Partial<JobShown>);
    }
  },
  STORY_LIMIT_MS,
);

test(
  "a host that is killed under load loses no job, no occurrence and no process, and does nothing twice",
  async () => {
    const report = await killLoop({ kills: 4, seed: 4 });
    expect(killLoopTrouble(report)).toEqual([]);
    // It was tried in earnest: there was work, and kills met it.
    expect(report.acknowledged).toBeGreaterThan(100);
    expect(report.occurrences).toBeGreaterThan(20);
    expect(report.cut).toBeGreaterThan(0);
  },
  STORY_LIMIT_MS,
);
