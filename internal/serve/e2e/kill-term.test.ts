/**
 * A host that is asked to end while it has much to do: it takes nothing more, lets
 * run what ends in time, gives back the rest unspent, and goes on where it was
 * when it is started again.
 */
import { expect, test } from "bun:test";
import { seededRandom } from "../../schedule/expressions.ts";
import { chargedJobs, lostJobs, readBooks } from "./kill-check.ts";
import { Load } from "./kill-load.ts";
import { WITNESS_VARS, Witnesses } from "./witnesses.ts";

const GRACE_MS = 2_000;
const JOB_MS = 300; // The longest of the load: well inside the grace.
const CLAIMS_MS = 250; // A claim that is being committed when the signal comes still starts its job.
const STORY_LIMIT_MS = 120_000;
const ECHO_MS = 300; // Longer than the host takes a second signal for the echo of the first.
const LONG = ["obeys.1", "obeys.2", "obeys.3", "ignores"];

const handlerOf = (id: string) =>
  id === "ignores" ? "witness.stubborn" : id === "obeys.3" ? "scribe.hold" : "witness.hold";

test(
  "SIGTERM under load: no new claims, short jobs end, long ones go back unspent, and all of them run afterwards",
  async () => {
    await using witnesses = new Witnesses({ config: `[serve]\ngrace = "${GRACE_MS}ms"\n` });
    const { place } = witnesses;
    await place.start({ vars: WITNESS_VARS });
    const first = place.host;
    await place.working();
    for (const id of LONG) await place.call("job.enqueue", { id, handler: handlerOf(id) });
    const starts = await Promise.all(LONG.map((id) => witnesses.started(id)));

    const random = seededRandom(3);
    const handlers = ["witness.work", "scribe.work"];
    const load = new Load(place, { random, handlers, jobsPerSecond: 500, jobMs: JOB_MS });
    const stop = new AbortController();
    const loading = load.run(stop.signal);
    const ended = await witnesses.wrote("that much runs", ({ what }) => what === "end");
    const pids = witnesses.processes();

    const askedAt = Date.now();
    expect(await first.stop()).toBe(0);
    const tookMs = Date.now() - askedAt;
    expect(tookMs).toBeGreaterThan(GRACE_MS); // The long ones were given their grace.
    expect(await witnesses.orphans(pids, 0)).toEqual([]);
    expect(ended.at).toBeLessThan(askedAt);

    const books = readBooks(place.home);
    expect(chargedJobs(books)).toEqual([]);
    for (const id of LONG) {
      expect(books.jobs.get(id)).toMatchObject({ state: "queued", attempt: 0, lost: 0, interrupted: 0 });
    }
    expect([...books.jobs.values()].filter(({ state }) => state === "running")).toEqual([]);
    const lines = witnesses.lines();
    expect(lines.filter(({ what, at }) => what === "start" && at > askedAt + CLAIMS_MS)).toEqual([]);
    // What had started ran to its end, but for those that could not.
    const endedIds = new Set(lines.flatMap(({ what, id }) => (what === "end" ? [id] : [])));
    const cut = lines.filter(({ what, id = "" }) => what === "start" && !endedIds.has(id));
    expect(cut.map(({ id }) => id)).toEqual(["ignores"]);

    await place.start({ vars: WITNESS_VARS });
    for (const { id = "", pid } of starts) {
      expect((await witnesses.started(id, pid)).attempt).toBe(1);
      witnesses.release(id);
      expect(await place.ended(id)).toMatchObject({
        state: "completed",
        attempt: 1,
        lost: 0,
        interrupted: 0,
      });
    }
    stop.abort();
    await loading;
    for (const id of load.acknowledged()) await place.ended(id);
    await place.host.stop();
    expect(lostJobs(readBooks(place.home), load.acknowledged(), witnesses.lines())).toEqual([]);
  },
  STORY_LIMIT_MS,
);

/** Signals until the end, what the host says at the last one, and how the host and its job end. */
const HURRIES = [
  // signals, says                        exit code, the job
  [2, /does not wait any longer/, 0, { state: "queued", attempt: 0, lost: 0 }],
  [3, /does not wait any longer/, 130, { state: "running", lost: 0 }], // Left as it is: the next host takes it back.
] as const;

test.each(HURRIES)(
  "%d times SIGTERM do not wait for the grace; the job is there, and no process",
  async (signals, says, exitCode, job) => {
    await using witnesses = new Witnesses({ config: '[serve]\ngrace = "1h"\n', python: false });
    const { place } = witnesses;
    const host = await place.start();
    await place.call("job.enqueue", { id: "long", handler: "witness.stubborn" });
    const { pid } = await witnesses.started("long");
    const pids = witnesses.processes();

    host.process.kill("SIGTERM");
    await host.said(/qntx is ending.*running=1/);
    expect(await place.call("host.status")).toMatchObject({ running: true }); // It waits, and still answers.
    for (let signal = 1; signal < signals; signal++) {
      await Bun.sleep(ECHO_MS); // Two signals at once are one wish that was passed on.
      host.process.kill("SIGTERM");
      await host.said(says);
    }
    expect(await host.process.exited).toBe(exitCode);
    expect(await witnesses.orphans(pids, 0)).toEqual([]);
    expect(readBooks(place.home).jobs.get("long")).toMatchObject(job);

    await place.start();
    expect((await witnesses.started("long", pid)).attempt).toBe(1);
    witnesses.release("long");
    expect(await place.ended("long")).toMatchObject({ state: "completed", attempt: 1, lost: 0 });
  },
  STORY_LIMIT_MS,
);

test(
  "a service manager that signals every process of the service at once costs no job anything",
  async () => {
    await using witnesses = new Witnesses();
    const { place } = witnesses;
    const host = await place.start({ vars: WITNESS_VARS });
    for (const id of LONG) await place.call("job.enqueue", { id, handler: handlerOf(id) });
    const starts = await Promise.all(LONG.map((id) => witnesses.started(id)));
    const pids = witnesses.processes();

    for (const pid of [host.process.pid, host.pid, ...pids]) process.kill(pid, "SIGTERM");
    expect(await host.process.exited).toBe(0);
    expect(await witnesses.orphans(pids, 0)).toEqual([]);
    const books = readBooks(place.home);
    expect(chargedJobs(books)).toEqual([]);
    for (const id of LONG)
      expect(books.jobs.get(id)).toMatchObject({ finished_at: null, attempt: 0, lost: 0 });

    await place.start({ vars: WITNESS_VARS });
    for (const { id = "", pid } of starts) {
      expect((await witnesses.started(id, pid)).attempt).toBe(1);
      witnesses.release(id);
      expect(await place.ended(id)).toMatchObject({
        state: "completed",
        attempt: 1,
        lost: 0,
        interrupted: 0,
      });
    }
  },
  STORY_LIMIT_MS,
);
