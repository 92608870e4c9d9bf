/**
 * Supervisor: keeps one plugin running, as long as somebody wants it to.
 *
 * A plugin that ends by itself is started again, after a pause that doubles;
 * one that keeps ending is quarantined until a person restarts it. Only its end,
 * a process that was stopped (state T), and an attempt that ignores its
 * cancellation replace a process. A late answer to Health does not: a plugin
 * that computes is busy, not dead.
 */
import { join } from "node:path";
import type { PluginEndpoint } from "../access/principal.ts";
import { formatDuration } from "../base/duration.ts";
import { type Millis, sleep } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { aborted } from "../base/lifecycle.ts";
import { NOT_ISOLATED } from "../plugin/isolation.ts";
import type { HandlerOptions, PluginKind, PluginState, PluginStatus } from "../plugin/plugin.ts";
import { configProblems } from "../plugin/config-field.ts";
import { type About, askAbout, NOTHING_SAID } from "./about.ts";
import type { PluginSource } from "./find.ts";
import type { Announcement } from "./guard.ts";
import { LineRing } from "./lines.ts";
import { LogFile } from "./log-file.ts";
import { type HostSide, openSession, type SessionEvents } from "./open.ts";
import { orNothing } from "./patience.ts";
import type { PluginProcess, PrintedLine } from "./process.ts";
import type { Session } from "./session.ts";
import { staysStopped, watchHealth } from "./watch.ts";

/** What a supervisor tells those who keep all plugins. */
export interface SupervisorEvents {
  /** It is ready: its handlers can be registered. */
  joined(supervisor: Supervisor): void;
  /** It offers other handlers than before. */
  handlersChanged(supervisor: Supervisor): void;
  /** Its process is gone. */
  left(supervisor: Supervisor): void;
  changed(status: PluginStatus): void;
  /** It is not started again until somebody has done something, and `reason` says why. */
  gaveUp(plugin: string, reason: string): void;
  line(plugin: string, line: PrintedLine): void;
}

export interface SupervisorOptions {
  /** Whose it is; absent or empty for the host's own. */
  tenant?: string;
  /** Asked at each start: a new build is found, and a file that others could change is refused. */
  find: () => PluginSource | Promise<PluginSource>;
  events: SupervisorEvents;
}

const RING_LINES = 200; // As many as QNTX keeps.
const STATUS_LINES = 20; // Of these, what a screen shows without being asked.
const HOST_MARK = "── "; // Before a line that the host wrote into the plugin's log.
const START_MARK = `${HOST_MARK}started with pid `;
const DEATH_NOTICE_MS: Millis = 200;

export class Supervisor {
  readonly name: string;
  /** Whose it is; empty for the host's own. */
  readonly tenant: string;
  readonly #host: HostSide;
  readonly #find: () => PluginSource | Promise<PluginSource>;
  readonly #events: SupervisorEvents;
  readonly #ring = new LineRing(RING_LINES);
  readonly #file: LogFile;
  #life: { stop: AbortController; done: Promise<void>; settled: PromiseWithResolvers<void> } | null = null;
  #session: Session | null = null;
  #process: PluginProcess | null = null;
  /** Why we ended the present process; empty while we have not. */
  #replacing = "";
  /** True once the host is ending. */
  #retired = false;
  #broke = "";
  #state: PluginState = "stopped";
  #reason = "";
  #startsAgain = false;
  #kind: PluginKind = "executable";
  #handlers: readonly HandlerOptions[] = [];
  #about: Promise<About> = Promise.resolve(NOTHING_SAID);
  #endpoints: readonly PluginEndpoint[] = [];
  /** What the present process said over its stream, which is newer than what it announced. */
  #news: readonly HandlerOptions[] | null = null;
  #conflicts: readonly string[] = [];
  #conflictReason = "";
  #starts = 0;
  #startedAt: Millis | null = null;
  #crashes: Millis[] = [];
  #failuresInRow = 0;

  constructor(host: HostSide, name: string, about: SupervisorOptions) {
    this.#host = host;
    this.name = name;
    this.tenant = about.tenant ?? "";
    this.#find = about.find;
    this.#events = about.events;
    this.#file = new LogFile(host.env, join(host.home, "logs", `${name}.log`));
  }

  /** The session that can run jobs, while there is one. */
  get session(): Session | null {
    return this.#session;
  }

