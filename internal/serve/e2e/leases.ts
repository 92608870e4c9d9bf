/**
 * Leases: what a job's holder may miss without losing it, and what becomes of an
 * answer that comes when somebody else has the job. The holder is a host; its lease
 * is the lock of the data folder, which outlives any sleep, and ends when somebody
 * removes it. A plugin has none: its host sees its process.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { JobShown, RunningHost } from "./host.ts";
import { Witnesses } from "./witnesses.ts";

/** What happened to the one job of a scene. */
export interface LeaseStory {
  job: JobShown;
  /** Attempts that began, by what the plugin wrote. */
  starts: number;
  /** Promises that were broken. */
  broken: string[];
}

const REFUSED_CODE = 5; // Of a second host: the folder is taken.
const LATE_MS = 10_000; // A host that may not go on finds out within a renewal of its lease; then its services end.

/** A job that runs so long while its host lives. */
export async function longJob(ms: number): Promise<LeaseStory> {
  await using witnesses = await started();
  const { place } = witnesses;
  await place.call("job.enqueue", { id: "long", handler: "witness.work", payload: { ms } });
  const job = await place.ended("long", ms + LATE_MS);
  return story(witnesses, job);
}

/** A host that is stopped for so long while its job ends, and goes on. */
export async function sleptHost(ms: number): Promise<LeaseStory> {
  await using witnesses = await started();
  const { place } = witnesses;
  await hold(witnesses, "slept");
  freeze(place.host);
  await Bun.sleep(ms / 2); // How long it is stopped is what is varied.
  witnesses.release("slept");
  await witnesses.wrote("that slept ends", ({ what }) => what === "end");
  const broken = await refused(witnesses);
  await Bun.sleep(ms / 2);
  thaw(place.host);
  const job = await place.ended("slept");
  return story(witnesses, job, broken);
}

/**
 * The same, but somebody takes the stopped host for dead: removes its lock, starts
 * another one, and the first goes on with an answer in its hands.
 */
export async function replacedHost(): Promise<LeaseStory & { said: string }> {
  await using witnesses = await started();
  const { place } = witnesses;
  const first = place.host;
  const pid = await hold(witnesses, "late");
  freeze(first);
  witnesses.release("late");
  await witnesses.wrote("that late ends", ({ what }) => what === "end");
  const broken = await refused(witnesses);
  rmSync(join(place.home, "host.lock"));
  rmSync(`${witnesses.record}.late`);
  await place.start();
  await witnesses.started("late", pid);
  thaw(first);
  if (!(await endsItself(first))) broken.push("the host that was replaced went on");
  witnesses.release("late");
  const show = () => place.json<JobShown>("job", "show", "late"); // A process each: this one still has a line to the first host.
  const job = await place.until("late to end", async () => {
    const job = await show();
    return job.state === "completed" && job;
  });
  return { ...story(witnesses, job, broken), said: first.text };
}

async function started(): Promise<Witnesses> {
  const witnesses = new Witnesses({ python: false, children: false });
  await witnesses.place.start();
  await witnesses.place.working();
  return witnesses;
}

/** Starts a job that runs until it is released. Gives the pid of its process. */
async function hold(witnesses: Witnesses, id: string): Promise<number> {
  await witnesses.place.call("job.enqueue", { id, handler: "witness.hold" });
  return (await witnesses.started(id)).pid;
}

/** The keeper first: it would see its host's end, and must not see this. */
function freeze(host: RunningHost): void {
  for (const pid of [host.process.pid, host.pid]) process.kill(pid, "SIGSTOP");
}

function thaw(host: RunningHost): void {
  for (const pid of [host.pid, host.process.pid]) process.kill(pid, "SIGCONT");
}

/** What is wrong when a second host is started on the folder. */
async function refused({ place }: Witnesses): Promise<string[]> {
  const { code } = await place.cli(["serve", "--port", "0"]);
  return code === REFUSED_CODE ? [] : [`a second host was not refused: it ended with ${code}`];
}

async function endsItself(host: RunningHost): Promise<boolean> {
  const ended = host.process.exited.then(() => true);
  const ends = await Promise.race([ended, Bun.sleep(LATE_MS).then(() => false)]);
  if (!ends) await host.kill();
  return ends;
}

function story(witnesses: Witnesses, job: JobShown, broken: string[] = []): LeaseStory {
  const starts = witnesses.lines().filter(({ what }) => what === "start").length;
  return { job, starts, broken };
}
