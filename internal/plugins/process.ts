/**
 * PluginProcess: one run of one plugin's program, from spawn until nothing of
 * it is left.
 *
 * It has its own session and process group, its own working folder, an environment
 * of a few allowed names, and what `confinement.ts` says. Its stdin is the lifeline: it stays open
 * as long as the host lives, whatever way the host ends. Its stdout carries the
 * handshake line; everything else that it prints is a log line.
 *
 * Whatever carries this run's marker in its environment belongs to the run,
 * also when it has left the group: it ends with it.
 */
import { formatBytes } from "../base/bytes.ts";
import { type Env, type Millis, sleep } from "../base/env.ts";
import { assert } from "../base/fault.ts";
import type { LogLevel } from "../base/log.ts";
import type { Isolation } from "../plugin/isolation.ts";
import { Confinement, type IsolationSide } from "./confinement.ts";
import { spawnFault } from "./diagnosis.ts";
import type { PluginSource } from "./find.ts";
import { type Leftovers, RUN_VARIABLE } from "./leftovers.ts";
import { KEPT_BYTES_PER_SECOND, readLines } from "./lines.ts";
import { orNothing } from "./patience.ts";
import {
  descendantsOf,
  killAll,
  killUntilNone,
  type ProcessInfo,
  processesWith,
  sessionOf,
  signal,
} from "./proc.ts";

/** How a process ended: a code, or the name of the signal that ended it. */
export interface Exit {
  code: number | null;
  signal: string | null;
  /** What it took too much of, when that was why. */
  excess?: string;
}

/** One line that a plugin printed. */
export interface PrintedLine {
  level: LogLevel;
  text: string;
}

export interface ProcessOptions {
  source: PluginSource;
  /** The port to ask for; 0 lets the plugin choose. */
  port: number;
  /** The data folder: working folders are below it. */
  home: string;
  /** Folder of the Python SDK. */
  pythonPath: string;
  leftovers: Leftovers;
  isolation: IsolationSide;
  onLine(line: PrintedLine): void;
  /** It asked for more than it may have: what became of that, as the end of a sentence. */
  onRefused(what: string): void;
}

export const TERM_GRACE_MS = 3_000; // Between SIGTERM and SIGKILL: time to write a file, not to finish a job.
const LOOK_EVERY_MS = 1_000; // At what it takes: longer than a plugin's usual gasp, and shorter than it takes to fill a machine.
const TELL_AGAIN_MS = 60_000; // A plugin that is refused all the time is told of once a minute.
const OUTPUT_GRACE_MS = 200; // After the end of a process, for its last words to arrive.
const PORT_LINE = /^QNTX_PLUGIN_PORT=(\d{1,5})$/;
const ENVIRONMENT_ALLOWED = /^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR)$/;
const PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin";

/** What a plugin's process may see of our environment. Never LD_PRELOAD, NODE_OPTIONS or BUN_*: they are code. */
export function pluginEnvironment(
  from: NodeJS.ProcessEnv,
  { source, run, pythonPath }: { source: PluginSource; run: string; pythonPath: string },
): Record<string, string> {
  const env: Record<string, string> = { PATH: PATH_DEFAULT };
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && ENVIRONMENT_ALLOWED.test(name)) env[name] = value;
  }
  env["QNTX_PLUGIN_NAME"] = source.name;
  env[RUN_VARIABLE] = run;
  if (source.installed) env["PYTHONDONTWRITEBYTECODE"] = "1"; // Its folder is pinned; what Python keeps there would be a change.
  if (source.kind === "python") Object.assign(env, { PYTHONPATH: pythonPath, PYTHONUNBUFFERED: "1" });
  return env;
}

export class PluginProcess {
  readonly pid: number;
  /** The port that it was asked to listen on; 0 when it chooses. */
  readonly asked: number;
  /** Resolves as soon as the process has ended. */
  readonly exited: Promise<Exit>;
  /** Resolves with the port that the plugin printed; never, when it prints none. */
  readonly announced: Promise<number>;
  readonly #env: Env;
  readonly #leftovers: Leftovers;
  readonly #run: string;
  readonly #confinement: Confinement;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #output: Promise<unknown>;
  readonly #gone: Promise<Exit>;
  #stopping: Promise<Exit> | null = null;
  #excess = "";
  /** How often something that it printed was dropped. */
  #gaps = 0;

