/** Logs: how soon a line is seen, and what a job that prints without end costs the others. */
import { BenchHome, type BenchHost } from "./host.ts";
import { type Bench, quantile, type Row } from "./measure.ts";

const SAYINGS = 40;
const SAY_EVERY_MS = 100;
const SCHEDULES = 50;
const WATCH_MS = 5_000;
const SETTLE_MS = 1_500;
const LINES_PER_SECOND = 100_000;
const SEEN_MAX_MS = 500;
const LATE_MAX_MS = 250;

/** The benchmark of one binary. */
export function logsBench(binary: string): Bench {
  return {
    name: "logs",
    title: "Logs",
    how:
      "From the moment in which a job prints a line until `qntx job logs -f` has printed it, at ten lines a second; the " +
      "floor is the 200 ms between two looks. Then 50 schedules that are due each second, while a job of the same " +
      "plugin prints 100,000 lines a second until it is listened to more slowly and its log is full; the floor is the " +
      "same without it.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  const quiet = await lateness(binary, false);
  const loud = await lateness(binary, true);
  return [
    {
      what: "print to job logs -f, p99",
      value: quantile(await seen(binary), 0.99),
      unit: "ms",
      floor: 200,
      floorIs: "looks",
      target: SEEN_MAX_MS,
    },
    {
      what: "lateness beside 100,000 lines a second, p99",
      value: quantile(loud, 0.99),
      unit: "ms",
      floor: quantile(quiet, 0.99),
      floorIs: "nobody prints",
      target: LATE_MAX_MS,
    },
  ];
}

async function started(home: BenchHome): Promise<BenchHost> {
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  return host;
}

/** Milliseconds from print to print, of each line of a job that is followed. */
export async function seen(binary: string): Promise<number[]> {
  await using home = new BenchHome(binary);
  const host = await started(home);
  const payload = { times: SAYINGS, everyMs: SAY_EVERY_MS };
  const { id } = await host.call<{ id: string }>("job.enqueue", { handler: "bench.say", payload });
  const follower = Bun.spawn([binary, "job", "logs", id, "-f", "--json"], {
    env: home.vars,
    stdin: "ignore",
    stderr: "ignore",
  });
  const times: number[] = [];
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of follower.stdout) {
    const at = performance.timeOrigin + performance.now();
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) times.push(at - Number((JSON.parse(line) as { message: string }).message));
  }
  await follower.exited;
  return times.slice(SAYINGS / 10); // Those that were said while it started.
}

/** How late schedules are, beside a job that prints or alone. */
export async function lateness(binary: string, loud: boolean): Promise<number[]> {
  await using home = new BenchHome(binary);
  const host = await started(home);
  for (let n = 0; n < SCHEDULES; n++)
    await host.call("schedule.create", { name: `s${n}`, handler: "bench.due", every: "1s" });
  await Bun.sleep(SETTLE_MS);
  await host.run("bench.report");
  if (loud)
    await host.call("job.enqueue", {
      handler: "bench.print",
      payload: { perMs: LINES_PER_SECOND / 1_000, ms: WATCH_MS },
    });
  await Bun.sleep(WATCH_MS);
  return (await host.run<{ lateness: number[] }>("bench.report")).lateness;
}
