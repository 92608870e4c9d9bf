/**
 * Crash scene: one host with many plugins that go wrong, each in its own way, beside
 * one that does its work. What goes wrong is measured by whoever does it; that nobody
 * else notices is checked here, at the end, from three accounts: what clients were
 * told, what the plugin wrote down, and the database.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeOdd } from "../../plugins/testdata/harness.ts";
import { seededRandom } from "../../schedule/expressions.ts";
import type { JobShown, Place, PluginShown } from "./host.ts";
import { lostJobs, readBooks, reopenedJobs } from "./kill-check.ts";
import { Load } from "./kill-load.ts";
import { Witnesses } from "./witnesses.ts";

/** One fault: what was measured, and what it may be at most. */
export interface CrashRow {
  fault: string;
  measured: string;
  figure: number;
  unit: string;
  limit: number;
  /** Promises that were broken, as sentences. */
  broken: string[];
}

const JOBS_PER_SECOND = 50;
const JOB_MS = 20;
const STARTUP = "3s"; // The others wait so long for a plugin that does not start.
const GONE_MS = 2_000;
const LOOK_EVERY_MS = 20_000; // The host tells of the last minute.

/** Plugins by name: the mode of odd.ts, and what is added to its words. */
export type Cast = Readonly<Record<string, readonly [mode: string, more?: string]>>;

export class CrashScene implements AsyncDisposable {
  readonly witnesses: Witnesses;
  readonly #stop = new AbortController();
  #load: Load | null = null;
  #loading: Promise<unknown> = Promise.resolve();
  #hostPid = 0;
  #worstP99Ms = 0;

  constructor(cast: Cast) {
    this.witnesses = new Witnesses({
      python: false,
      children: false,
      others: Object.keys(cast),
      plugins: `startup = "${STARTUP}"\n`,
    });
    for (const [name, [mode, more]] of Object.entries(cast))
      writeOdd(join(this.place.home, "plugins"), name, mode, more);
  }

  get place(): Place {
    return this.witnesses.place;
  }

  get hostPid(): number {
    return this.#hostPid;
  }

  /** Starts the host, and the work that must not be disturbed. Gives how long it took until jobs ran. */
  async start(): Promise<number> {
    const from = performance.now();
    await this.place.start();
    await this.place.working();
    const tookMs = performance.now() - from;
    this.#hostPid = this.place.host.pid;
    const options = { random: seededRandom(1), handlers: ["witness.work"], jobMs: JOB_MS };
    this.#load = new Load(this.place, { ...options, jobsPerSecond: JOBS_PER_SECOND });
    this.#loading = Promise.all([this.#load.run(this.#stop.signal), this.#watchLoop()]);
    return tookMs;
  }

  /** Enqueues a job that asks an odd plugin for something. */
  async ask(plugin: string, word: string, more: object = {}): Promise<string> {
    const input = { handler: `${plugin}.do`, payload: word, ...more };
    return (await this.place.call<{ id: string }>("job.enqueue", input)).id;
  }

  show(id: string): Promise<JobShown> {
    return this.place.call<JobShown>("job.show", { id });
  }

  /** The same, for the first attempt alone; gives the job's id once the plugin has it. */
  async askOnce(plugin: string, word: string, more: object = {}): Promise<string> {
    const id = await this.ask(plugin, `once ${word}`, more);
    const mark = join(this.place.home, "plugins-data", plugin, `once-${id}`); // Before that, it could do it again.
    await this.place.until(`${plugin} to have ${id}`, async () => existsSync(mark));
    return id;
  }

  /** The plugin once it is ready, in a process other than `notPid`. */
  ready(name: string, notPid = 0): Promise<PluginShown> {
    return this.place.until(`plugin ${name} to be ready`, async () => {
      const plugin = await this.place.plugin(name);
      return plugin.state === "ready" && plugin.pid !== notPid && plugin;
    });
  }