  /** Spawns the program. Throws a Fault that says why when it cannot be started. */
  constructor(env: Env, options: ProcessOptions) {
    assert(Bun.isMainThread, "plugins are spawned by the main thread, which lives as long as the host");
    this.#env = env;
    this.#leftovers = options.leftovers;
    this.#run = options.leftovers.newRun();
    this.#confinement = new Confinement({ ...options, run: this.#run });
    this.#child = spawn(options, { run: this.#run, confinement: this.#confinement });
    this.pid = this.#child.pid;
    this.asked = options.port;
    this.#confinement.started();
    options.leftovers.add(this.pid, this.#run);

    const port = Promise.withResolvers<number>();
    this.announced = port.promise;
    const { stdout, stderr } = this.#child;
    const gap = (bytes: number) => {
      this.#gaps += 1;
      options.onLine({ level: "warn", text: gapLine(bytes) });
    };
    const line = (text: string, otherwise: LogLevel) =>
      options.onLine({ level: levelOf(text, otherwise), text });
    const announce = (text: string) => {
      const match = PORT_LINE.exec(text);
      if (match) port.resolve(Number(match[1]));
      else line(text, "info");
    };
    this.#output = Promise.all([
      readLines(env, stdout, { line: announce, gap }),
      readLines(env, stderr, { line: (text) => line(text, "debug"), gap }),
    ]);
    this.exited = this.#child.exited.then(() => {
      const { exitCode: code, signalCode } = this.#child;
      const excess = this.#excess || (signalCode === "SIGKILL" ? this.#confinement.endedFor() : "");
      return { code, signal: signalCode === null ? null : String(signalCode), ...(excess && { excess }) };
    });
    if (this.#confinement.isWatched) void this.#watch(options);
    this.#gone = this.exited.then((exit) => this.#sweep(exit));
  }

  /** What it is held to. */
  get isolation(): Isolation {
    return this.#confinement.told;
  }

  /** Resolves when the process and all that it left behind are gone and its last words have been read. */
  get gone(): Promise<Exit> {
    return this.#gone;
  }

  /** Ends it: closes the lifeline, SIGTERM to the group, after `graceMs` SIGKILL. Safe to call twice. */
  stop(graceMs: Millis = TERM_GRACE_MS): Promise<Exit> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  /** Ends it at once. */
  kill(): Promise<Exit> {
    const family = descendantsOf(this.pid);
    signal(-this.pid, "SIGKILL"); // First: one that waits for its children would end well when they are gone.
    killAll(family);
    return this.#gone;
  }

  async #stop(graceMs: Millis): Promise<Exit> {
    // Those that left the group are found through their parents only as long as these live.
    const family = descendantsOf(this.pid);
    await Promise.resolve(this.#child.stdin.end()).catch(() => {}); // It may have closed its end first.
    if (this.#child.exitCode === null && this.#child.signalCode === null) signal(-this.pid, "SIGTERM");
    await orNothing(this.#env, graceMs, this.exited);
    if (this.#child.exitCode === null && this.#child.signalCode === null) signal(-this.pid, "SIGKILL");
    const exit = await this.#gone;
    killAll(family);
    return exit;
  }

  /** Ends what outlived the process: the rest of its group, and those that carry its marker. */
  async #sweep(exit: Exit): Promise<Exit> {
    signal(-this.pid, "SIGKILL");
    await killUntilNone(this.#env, () => [...familyOf(this.pid, this.#run), ...this.#confinement.members()]);
    this.#confinement.end();
    this.#leftovers.remove(this.pid);
    await orNothing(this.#env, OUTPUT_GRACE_MS, this.#output);
    return exit;
  }

  /** Looks at what it takes, as long as it lives. */
  async #watch({ onRefused }: ProcessOptions): Promise<void> {
    const over = new AbortController();
    void this.exited.then(() => over.abort());
    const told = new Map<string, Told>();
    while (!over.signal.aborted) {
      await sleep(this.#env, LOOK_EVERY_MS, over.signal);
      this.#tellRefusals(told, onRefused);
      if (over.signal.aborted) return;
      this.#excess = this.#confinement.excess(this.pid);
      if (this.#excess === "") continue;
      onRefused(`was ended, because ${this.#excess}`);
      return void this.kill();
    }
  }

  #tellRefusals(told: Map<string, Told>, onRefused: (what: string) => void): void {
    const now = this.#env.mono();
    const gaps = this.#gaps > 0 ? [{ text: TOO_MUCH, count: this.#gaps }] : [];
    for (const { text, count } of [...this.#confinement.refusals(), ...gaps]) {
      const last = told.get(text);
      if (last && (last.count === count || now - last.at < TELL_AGAIN_MS)) continue;
      told.set(text, { at: now, count });
      onRefused(text);
    }
  }
}

const TOO_MUCH = `printed more than ${formatBytes(KEPT_BYTES_PER_SECOND)} a second, and what was too much was not kept`;

/** Stands in the log where lines do not. */
function gapLine(bytes: number): string {
  const why = `more than ${formatBytes(KEPT_BYTES_PER_SECOND)} a second was printed`;
  return `Something is missing here: ${formatBytes(bytes)} were not kept, because ${why}.`;
}

/** What was said of refusals, and when. */
interface Told {
  at: Millis;
  count: number;
}

/** Those of a dead process's session, and those that carry its run's marker. */
function familyOf(pid: number, run: string): ProcessInfo[] {
  return [...sessionOf(pid), ...processesWith(RUN_VARIABLE, run)];
}

/** `exit code 1`, `signal SIGKILL`: how an end is told. */
export function exitText({ code, signal: name, excess }: Exit): string {
  const how = name ? `signal ${name}` : `exit code ${code}`;
  return excess ? `${how}, because ${excess}` : how;
}

function spawn(
  { source, port, pythonPath }: ProcessOptions,
  { run, confinement }: { run: string; confinement: Confinement },
): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  const { words, cwd, user, cgroup, vars } = confinement;
  try {
    return Bun.spawn([...words, ...source.argv, "--port", String(port), ...source.args], {
      cwd,
      env: { ...pluginEnvironment(process.env, { source, run, pythonPath }), ...vars },
      detached: true,
      ...(user && { uid: user.uid, gid: user.gid }),
      ...(cgroup !== null && { cgroup }),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
  } catch (error) {
    confinement.end();
    throw spawnFault(source, error);
  }
}

/** As QNTX does: a JSON line may say its level itself. */
function levelOf(text: string, otherwise: LogLevel): LogLevel {
  if (!text.startsWith("{")) return otherwise;
  const level = /"level"\s*:\s*"(\w+)"/.exec(text)?.[1]?.toLowerCase();
  if (level === "debug" || level === "info" || level === "warn" || level === "error") return level;
  return level === "warning" ? "warn" : otherwise;
}
