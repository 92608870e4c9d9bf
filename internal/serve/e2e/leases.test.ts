/** Who holds a job, and for how long: a slice of what `bun scripts/prove/crashes.ts` shows with whole leases. */
import { expect, test } from "bun:test";
import { replacedHost, sleptHost } from "./leases.ts";

const STORY_LIMIT_MS = 120_000;
const SLEPT_MS = 2_000;

test(
  "a host that was stopped goes on with the jobs that it had; meanwhile nobody else gets them",
  async () => {
    const { job, starts, broken } = await sleptHost(SLEPT_MS);
    expect(broken).toEqual([]);
    expect(starts).toBe(1);
    expect(job).toMatchObject({ state: "completed", attempt: 1, lost: 0, interrupted: 0 });
  },
  STORY_LIMIT_MS,
);

test(
  "a host whose place somebody else was given ends, and its late answer is refused, logged and remembered by the job",
  async () => {
    const { job, starts, broken, said } = await replacedHost();
    expect(broken).toEqual([]);
    expect(starts).toBe(2);
    expect(job).toMatchObject({ state: "completed", attempt: 1, interrupted: 1 });
    expect(job.history).toMatchObject([
      { attempt: 1, kind: "interrupted" },
      { attempt: 1, kind: "late", message: "its answer came too late and was refused: it had completed" },
    ]);
    expect(said).toContain("a late result was refused: the job is no longer ours job=late fence=1");
    expect(said).toContain("qntx: Another host can have what this one held");
    expect(said).not.toContain("a mistake in qntx");
  },
  STORY_LIMIT_MS,
);
