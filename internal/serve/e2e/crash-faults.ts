/**
 * Crash faults: each is done to a plugin of its own, once over unary calls and once
 * over the job stream, and gives one row: what was measured, and what was broken.
 */
import { type Cast, type CrashRow, type CrashScene, peakGrowth, timed } from "./crash-scene.ts";
import type { JobShown } from "./host.ts";

type Way = "unary" | "stream";

const BACK_MS = 2_000; // Promised: a dead plugin's job is queued again within this.
const SEEN_MS = 5_000; // Promised: a stopped process is seen and ended within this.
const CANCEL_MS = 6_000; // The grace of a cancellation, and a second to kill and to write it down.
const TIMEOUT_MS = 1_000;
const REFUSED_MS = 2_000; // An answer that is none is no reason to wait for another one.
const START_MS = 6_000; // The others wait three seconds; then they have to start themselves.
const GROWTH_MB = 32;
const KILLS = 3; // Of one plugin: more within a minute quarantine it.

/** Who goes wrong. */
export const CAST: Cast = {
  "kill-unary": ["plain"],
  "kill-stream": ["stream"],
  "stop-unary": ["plain"],
  "stop-stream": ["stream"],
  "busy-unary": ["plain"],
  "busy-stream": ["stream"],
  "deaf-unary": ["plain"],
  "deaf-stream": ["stream"],
  "mean-unary": ["plain"],
  "mean-stream": ["stream"],
  "gzip-unary": ["plain", "--gzip"],
  "gzip-stream": ["stream", "--gzip"],
  "fork-unary": ["plain"],
  mute: ["mute-tcp"],
  noise: ["noise-tcp"],
  http1: ["http1-tcp"],
  absent: ["hang-initialize"],
};
const NEVER_READY = ["mute", "noise", "http1", "absent"];

/** Does all of it to the scene's plugins; each row as soon as it is there. `computeMs`: how long a job says nothing. */
export async function* crashRows(
  scene: CrashScene,
  { computeMs }: { computeMs: number },
): AsyncGenerator<CrashRow> {
  yield await neverStarts(scene);
  // What takes long because it waits is done side by side; what is weighed, alone.
  const waiting = [killed, stopped, neverAnswers, ignoresCancel, forks];
  const rows = Promise.all([...waiting.map((fault) => fault(scene)), computes(scene, computeMs)]);
  yield* await rows;
  yield await answersTwice(scene);
  yield await answersForOther(scene);
  yield await answersGarbage(scene);
  yield await costsNonsense(scene);
  yield await answersTooMuch(scene, { plugin: "mean", fault: "a plugin answers with 512 MiB" });
  const zeros = "a plugin answers with 512 MiB of zeros, gzipped to half a megabyte";
  yield await answersTooMuch(scene, { plugin: "gzip", fault: zeros });
}

async function neverStarts(scene: CrashScene): Promise<CrashRow> {
  const figure = await scene.start();
  const broken: string[] = [];
  for (const name of NEVER_READY) {
    const { state } = await scene.place.plugin(name);
    if (state === "ready") broken.push(`plugin ${name} is ready`);
  }
  const fault = "plugins never answer their start, or with 64 KiB of noise, or with HTTP/1";
  return { fault, measured: "the others' jobs run after", figure, unit: "ms", limit: START_MS, broken };
}

function killed(scene: CrashScene): Promise<CrashRow> {
  const fault = "a plugin is killed (SIGKILL) while its job runs";
  const about = { fault, measured: "queued again after", limit: BACK_MS };
  return bothWays(about, async (way, broken) => {
    const name = `kill-${way}`;
    const figures: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const { pid } = await scene.ready(name);
      const id = await scene.askOnce(name, "hang");
      process.kill(pid ?? 0, "SIGKILL");
      figures.push(await untilBack(scene, id));
      expectSame(broken, await scene.place.ended(id), { state: "completed", attempt: 1, lost: 1 });
    }
    return Math.max(...figures);
  });
}

function stopped(scene: CrashScene): Promise<CrashRow> {
  const fault = "a plugin is stopped (SIGSTOP) while its job runs";
  const about = { fault, measured: "ended, replaced, its job queued again after", limit: SEEN_MS };
  return bothWays(about, async (way, broken) => {
    const name = `stop-${way}`;
    const { pid } = await scene.ready(name);
    const id = await scene.askOnce(name, "hang");
    process.kill(pid ?? 0, "SIGSTOP");
    const figure = await untilBack(scene, id);
    if (isAlive(pid ?? 0)) broken.push(`${name}: the stopped process is still there, and could answer late`);
    expectSame(broken, await scene.place.ended(id), { state: "completed", attempt: 1 });
    return figure;
  });
}