  /** What it offers, or offered last. */
  get handlers(): readonly HandlerOptions[] {
    return this.#handlers;
  }

  /** Its HTTP routes, or those that it had last. */
  get endpoints(): readonly PluginEndpoint[] {
    return this.#endpoints;
  }

  /** What it said about itself, while it is ready. */
  get announcement(): Announcement | null {
    return this.#session?.announcement ?? null;
  }

  /** What it says of its configuration and its glyphs; nothing while it is not ready. */
  get about(): Promise<About> {
    return this.#session ? this.#about : Promise.resolve(NOTHING_SAID);
  }

  /** The newest lines that it printed, over all its processes. */
  lines(): string[] {
    return this.#ring.last(RING_LINES);
  }

  /** Of the newest lines, those behind the first `after` that it ever printed, and how many that makes. */
  linesAfter(after: number): { lines: string[]; printed: number } {
    return { lines: this.#ring.after(after), printed: this.#ring.count };
  }

  status(): PluginStatus {
    const inConflict = this.#state === "ready" && this.#conflicts.length > 0;
    return {
      name: this.name,
      tenant: this.tenant,
      kind: this.#kind,
      state: inConflict ? "conflict" : this.#state,
      reason: inConflict ? this.#conflictReason : this.#reason,
      startsAgain: this.#startsAgain,
      pid: this.#process?.pid ?? null,
      version: this.#session?.version ?? "",
      description: this.#session?.description ?? "",
      handlers: this.#handlers.map(({ name }) => name),
      endpoints: this.#endpoints,
      conflicts: this.#conflicts,
      restarts: Math.max(0, this.#starts - 1),
      stream: this.#session?.proxy.isStream ?? false,
      running: this.#session?.proxy.running ?? 0,
      concurrency: this.#session?.proxy.concurrency ?? 0,
      startedAt: this.#startedAt,
      wants: this.#session?.announcement.capabilities ?? [],
      isolation: this.#process?.isolation ?? NOT_ISOLATED,
      provides: this.#session?.announcement.provides ?? [],
      lastLines: this.#ring.last(STATUS_LINES),
    };
  }

  /** Begins to keep it running. Nothing when it does already. */
  start(): void {
    if (this.#life) return;
    const stop = new AbortController();
    const settled = Promise.withResolvers<void>();
    this.#crashes = [];
    this.#failuresInRow = 0;
    this.#life = { stop, settled, done: this.#live(stop.signal).finally(() => settled.resolve()) };
  }

  /** Resolves when the present start has ended one way or the other: ready, failed, or called off. */
  settled(): Promise<void> {
    return this.#life?.settled.promise ?? Promise.resolve();
  }

  /** Says that the others no longer wait for it. */
  markLate(): void {
    if (this.#state === "starting")
      this.#set("late", "It is still starting; its handlers join when it is ready.");
  }

  /** Ends it: no new jobs, a while for those that run, Shutdown, SIGTERM, SIGKILL. Safe to call twice. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (!life) return;
    life.stop.abort();
    await life.done;
    if (this.#life === life) this.#life = null;
  }

  /**
   * Says that the host is ending. A process that goes now was most likely told to by
   * whoever told the host: its jobs pay nothing, and nothing takes its place.
   */
  retire(): void {
    this.#retired = true;
  }

  /** Ends it and starts it again at once; lifts a quarantine. */
  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** Says that it is switched off. Nothing of it runs then. */
  markDisabled(): void {
    this.#set("disabled", `It is switched off. Switch it on with: qntx plugin enable ${this.name}`);
  }

  /** Says which of its handlers another plugin keeps. */
  setConflicts(conflicts: readonly string[], reason: string): void {
    if (conflicts.length === 0 && this.#conflicts.length === 0) return;
    this.#conflicts = conflicts;
    this.#conflictReason = reason;
    this.#events.changed(this.status());
  }

  async #live(stop: AbortSignal): Promise<void> {
    while (!stop.aborted && !this.#retired) {
      const end = await this.#liveOnce(stop);
      if (stop.aborted || this.#retired) break;
      this.#life?.settled.resolve();
      await this.#pause(end, stop);
    }
    this.#set("stopped", "");
  }

  /** Runs one process from start to end. Returns how it ended. */
  async #liveOnce(stop: AbortSignal): Promise<End> {
    this.#replacing = "";
    this.#broke = "";
    this.#news = null;
    this.#starts++;
    this.#set("starting", "");
    try {
      const source = await this.#find();
      this.#kind = source.kind;
      const session = await openSession(this.#host, source, { events: this.#sessionEvents(), stop });
      return await this.#serve(session, stop);
    } catch (error) {
      this.#process = null;
      return { kind: isForPeople(error) ? "refused" : "crashed", reason: faultText(error) };
    }
  }

  async #serve(session: Session, stop: AbortSignal): Promise<End> {
    const readyAt = this.#host.env.mono();
    this.#session = session;
    this.#handlers = this.#news ?? session.announcement.handlers;
    this.#endpoints = session.announcement.endpoints;
    this.#startedAt = this.#host.env.now();
    this.#events.joined(this); // Before it says that it is ready: who waits for that wants its handlers.
    this.#set("ready", "");
    this.#life?.settled.resolve();
    this.#about = this.#ask(session);

    const watch = new AbortController();
    const tell = (trouble: string) => this.#setHealth(trouble);
    const watching = [
      watchHealth(this.#host, session, { until: watch.signal, tell }),
      this.#watchState(session, watch.signal),
    ];
    const how = await Promise.race([session.over, aborted(stop).then(() => null)]);
    watch.abort();
    const end = how === null ? await this.#shutdown(session) : await this.#bury(session, how);
    await Promise.all(watching);
    if (this.#host.env.mono() - readyAt > this.#host.limits.crashWindowMs) this.#failuresInRow = 0;
    return end;
  }

  /** Asks what it says of itself, beside its jobs, and says what of its values it would not have. Never rejects. */
  async #ask(session: Session): Promise<About> {
    const warn = (sentence: string) => {
      if (this.#session === session) this.#warn(`Plugin ${this.name}: ${sentence}.`);
    };
    const { limits, secretsOf } = this.#host;
    const about = await askAbout(session.connection, { plugin: this.name, limitMs: limits.aboutMs, warn });
    const secrets = secretsOf(this.name);
    for (const { says } of configProblems(about.fields, session.config, (key) => secrets.has(key)))
      if (this.#session === session) this.#warn(`[${this.name}] ${says}`);
    return about;
  }

  /** Its process is dead: settle what ran in it, at once, and take it off the registry. */
  async #bury(session: Session, how: string): Promise<End> {
    const replaced = this.#replacing !== "";
    const reason = replaced
      ? `It was replaced: ${this.#replacing}.`
      : `Plugin ${this.name}: ${this.#broke || how}.`;
    const kind = replaced ? "replaced" : this.#retired ? "stopped" : "crashed";
    this.#leave();
    await session.close(kind, reason);
    return { kind, reason };
  }

  async #shutdown(session: Session): Promise<End> {
    const { drainMs } = this.#host.limits;
    const left = session.proxy.running;
    const some = `${left} of its jobs ${left === 1 ? "runs and has" : "run and have"}`;
    this.#set(
      "stopping",
      left === 0 ? "" : `It takes no new jobs; ${some} ${formatDuration(drainMs)} to end.`,
    );
    this.#events.left(this);
    session.proxy.drain();
    const drained = Promise.race([session.proxy.idle(), session.over]);
    await orNothing(this.#host.env, drainMs, drained);
    await session.shutdown(this.#retired ? "shutdown" : "stopped");
    this.#leave();
    return { kind: "stopped", reason: "" };
  }

  #leave(): void {
    this.#session = null;
    this.#process = null;
    this.#startedAt = null;
    this.#events.left(this);
  }

  /** Waits until it may start again: for ever, when only a person can help. */
  async #pause(end: End, stop: AbortSignal): Promise<void> {
    if (end.kind === "replaced") return;
    if (end.kind === "refused") {
      this.#warn(`Plugin ${this.name} does not start: ${end.reason}`);
      return this.#giveUp("failed", end.reason, stop);
    }
    const { env, limits, log } = this.#host;
    const now = env.mono();
    this.#failuresInRow++;
    this.#crashes = [...this.#crashes.filter((at) => at > now - limits.crashWindowMs), now];
    log.warn("plugin ended", { plugin: this.name, reason: end.reason });
    this.#note(end.reason);
    if (this.#crashes.length >= limits.crashesMax) {
      const often = `It has ended ${limits.crashesMax} times in short time and waits for a restart.`;
      return this.#giveUp("quarantined", `${end.reason} ${often}`, stop);
    }
    this.#set("failed", end.reason, true);
    const pauseMs = Math.min(limits.backoffMaxMs, limits.backoffFirstMs * 2 ** (this.#failuresInRow - 1));
    await sleep(env, pauseMs * (0.875 + env.random() / 4), stop);
  }

  #giveUp(state: PluginState, reason: string, stop: AbortSignal): Promise<void> {
    this.#set(state, reason);
    this.#events.gaveUp(this.name, this.#clean(reason));
    return aborted(stop);
  }

  /** Marks it unresponsive while it is not well. That ends nothing: it may be busy. */
  #setHealth(trouble: string): void {
    if (trouble === "" && this.#state === "unresponsive") this.#set("ready", "");
    if (trouble !== "" && this.#state === "ready") this.#set("unresponsive", trouble);
  }

  async #watchState(session: Session, until: AbortSignal): Promise<void> {
    if (!(await staysStopped(this.#host, session, until))) return;
    this.#host.log.warn("plugin is stopped (SIGSTOP) and is killed", { plugin: this.name });
    this.#killProcess();
  }

  #replace(reason: string): void {
    if (this.#replacing !== "") return;
    this.#replacing = reason; // While it is being stopped too: then nobody waits for the rest of its jobs.
    this.#host.log.warn("plugin is replaced", { plugin: this.name, reason });
    this.#killProcess();
  }

  /** The stream of a process that dies ends a moment before its death is known, and then that is the reason. */
  async #endBroken(reason: string): Promise<void> {
    const process = this.#process;
    if (process && (await orNothing(this.#host.env, DEATH_NOTICE_MS, process.exited))) return;
    if (process !== this.#process) return;
    this.#broke = this.#clean(reason);
    this.#killProcess();
  }

  #killProcess(): void {
    if (this.#process) void this.#process.kill();
    else this.#session?.connection.close(); // It runs elsewhere: all that can be replaced is the connection.
  }

  #sessionEvents(): SessionEvents {
    return {
      started: (process) => {
        this.#process = process;
        this.#keepLine({ level: "info", text: `${START_MARK}${process.pid}` });
      },
      line: ({ level, text }) => {
        const line = { level, text: this.#clean(text) };
        this.#keepLine(line);
        this.#session?.proxy.printed(level, line.text);
      },
      lastLines: () => {
        const lines = this.lines();
        const since = lines.slice(lines.findLastIndex((line) => line.startsWith(START_MARK)) + 1);
        return since.filter((line) => !line.startsWith(HOST_MARK));
      },
      warn: (sentence) => this.#warn(sentence),
      replace: (reason) => this.#replace(reason),
      broke: (reason) => void this.#endBroken(reason),
      handlersChanged: (handlers) => {
        this.#news = handlers;
        if (!this.#session) return; // Said while it was opening: it joins with these.
        this.#handlers = handlers;
        this.#events.handlersChanged(this);
      },
    };
  }

  /** Says something about the plugin where people look: in the host's log, and in the plugin's own. */
  #warn(sentence: string): void {
    this.#host.log.warn(sentence, { plugin: this.name });
    this.#note(sentence);
  }

  #note(sentence: string): void {
    this.#keepLine({ level: "warn", text: `${HOST_MARK}${this.#clean(sentence)}` });
  }

  #keepLine(line: PrintedLine): void {
    this.#ring.push(line.text);
    this.#file.line(line.level, line.text);
    this.#events.line(this.name, line);
  }

  /** What a plugin says, or is said of it, without the secrets that it may have. */
  #clean(text: string): string {
    return this.#host.redactor.redact(text);
  }

  #set(state: PluginState, reason: string, startsAgain = false): void {
    this.#state = state;
    this.#reason = this.#clean(reason);
    this.#startsAgain = startsAgain;
    this.#events.changed(this.status());
  }
}

/** How one process of the plugin came to its end. */
interface End {
  /** `refused`: trying again cannot help until a person has done something. */
  kind: "crashed" | "replaced" | "refused" | "stopped";
  reason: string;
}

function isForPeople(error: unknown): boolean {
  return error instanceof Fault && ["not-found", "denied", "config", "usage"].includes(error.code);
}

function faultText(error: unknown): string {
  const hint = error instanceof Fault && error.hint ? ` ${error.hint}` : "";
  return `${messageOf(error)}${hint}`;
}