  /** Ends everything, and says what was broken meanwhile, and how late the event loop was. */
  async end(): Promise<CrashRow> {
    this.#stop.abort();
    await this.#loading;
    const acknowledged = this.#load?.acknowledged() ?? [];
    for (const id of acknowledged) await this.place.ended(id);
    await this.#lookAtLoop();
    const broken = this.place.host.pid === this.#hostPid ? [] : ["the host is another process"];
    const names = new Set(this.witnesses.lines().map(({ pid }) => pid));
    if (names.size !== 1) broken.push(`the other plugin had ${names.size} processes`);
    const code = await this.place.host.stop();
    if (code !== 0) broken.push(`the host ended with ${code}`);
    broken.push(...this.#accounts(acknowledged), ...(await this.#leftovers()));
    return {
      fault: `all of these, beside ${acknowledged.length} jobs of another plugin`,
      measured: "lateness of the event loop, p99",
      figure: this.#worstP99Ms,
      unit: "ms",
      limit: 50,
      broken,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.witnesses[Symbol.asyncDispose]();
  }

  #accounts(acknowledged: readonly string[]): string[] {
    const books = readBooks(this.place.home);
    const lines = this.witnesses.lines();
    const starts = Map.groupBy(
      lines.filter(({ what }) => what === "start"),
      ({ id }) => id,
    );
    const twice = acknowledged.filter((id) => starts.get(id)?.length !== 1);
    const open = [...books.jobs.values()].filter((job) => job.finished_at === null);
    return [
      ...(books.integrity === "ok" ? [] : [`integrity: ${books.integrity}`]),
      ...lostJobs(books, acknowledged, lines),
      ...reopenedJobs(books, lines),
      ...twice.map((id) => `job ${id} began ${starts.get(id)?.length ?? 0} times`),
      ...open.map((job) => `job ${job.id} of ${job.handler} has not ended: it is ${job.state}`),
    ];
  }

  async #leftovers(): Promise<string[]> {
    const folder = join(this.place.home, "plugins-data/");
    const until = performance.now() + GONE_MS;
    while (processesIn(folder).length > 0 && performance.now() < until) await Bun.sleep(20);
    return processesIn(folder).map((pid) => {
      process.kill(pid, "SIGKILL");
      return `process ${pid} is left`;
    });
  }

  async #watchLoop(): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    while (!this.#stop.signal.aborted) {
      await this.#lookAtLoop();
      await Promise.race([stopped, Bun.sleep(LOOK_EVERY_MS)]);
    }
  }

  async #lookAtLoop(): Promise<void> {
    const { loop } = await this.place.call<{ loop: { p99Ms: number } }>("host.status");
    this.#worstP99Ms = Math.max(this.#worstP99Ms, loop.p99Ms);
  }
}

/** Waits until it is true. Gives how long that took; throws when it takes a minute. */
export async function timed(place: Place, what: string, isTrue: () => Promise<boolean>): Promise<number> {
  const from = performance.now();
  await place.until(what, isTrue);
  return performance.now() - from;
}

/** By how many megabytes a process was larger at its largest, while something was done, than before. */
export async function peakGrowth(pid: number, work: () => Promise<unknown>): Promise<number> {
  writeFileSync(`/proc/${pid}/clear_refs`, "5"); // The peak is what it has now.
  const before = memoryOf(pid, "VmRSS");
  await work();
  return Math.max(0, memoryOf(pid, "VmHWM") - before) / 1_024;
}

/** In KiB. */
function memoryOf(pid: number, what: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${what}:\\s+(\\d+)`, "m").exec(status)?.[1]);
}

/** Processes that work in a folder, whatever they call themselves. */
export function processesIn(folder: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const isThere = /^\d+$/.test(name) && `${readlinkSync(`/proc/${name}/cwd`)}/`.startsWith(folder);
      return isThere ? [Number(name)] : [];
    } catch {
      return []; // It went while we looked, or is somebody else's.
    }
  });
}