function computes(scene: CrashScene, ms: number): Promise<CrashRow> {
  const fault = `a job computes for ${ms / 1_000} s, and its plugin answers nothing meanwhile`;
  const about = { fault, measured: "processes that it took", limit: 1, unit: "" };
  return bothWays(about, async (way, broken) => {
    const name = `busy-${way}`;
    const { pid } = await scene.ready(name);
    const id = await scene.ask(name, `compute ${ms}`);
    const job = await scene.place.ended(id, ms * 2 + 60_000);
    expectSame(broken, job, { state: "completed", attempt: 1, lost: 0 });
    const after = await scene.ready(name);
    return after.pid === pid ? 1 : 1 + after.restarts;
  });
}

function neverAnswers(scene: CrashScene): Promise<CrashRow> {
  const fault = "a job is never answered; it may take a second";
  const about = { fault, measured: "ended and its place free after", limit: TIMEOUT_MS + CANCEL_MS };
  return bothWays(about, async (way, broken) => {
    const id = await scene.ask(`deaf-${way}`, "hang", { timeout: `${TIMEOUT_MS}ms`, maxAttempts: 1 });
    const figure = await timed(scene.place, "its end", async () => (await scene.show(id)).state === "failed");
    const { error } = await scene.show(id);
    if (error?.kind !== "timeout") broken.push(`it ended with ${error?.kind}: ${error?.message}`);
    await goesOn(scene, `deaf-${way}`, broken);
    return figure;
  });
}

function ignoresCancel(scene: CrashScene): Promise<CrashRow> {
  const fault = "a job in while(true) is cancelled";
  const about = { fault, measured: "cancelled, its process ended after", limit: CANCEL_MS };
  return bothWays(about, async (way, broken) => {
    const name = `mean-${way}`;
    const { pid } = await scene.ready(name);
    const id = await scene.askOnce(name, "spin");
    await scene.place.call("job.cancel", { id });
    const isOver = async () => (await scene.show(id)).state === "cancelled" && !isAlive(pid ?? 0);
    const figure = await timed(scene.place, "its end", isOver);
    await goesOn(scene, name, broken);
    return figure;
  });
}

async function forks(scene: CrashScene): Promise<CrashRow> {
  const seconds = scene.witnesses.tag;
  const bystander = (await scene.place.plugin("witness")).pid;
  const broken: string[] = [];
  const { pid } = await scene.ready("fork-unary");
  const id = await scene.askOnce("fork-unary", `fork ${seconds}`);
  const isThere = async () => scene.witnesses.processes().some((one) => one !== bystander);
  await timed(scene.place, "the grandchild", isThere);
  process.kill(pid ?? 0, "SIGKILL");
  const figure = await timed(scene.place, "the grandchild's end", async () => !(await isThere()));
  expectSame(broken, await scene.place.ended(id), { state: "completed", attempt: 1, lost: 1 });
  const fault = "a plugin with a grandchild in a session of its own is killed";
  return { fault, measured: "the grandchild is gone after", figure, unit: "ms", limit: BACK_MS, broken };
}

async function answersTwice(scene: CrashScene): Promise<CrashRow> {
  const broken: string[] = [];
  const id = await scene.ask("mean-stream", "twice");
  const first = await scene.place.ended(id);
  await goesOn(scene, "mean-stream", broken); // By then the second answer has been read.
  if (JSON.stringify(await scene.show(id)) !== JSON.stringify(first))
    broken.push("the second answer counted");
  if (!scene.place.host.text.includes(`is dropped plugin=mean-stream job=${id}`))
    broken.push("the second answer was not logged");
  expectSame(broken, first, { state: "completed", attempt: 1 });
  const figure = first.result === "first" ? 1 : 2;
  const fault = "a plugin answers a job twice";
  return { fault, measured: "the answer that counts is number", figure, unit: "", limit: 1, broken };
}

