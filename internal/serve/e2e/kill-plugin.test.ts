/**
 * A plugin that is killed or stopped while its jobs run: they are back in line at
 * once, unspent, and nobody else's job notices.
 */
import { expect, test } from "bun:test";
import type { JobShown } from "./host.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

const BACK_MS = 2_000; // Promised: a dead plugin's job is queued again within this.
const SEEN_MS = 5_000 + 2_000; // Promised: a stopped plugin is noticed within five seconds, where others leave the machine alone.
const STORY_LIMIT_MS = 120_000;

async function hold(witnesses: Witnesses, handler: string, id: string): Promise<number> {
  await witnesses.place.call("job.enqueue", { id, handler });
  return (await witnesses.started(id)).pid;
}

const show = (witnesses: Witnesses, id: string) => witnesses.place.call<JobShown>("job.show", { id });

/** How long it took from now until the host says that the job no longer runs in the process that had it. */
async function backInLine(witnesses: Witnesses, id: string): Promise<{ tookMs: number; job: JobShown }> {
  const from = performance.now();
  const job = await witnesses.place.until(`${id} to be back in line`, async () => {
    const job = await show(witnesses, id);
    return job.state === "queued" && job;
  });
  return { tookMs: performance.now() - from, job };
}

test(
  "a job whose plugin is killed is queued again at once, unspent, and the other plugin's job goes on",
  async () => {
    await using witnesses = new Witnesses();
    const { place } = witnesses;
    await place.start({ vars: WITNESS_VARS });
    await place.working();
    const other = await hold(witnesses, "scribe.hold", "other");
    const pid = await hold(witnesses, "witness.hold", "alone");

    process.kill(pid, "SIGKILL");
    const { tookMs, job } = await backInLine(witnesses, "alone");
    expect(tookMs).toBeLessThan(BACK_MS);
    expect(job).toMatchObject({ attempt: 0, lost: 1, interrupted: 0 });

    const again = await witnesses.started("alone", pid);
    expect(again.attempt).toBe(1);
    witnesses.release("alone");
    witnesses.release("other");
    expect(await place.ended("alone")).toMatchObject({ state: "completed", attempt: 1, lost: 1 });
    expect(await place.ended("other")).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
    const pids = new Set(witnesses.lines().flatMap((line) => (line.id === "other" ? [line.pid] : [])));
    expect([...pids]).toEqual([other]);
    expect(witnesses.processes()).toHaveLength(4); // Two plugins and their children: nothing of the dead one.
  },
  STORY_LIMIT_MS,
);

test(
  "jobs that fall together spend nothing, and run one by one afterwards",
  async () => {
    await using witnesses = new Witnesses({ python: false });
    const { place } = witnesses;
    await place.start();
    const ids = ["first", "second", "third"];
    const [pid = 0] = await Promise.all(ids.map((id) => hold(witnesses, "witness.hold", id)));
    process.kill(pid, "SIGKILL");

    for (let left = ids.length; left > 0; left--) {
      // Whichever of them runs, runs alone until it has ended.
      const isOpen = (id: string) => !witnesses.lines().some((line) => line.id === id && line.what === "end");
      const running = await witnesses.wrote(
        "that one of them starts",
        ({ what, id = "", pid: where }) => what === "start" && where !== pid && isOpen(id),
      );
      const shown = await Promise.all(ids.filter(isOpen).map((id) => show(witnesses, id)));
      expect(shown.filter(({ id }) => id !== running.id).length).toBe(left - 1);
      const started = witnesses.lines().filter((line) => line.what === "start" && line.pid !== pid);
      expect(started.length).toBe(ids.length - left + 1);
      witnesses.release(running.id ?? "");
      await place.ended(running.id ?? "");
    }
    for (const id of ids) {
      expect(await show(witnesses, id)).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
    }
  },
  STORY_LIMIT_MS,
);

test(
  "a plugin that is stopped is seen, replaced and fenced; the other plugin's job goes on",
  async () => {
    await using witnesses = new Witnesses();
    const { place } = witnesses;
    await place.start({ vars: WITNESS_VARS });
    await place.working();
    const other = await hold(witnesses, "scribe.hold", "other");
    const pid = await hold(witnesses, "witness.hold", "frozen");

    process.kill(pid, "SIGSTOP");
    const { tookMs, job } = await backInLine(witnesses, "frozen");
    expect(tookMs).toBeLessThan(SEEN_MS);
    expect(job.attempt).toBe(0);
    // It is dead and not merely forgotten: nothing that it does can come late.
    expect(() => process.kill(pid, "SIGCONT")).toThrow();

    await witnesses.started("frozen", pid);
    witnesses.release("frozen");
    witnesses.release("other");
    expect(await place.ended("frozen")).toMatchObject({ state: "completed", attempt: 1 });
    expect(await place.ended("other")).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
    const ends = witnesses.lines().filter((line) => line.id === "frozen" && line.what === "end");
    expect(ends.map((end) => end.pid)).not.toContain(pid);
    const pids = new Set(witnesses.lines().flatMap((line) => (line.id === "other" ? [line.pid] : [])));
    expect([...pids]).toEqual([other]);
  },
  STORY_LIMIT_MS,
);
