/**
 * Witnesses: a data folder with two plugins that write down what runs in them, one
 * in TypeScript and one in Python, and the reading of what they wrote. Their word
 * stands beside the host's own, and they do not know each other.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";
import { PYTHON_PATH, writePlugin } from "./python.ts";

/** What a witness wrote about one moment. */
export interface Line {
  what: "born" | "start" | "end";
  plugin: string;
  pid: number;
  /** Milliseconds since 1970. */
  at: number;
  /** Of the job; absent when a plugin was born. */
  id?: string;
  attempt?: number;
  /** Only the one in TypeScript says it. */
  trigger?: string;
  scheduleId?: string;
  occurrence?: string;
  how?: string;
}

export interface WitnessOptions {
  /** Added to the file that enables the two. */
  config?: string;
  /** False: only the one in TypeScript. */
  python?: boolean;
  /** False: the plugins start nothing. */
  children?: boolean;
  /** Names of plugins that are enabled beside them; somebody else writes them. */
  others?: readonly string[];
  /** Added to the section that enables them all. */
  plugins?: string;
}

/** Debian's Python, for hosts that run the scribe. */
export const WITNESS_VARS = { PATH: PYTHON_PATH };

export class Witnesses implements AsyncDisposable {
  readonly place: Place;
  readonly record: string;
  /** The seconds that the plugins' children sleep: nobody else's do so for exactly that long. */
  readonly tag: string;

  constructor(options: WitnessOptions = {}) {
    const { config = "", python = true, children = true, others = [], plugins = "" } = options;
    const names = python ? ["witness", "scribe"] : ["witness"];
    this.place = new Place();
    this.record = join(this.place.home, "record");
    this.tag = `${86_400 + Math.floor(Math.random() * 1e9)}`;
    const sections = names.map(
      (name) => `[${name}]\nrecord = "${this.record}"\nchild = "${children ? this.tag : ""}"\n`,
    );
    const enabled = `[plugin]\nenabled = ${JSON.stringify([...names, ...others])}\nbundled = false\n${plugins}`;
    this.place.write("qntx.toml", [enabled, ...sections, config].join("\n"));
    writePlugin(this.place, "witness.ts");
    if (python) writePlugin(this.place, "scribe.py");
  }

  /** Everything that was written, in the order of writing. A line that a killed process did not finish is no line. */
  lines(): Line[] {
    if (!existsSync(this.record)) return [];
    const complete = readFileSync(this.record, "utf8").split("\n").slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Line);
  }

  /** The line that was looked for, once a witness has written it. */
  wrote(what: string, matches: (line: Line) => boolean, limitMs?: number): Promise<Line> {
    return this.place.until(
      `a witness to write ${what}`,
      async () => this.lines().findLast(matches),
      limitMs,
    );
  }

  /** The start of an attempt of this job in a process other than `notIn`. */
  started(id: string, notIn = 0, limitMs?: number): Promise<Line> {
    const isIt = (line: Line) => line.what === "start" && line.id === id && line.pid !== notIn;
    return this.wrote(`that ${id} starts`, isIt, limitMs);
  }

  /** Lets a job go that holds. */
  release(id: string): void {
    writeFileSync(`${this.record}.${id}`, "");
  }

  /** Pids of the plugins' processes and of their children. */
  processes(): number[] {
    return readdirSync("/proc").flatMap((name) =>
      /^\d+$/.test(name) && this.#isOurs(`/proc/${name}`) ? [Number(name)] : [],
    );
  }

  /** Waits until none of these is left. Returns those that are still there at the end, and ends them. */
  async orphans(pids: readonly number[], limitMs: number): Promise<number[]> {
    const left = () => this.processes().filter((pid) => pids.includes(pid));
    for (const until = performance.now() + limitMs; performance.now() < until; await Bun.sleep(20)) {
      if (left().length === 0) return [];
    }
    const orphans = left();
    for (const pid of orphans) process.kill(pid, "SIGKILL");
    return orphans;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.place[Symbol.asyncDispose]();
    await this.orphans(this.processes(), 2_000);
  }

  #isOurs(path: string): boolean {
    try {
      const words = readFileSync(`${path}/cmdline`, "utf8").split("\0");
      if (/^State:\s+Z/m.test(readFileSync(`${path}/status`, "utf8"))) return false;
      const isChild = words.includes("sleep") && words.includes(this.tag);
      return isChild || words.some((word) => word.startsWith(join(this.place.home, "plugins/")));
    } catch {
      return false; // It went while we looked.
    }
  }
}