async function answersForOther(scene: CrashScene): Promise<CrashRow> {
  const { place, witnesses } = scene;
  const broken: string[] = [];
  await place.call("job.enqueue", { id: "others", handler: "witness.hold" });
  await witnesses.started("others");
  const id = await scene.ask("mean-stream", "other others");
  expectSame(broken, await place.ended(id), { state: "completed" });
  const { state } = await scene.show("others");
  witnesses.release("others");
  expectSame(broken, await place.ended("others"), { state: "completed", attempt: 1 });
  const figure = state === "running" ? 0 : 1;
  const fault = "a plugin answers another plugin's job";
  return { fault, measured: "jobs that it ended", figure, unit: "", limit: 0, broken };
}

function answersGarbage(scene: CrashScene): Promise<CrashRow> {
  const fault = "a plugin answers with bytes that are no message";
  const about = { fault, measured: "said, or queued again after", limit: REFUSED_MS };
  return bothWays(about, async (way, broken) => {
    const name = `mean-${way}`;
    await scene.ready(name);
    const more = { maxAttempts: 1 };
    const id = await scene.ask(name, way === "unary" ? "no-protobuf" : "once no-protobuf", more);
    const isSaid = async () => (await scene.show(id)).history.length > 0;
    const figure = await timed(scene.place, "that it is said", isSaid);
    const job = await scene.place.ended(id);
    // A stream that breaks takes its process with it, and the job runs again; a call is only itself.
    if (way === "unary") expectSame(broken, job, { state: "failed", attempt: 1 });
    else expectSame(broken, job, { state: "completed", attempt: 1, lost: 1 });
    await goesOn(scene, name, broken);
    return figure;
  });
}

function costsNonsense(scene: CrashScene): Promise<CrashRow> {
  const fault = "a job costs NaN, infinity, or less than nothing";
  const about = { fault, measured: "what it cost", limit: 0, unit: "" };
  return bothWays(about, async (way, broken) => {
    const costs: number[] = [];
    for (const word of ["nan", "infinite", "negative"]) {
      const job = await scene.place.ended(await scene.ask(`mean-${way}`, word));
      expectSame(broken, job, { state: "completed", attempt: 1 });
      costs.push(Math.abs(job.costActual));
    }
    return Math.max(...costs);
  });
}

function answersTooMuch(
  scene: CrashScene,
  { plugin, fault }: { plugin: string; fault: string },
): Promise<CrashRow> {
  const about = { fault, measured: "the host grew by at most", limit: GROWTH_MB, unit: "MB", alone: true };
  return bothWays(about, async (way, broken) => {
    const name = `${plugin}-${way}`;
    await scene.ready(name);
    let job: JobShown | null = null;
    const growth = await peakGrowth(scene.hostPid, async () => {
      const id = await scene.ask(name, way === "unary" ? "vast" : "once vast", { maxAttempts: 1 });
      job = await scene.place.ended(id);
    });
    if (way === "unary") expectSame(broken, job, { state: "failed", attempt: 1 });
    else expectSame(broken, job, { state: "completed", attempt: 1, lost: 1 });
    await goesOn(scene, name, broken);
    return growth;
  });
}

/** Side by side, unless they would be weighed together. The worse figure counts. */
async function bothWays(
  {
    alone = false,
    ...about
  }: Pick<CrashRow, "fault" | "measured" | "limit"> & { unit?: string; alone?: boolean },
  measure: (way: Way, broken: string[]) => Promise<number>,
): Promise<CrashRow> {
  const broken: string[] = [];
  const first = measure("unary", broken);
  if (alone) await first;
  const figures = await Promise.all([first, measure("stream", broken)]);
  return { unit: "ms", ...about, figure: Math.max(...figures), broken };
}

/** How long it takes from now until the job is no longer held by the process that had it. */
function untilBack(scene: CrashScene, id: string): Promise<number> {
  return timed(scene.place, `${id} to be back in line`, async () => {
    const { history } = await scene.show(id);
    return history.some(({ kind }) => kind === "lost");
  });
}

/** Whatever happened to it, the plugin runs the next job. */
async function goesOn(scene: CrashScene, name: string, broken: string[]): Promise<void> {
  const job = await scene.place.ended(await scene.ask(name, "x"));
  if (job.state !== "completed") broken.push(`${name} did not go on: its next job is ${job.state}`);
}

function expectSame(broken: string[], job: JobShown | null, wanted: Partial<JobShown>): void {
  const seen: Partial<Record<string, unknown>> = { ...job };
  for (const [field, value] of Object.entries(wanted)) {
    if (seen[field] !== value)
      broken.push(`job ${job?.id} of ${job?.handler} has ${field} ${String(seen[field])}, not ${value}`);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
