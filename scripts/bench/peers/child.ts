/** Child: one measurement of one peer, in a process of its own that has so much time and memory. */
import { readFileSync } from "node:fs";
import { installed } from "./install.ts";
import type { Peer } from "./list.ts";
import { startPlace } from "./place.ts";

const LIMIT_MS = 60_000;
const MEMORY_MAX_MIB = 2_048; // The hungriest of them takes a fourth of it for 100,000 jobs.
const LOOK_MS = 250;
const REASON_CHARS_MAX = 120;

/** What `adapters/measure.mjs` gives for each word. */
interface Measures {
  drain: { batch: number; drain: number; ran: number };
  add: { add: number };
  latency: { latencies: number[] };
}

/** Measures a peer in an empty place. Throws in one line why it cannot be. */
export async function measured<K extends keyof Measures>(
  peer: Peer,
  measure: K,
  count: number,
): Promise<Measures[K]> {
  try {
    const folder = installed(peer);
    await using place = await startPlace(peer.place);
    return await measuredIn(folder, peer, { measure, place: place.where, count });
  } catch (error) {
    throw new Error(reason(error), { cause: error });
  }
}

/** Measures in the folder in which the adapter and the packages are. */
export async function measuredIn<K extends keyof Measures>(
  folder: string,
  { runtime, adapter }: Pick<Peer, "runtime" | "adapter">,
  { measure, place, count }: { measure: K; place: object; count: number },
): Promise<Measures[K]> {
  const words = ["measure.mjs", adapter, measure, JSON.stringify({ place, count })];
  return JSON.parse(await output([runtime === "bun" ? process.execPath : runtime, ...words], folder));
}

async function output(argv: readonly string[], cwd: string): Promise<string> {
  const child = Bun.spawn([...argv], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: cwd, NODE_ENV: "production" },
    stdio: ["pipe", "pipe", "pipe"], // It ends when its input does, which is when we do.
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  const watch = setInterval(() => residentMiB(child.pid) > MEMORY_MAX_MIB && child.kill("SIGKILL"), LOOK_MS);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  clearInterval(watch);
  if (code === 0 && stdout !== "") return stdout;
  if (child.signalCode) throw new Error(`it took more than ${LIMIT_MS / 1_000} s or ${MEMORY_MAX_MIB} MiB`);
  throw new Error(stderr);
}

/** What is resident of a process; nothing when it has just ended. */
function residentMiB(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kib) / 1_024;
  } catch {
    return 0;
  }
}

/** The line that says what was wrong, fit for a table. */
export function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const [, sentence = lines[0] ?? "it said nothing"] = /^.*?error: (.+?)(?:\.(?: .*)?)?$/im.exec(text) ?? [];
  return sentence.replaceAll("|", "\\|").slice(0, REASON_CHARS_MAX).trim();
}
