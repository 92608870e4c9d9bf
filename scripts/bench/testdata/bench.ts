/** The plugin that is measured: it does nothing, enqueues, and looks at the clock. */
import { definePlugin, type Job } from "qntx";

let latencies: number[] = [];
let lateness: number[] = [];

const now = () => performance.timeOrigin + performance.now();

export default definePlugin({
  name: "bench",
  version: "1.0.0",
  jobs: {
    noop: () => undefined,
    enqueue,
    pace,
    hit(job) {
      latencies.push(now() - job.payload.at);
    },
    due(job) {
      lateness.push(now() - Date.parse(job.occurrence ?? ""));
    },
    /** Gives how many schedules' jobs were entered. */
    entered: () => lateness.length,
    refused,
    shown,
    say,
    print,
    /** Gives what was gathered, and forgets it. */
    report() {
      const report = { latencies, lateness };
      latencies = [];
      lateness = [];
      return report;
    },
  },
});

/**
 * Enqueues for a handler that nobody offers, `callers` at a time, `batch` jobs a call; with 0, one job, whose call others
 * may share. Gives jobs per second.
 */
async function enqueue({ payload: { callers, batch, ms }, qntx }: Job) {
  const jobs = Array.from({ length: batch }, (_, n) => ({ handler: "bench.nobody", payload: { n } }));
  const startedAt = performance.now();
  let calls = 0;
  const caller = async () => {
    for (; performance.now() < startedAt + ms; calls++) {
      if (batch === 0) await qntx.queue.enqueue("bench.nobody", { n: calls });
      else await qntx.queue.enqueueMany(jobs);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return (calls * Math.max(1, batch)) / ((performance.now() - startedAt) / 1_000);
}

/** Enqueues `count` jobs at an even pace, and waits until each has been entered. */
async function pace({ payload: { count, everyMs }, qntx }: Job) {
  latencies = [];
  for (let n = 0, dueAt = now(); n < count; n++, dueAt += everyMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - now())));
    void qntx.queue.enqueue("bench.hit", { at: now() });
  }
  while (latencies.length < count) await new Promise((resolve) => setTimeout(resolve, everyMs));
}

/** Prints the time, again and again. */
async function say({ payload: { times, everyMs }, log }: Job) {
  for (let n = 0; n < times; n++) {
    log(String(now()));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Prints so many lines every millisecond. */
async function print({ payload: { perMs, ms }, log }: Job) {
  const startedAt = performance.now();
  for (let printed = 0; performance.now() < startedAt + ms;) {
    const due = (performance.now() - startedAt) * perMs;
    for (; printed < due; printed++) log(`line ${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Milliseconds of each of some calls that want to make a schedule, and are refused. A payload holds no megabyte: it is told what to repeat. */
async function refused({ payload: { text, times: repeated, calls }, qntx }: Job) {
  const cron = text.repeat(repeated);
  const create = () => qntx.scheduler.create({ handler: "bench.noop", cron });
  const times: number[] = [];
  for (let call = 0; call < calls; call++) {
    const startedAt = performance.now();
    const made = await create().then(
      () => true,
      () => false,
    );
    if (made) throw new Error("a schedule was made");
    times.push(performance.now() - startedAt);
  }
  return times;
}

/** Milliseconds of each of some calls that are answered with a schedule. */
async function shown({ payload: { calls }, qntx }: Job) {
  const { id } = await qntx.scheduler.create({ handler: "bench.noop", every: "1d" });
  const times: number[] = [];
  for (let call = 0; call < calls; call++) {
    const startedAt = performance.now();
    await qntx.scheduler.get(id);
    times.push(performance.now() - startedAt);
  }
  return times;
}
