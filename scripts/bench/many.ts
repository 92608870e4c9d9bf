/** Many schedules in one folder: how they are made, and what a host with them costs while none is due. */
import { readFileSync } from "node:fs";
import type { BenchHome, BenchHost } from "./host.ts";

const CALLERS = 64;
const TICK_MS = 10; // The unit of the times in /proc/PID/stat.
const PROBE_EVERY_MS = 5;
const CALLS = 20;

/** Makes so many schedules over the socket. Gives how many a second. */
export async function makeSchedules(
  home: BenchHome,
  { count, cron }: { count: number; cron: string },
): Promise<number> {
  home.configure({});
  const host = await home.start();
  let made = 0;
  const startedAt = performance.now();
  const caller = async () => {
    for (let n = made++; n < count; n = made++)
      await host.call("schedule.create", { name: `s${n}`, handler: "bench.due", cron, payload: { n } });
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  await host.stop();
  return count / seconds;
}

export interface Idle {
  cpuPercent: number;
  memoryMiB: number;
}

/** What a host costs in a time in which nothing is due. */
export async function idle(host: BenchHost, ms: number): Promise<Idle> {
  const before = cpuMs(host.pid);
  await Bun.sleep(ms);
  return {
    cpuPercent: (100 * (cpuMs(host.pid) - before)) / ms,
    memoryMiB: residentMiB(host.pid),
  };
}

/** What all threads of a process have spent. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

function residentMiB(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}

/** Milliseconds of each of some calls of an operation. */
export async function callTimes(host: BenchHost, operation: string, input: object = {}): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const startedAt = performance.now();
    await host.call(operation, input);
    times.push(performance.now() - startedAt);
  }
  return times;
}

/** Asks for a sign of life every few milliseconds while `work` runs: nobody is answered while the loop is held. */
export async function probed<T>(
  host: BenchHost,
  work: () => Promise<T>,
): Promise<{ value: T; waits: number[] }> {
  const waits: number[] = [];
  const over = new AbortController();
  const probe = async () => {
    while (!over.signal.aborted) {
      const startedAt = performance.now();
      await host.alive();
      waits.push(performance.now() - startedAt);
      await Bun.sleep(PROBE_EVERY_MS);
    }
  };
  const probing = probe();
  const value = await work().finally(() => over.abort());
  await probing;
  return { value, waits };
}
