/**
 * Worker: claims queued jobs for which a plugin of this node has a free slot, runs
 * them, and records how each one ended.
 *
 * The store asks it at the end of every transaction what there is room for, so that
 * what an enqueue or a schedule has made begins with its commit, and what a settlement
 * makes room for as well. Its own rounds settle what has ended, and have the store ask
 * where nothing else is written; it is woken for that by whoever makes work and by jobs
 * that end, and a slow poll is only the safety net. Stopped in two steps: `stop` claims
 * nothing more, `abort` cancels what runs and gives it back unspent.
 */
import { type Cancel, type Env, type Millis, sleep, turn } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import type { Service, StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { HeldJob } from "../job/job.ts";
import { handlerOfLane, laneOf } from "../job/lane.ts";
import { type Outcome, type Settlement, settle } from "../job/outcome.ts";
import type { Budget } from "../plugin/budget.ts";
import type { LimitStore } from "../store/limits.ts";
import type { Claimer, JobStore, LaneRequest, ProgressUpdate } from "../store/jobs.ts";
import type { LogStore } from "../store/logs.ts";
import { guardResult, runBudget, RunningAttempt } from "./attempt.ts";
import type { JobLogLine } from "./executor.ts";
import type { Lane, Registry } from "./registry.ts";
import { Slots } from "./slots.ts";
import { Trouble } from "./trouble.ts";

export interface WorkerOptions {
  env: Env;
  log: Log;
  jobs: JobStore;
  logs: LogStore;
  limits: Pick<LimitStore, "get">;
  registry: Registry;
  bootId: string;
  /** Jobs at once over all plugins. */
  jobsMax: number;
  /** Of a run, where neither the job nor its handler says. */
  budget: Budget;
  /** Told when a job went back with a time to wait for. */
  onDelayed: () => void;
  /** Told when runs of schedules have ended: the next ones may wait for it. */
  onRunEnd: () => void;
}

const POLL_MS = 1_000; // The safety net under the wake-ups.
const LANES_LOOKED_AT_MAX = 2_000; // A millisecond. Where jobs wait for more handlers, most of which nobody has, those that are there are asked.
const PROGRESS_MS = 250; // Progress is for eyes: four times a second is enough, however often a job says it.
const RATE_STEP_MIN_MS = 5; // Tries that may start a millisecond apart share a claim.
const SETTLE_DELAY_MS = 20; // Others begin sooner, and an end is written late by no more than anybody sees.
const SETTLE_JOBS_MAX = 256; // Some milliseconds for one transaction, and what runs again should the host die.
const TROUBLE_PAUSE_MS = 1_000; // After a write that failed: a full disk is not helped by trying faster.
const LAST_TRIES_MAX = 5; // At the end, to write how jobs ended; then the next start finds out that they were interrupted.

const CANCELLED_UNSTARTED: Outcome = { kind: "cancelled", message: "cancelled before it started" };

export class Worker implements Service, Claimer {
  readonly name = "worker";
  readonly #options: WorkerOptions;
  readonly #slots: Slots;
  readonly #running = new Map<string, RunningAttempt>();
  /** Lanes that are not known to be empty. */
  readonly #hot = new Set<string>();
  readonly #progress = new Map<string, ProgressUpdate>();
  #flushAsked = false;
  #settlements: Settlement[] = [];
  #wake = new AbortController();
  /** Lanes that are looked at again when their rate allows it. */
  readonly #rated = new Set<string>();
  readonly #stopped = new AbortController();
  /** When the store has asked last. */
  #askedAt: Millis = 0;
  #stopping = false;
  /** True when runs of schedules are among what is settled next. */
  #runsEnded = false;
  #aborting = false;
  readonly #writing: Trouble;
  #polledAt: Millis;
  /** When the first of those ended that are not settled. */
  #endedAt: Millis = 0;
  /** True when somebody has made work since the last round. */
  #nudged = false;
  #deadlineTimer: { at: Millis; cancel: Cancel } | null = null;
  #run: PromiseWithResolvers<void> | null = null;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#slots = new Slots(options.jobsMax);
    this.#writing = new Trouble(options.log);
    this.#polledAt = options.env.mono();
  }

  /** Says that these lanes may have work; without a list, that any may. */
  nudge(lanes?: Iterable<string>): void {
    this.#warm(lanes ?? [...this.#options.registry.lanes()].map(({ name }) => name));
    this.#wake.abort();
  }

  /** Cancels a job that this boot holds. False when it is not known to. */
  cancel(jobId: string): boolean {
    const attempt = this.#running.get(jobId);
    attempt?.cancel("cancelled", this.#options.env.mono());
    this.#armDeadline();
    if (attempt) return true;
    const waiting = this.#slots.withdraw(jobId);
    if (waiting) this.#record(waiting, CANCELLED_UNSTARTED);
    return waiting !== undefined;
  }

  get bootId(): string {
    return this.#options.bootId;
  }

  wishes(lanes: Iterable<string>): LaneRequest[] {
    if (this.#stopping) return [];
    this.#askedAt = this.#options.env.now();
    this.#warm(lanes);
    return this.#slots.wishes(this.#hotLanes());
  }

  /** Begins what was claimed in order of priority, suspects last: beside them nothing may start. */
  claimed(jobs: readonly HeldJob[], wishes: readonly LaneRequest[]): void {
    this.#cool(wishes, jobs);
    const work = jobs.toSorted((a, b) => a.priority - b.priority); // Each lane's are in order already.
    for (const job of work) if (!job.suspect) this.#begin(job);
    for (const job of work) if (job.suspect) this.#begin(job);
    // What was wished for one lane, and not there, may be had by another: nobody else may write for a second.
    if (this.#slots.wishes(this.#hotLanes()).length > 0) this.#wake.abort();
  }

  /** Jobs of a plugin that run here. */
  running(plugin: string): number {
    return this.#slots.running(plugin);
  }

  /** Resolves when the present run has ended; null when none is under way. */
  get ended(): Promise<void> | null {
    return this.#run?.promise ?? null;
  }

  /** Works until `stop`, then returns once every job it holds is settled. */
  async run({ stop, abort }: StopSignals): Promise<void> {
    const onStop = () => this.#stop();
    const onAbort = () => this.#cancelAll();
    stop.addEventListener("abort", onStop, { once: true });
    abort.addEventListener("abort", onAbort, { once: true });
    this.#run = Promise.withResolvers();
    this.#options.jobs.serve(this);
    if (stop.aborted) onStop();
    if (abort.aborted) onAbort();
    try {
      while (!this.#stopping || this.#running.size > 0 || this.#settlements.length > 0) {
        this.#wake = new AbortController(); // Before looking, so that no wake-up is lost.
        const worked = await this.#round();
        if (!worked) await this.#rest();
      }
      await this.#flushProgress();
    } finally {
      this.#options.jobs.serve(null);
      stop.removeEventListener("abort", onStop);
      abort.removeEventListener("abort", onAbort);
      this.#deadlineTimer?.cancel();
      this.#run.resolve();
      this.#run = null;
    }
  }

  /** Settles once, and has the store ask. True when there was anything to do. */
  async #round(): Promise<boolean> {
    const { jobs } = this.#options;
    await this.#poll();
    const wishes = !this.#stopping && this.#slots.wishes(this.#hotLanes()).length > 0;
    const { settlements, runsEnded } = this.#takeSettlements(wishes && this.#nudged);
    this.#nudged = false;
    if (settlements.length === 0 && !wishes) return false;
    // In this order: what a job said last is written while the job is still its own.
    if (settlements.length > 0) void this.#flushProgress();
    const [settled, offered] = await Promise.allSettled([
      settlements.length > 0 ? jobs.settle(settlements) : Promise.resolve([]),
      wishes ? jobs.offer() : Promise.resolve(),
    ]);
    if (settled.status === "fulfilled") {
      this.#settled(settlements, settled.value);
      if (runsEnded) this.#options.onRunEnd();
    } else {
      this.#settlements.push(...settlements); // Tried again.
      this.#runsEnded ||= runsEnded;
    }
    // One may have been written without the other: only what failed is done again.
    const failed = [settled, offered].find((write) => write.status === "rejected");
    if (failed) await this.#trouble(failed.reason);
    else this.#writing.over("jobs are settled and claimed again");
    return true;
  }

  /** What has ended. It waits a moment while others are made that can begin: a thousand are due in one second. */
  #takeSettlements(others: boolean): { settlements: Settlement[]; runsEnded: boolean } {
    const [settlements, runsEnded] = [this.#settlements, this.#runsEnded];
    const waitedMs = this.#options.env.mono() - this.#endedAt;
    if (others && settlements.length < SETTLE_JOBS_MAX && waitedMs < SETTLE_DELAY_MS)
      return { settlements: [], runsEnded: false };
    this.#settlements = [];
    this.#runsEnded = false;
    return { settlements, runsEnded };
  }

  async #trouble(error: unknown): Promise<void> {
    const times = this.#writing.failed("jobs could not be settled or claimed; trying again", error);
    if (this.#aborting && times >= LAST_TRIES_MAX) this.#giveUp(error);
    else await sleep(this.#options.env, TROUBLE_PAUSE_MS);
  }

  /** A disk that stays full must not keep the host from ending. */
  #giveUp(error: unknown): void {
    const jobs = this.#settlements.length;
    this.#settlements = [];
    this.#options.log.error("how jobs ended could not be written; they run again at the next start", {
      jobs,
      error: messageOf(error),
    });
  }

  #settled(settlements: readonly Settlement[], kept: readonly boolean[]): void {
    this.#warnLate(settlements, kept);
    if (settlements.some(({ state }) => state === "retrying" || state === "scheduled"))
      this.#options.onDelayed();
  }

  /** A lane that has a rate and gave less than was asked for may only have to wait. */
  async #wakeAtRate({ name }: Lane): Promise<void> {
    const { env, limits, log } = this.#options;
    if (this.#rated.has(name)) return;
    const askedAt = this.#askedAt;
    this.#rated.add(name);
    try {
      const opensAt = (await limits.get(handlerOfLane(name)))?.opensAt ?? 0;
      // Not after now: while the claim was written, the next may have become free.
      if (opensAt <= askedAt) return;
      // Not longer than a poll: what was read while the clock was set may lie an hour ahead, and is mended by the next claim.
      const waitMs = Math.min(POLL_MS, Math.max(RATE_STEP_MIN_MS, opensAt - env.now()));
      await sleep(env, waitMs, this.#stopped.signal);
      this.nudge([name]);
    } catch (error) {
      log.warn("a rate could not be read; it is looked at again within a second", {
        error: messageOf(error),
      });
    } finally {
      this.#rated.delete(name);
    }
  }

  /** The safety net under the wake-ups, also for a worker that is never idle. */
  async #poll(): Promise<void> {
    const { env, jobs, registry } = this.#options;
    const mono = env.mono();
    if (mono - this.#polledAt < POLL_MS) return;
    this.#polledAt = mono;
    const all = () => [...registry.lanes()].map(({ name }) => name);
    const lanes = await jobs.lanesQueued(LANES_LOOKED_AT_MAX).catch(all); // Who cannot look may try: what is wrong is said by the claim.
    for (const lane of lanes ?? all()) if (registry.lane(lane)) this.#hot.add(lane);
  }

  #hotLanes(): Lane[] {
    return [...this.#hot].flatMap((name) => this.#options.registry.lane(name) ?? []);
  }

  /** These lanes may have jobs that can begin. */
  #warm(lanes: Iterable<string>): void {
    for (const lane of lanes) {
      this.#nudged = true;
      if (this.#options.registry.lane(lane)) this.#hot.add(lane); // Others are looked at when a plugin brings them.
    }
  }

  /** A lane that gave all that was asked for may have more; one that gave less is empty until somebody says otherwise. */
  #cool(wishes: readonly LaneRequest[], jobs: readonly HeldJob[]): void {
    const counts = new Map<string, number>();
    for (const job of jobs) {
      const lane = laneOf(job);
      counts.set(lane, (counts.get(lane) ?? 0) + 1);
    }
    for (const { lane, limit } of wishes) {
      this.#hot.delete(lane);
      if ((counts.get(lane) ?? 0) >= limit) this.#hot.add(lane);
      else this.#mayWait(lane);
    }
  }

  #mayWait(name: string): void {
    const lane = this.#options.registry.lane(name);
    if (lane?.options.rate) void this.#wakeAtRate(lane);
  }

  #begin(job: HeldJob): void {
    const lane = this.#options.registry.lane(laneOf(job));
    if (!lane || this.#stopping) this.#record(job, { kind: "returned" });
    else if (this.#slots.take(job, lane)) this.#start(job, lane);
  }

  #start(job: HeldJob, lane: Lane): void {
    const { env } = this.#options;
    const budget = runBudget(job, lane.options, this.#options.budget);
    const attempt = new RunningAttempt({
      job,
      lane,
      budget,
      startedAt: env.mono(),
      onProgress: (running, progress) => this.#note(running, { progress }),
      onCheckpoint: (running, checkpoint) => this.#note(running, { checkpoint }),
      onLog: (running, lines) => this.#noteLog(running, lines),
    });
    this.#running.set(job.id, attempt);
    this.#armDeadline(attempt.deadline);
    void lane.executor.execute(attempt).then(
      (outcome) => this.#end(attempt, outcome),
      (error: unknown) => this.#end(attempt, brokenExecutor(error)),
    );
  }

  #end(attempt: RunningAttempt, outcome: Outcome): void {
    if (!attempt.end()) return;
    this.#running.delete(attempt.job.id);
    if (outcome.kind === "disowned") this.#disown(attempt.lane);
    this.#record(attempt.job, guardResult(outcome), attempt.lane);
    this.#slots.give(attempt.lane);
    this.#beginWaiting(attempt.lane.executor.plugin);
    this.#wake.abort();
  }

  /** Asked again at once, the plugin would say the same again: its jobs would spin. */
  #disown(lane: Lane): void {
    const { log, registry } = this.#options;
    const { plugin } = lane.executor;
    log.warn("a plugin does not know a handler that it announced", { plugin, handler: lane.options.name });
    registry.disown(lane);
  }

  /** One suspect begins when its plugin is idle; when the plugin is gone, all of them go back. */
  #beginWaiting(plugin: string): void {
    for (let job = this.#slots.nextWaiting(plugin); job; job = this.#slots.nextWaiting(plugin))
      this.#begin(job);
  }

  /** Without a lane, nobody ran it. */
  #record(job: HeldJob, outcome: Outcome, lane?: Lane): void {
    const { env } = this.#options;
    // Changed, not copied, once for each job: it is ours.
    job.pluginVersion = lane?.executor.version ?? null;
    job.pluginDigest = lane?.executor.digest ?? null;
    job.retry ??= lane?.options.retry ?? null;
    const settlement = settle(job, outcome, { now: env.now(), random: env.random() });
    if (this.#settlements.length === 0) this.#endedAt = env.mono();
    this.#settlements.push(settlement);
    this.#runsEnded ||= job.scheduleId !== null;
    this.#wake.abort();
  }

  #warnLate(settlements: readonly Settlement[], kept: readonly boolean[]): void {
    settlements.forEach(({ id, fence }, index) => {
      if (kept[index] === false)
        this.#options.log.warn("a late result was refused: the job is no longer ours", { job: id, fence });
    });
  }

  /** Waits for a wake-up; then one turn more, so that what ends together is settled together. */
  async #rest(): Promise<void> {
    const { env } = this.#options;
    await sleep(env, POLL_MS, this.#wake.signal);
    await turn(env);
  }

  #stop(): void {
    this.#stopping = true;
    this.#stopped.abort();
    for (const job of this.#slots.drainWaiting()) this.#record(job, { kind: "returned" });
    this.#wake.abort();
  }

  #cancelAll(): void {
    this.#aborting = true;
    for (const attempt of this.#running.values()) attempt.cancel("shutdown", this.#options.env.mono());
    this.#armDeadline();
  }

  /** One timer for all deadlines: the earliest. */
  #armDeadline(deadline?: Millis): void {
    const { env } = this.#options;
    const earliest = deadline ?? Math.min(...[...this.#running.values()].map((attempt) => attempt.deadline));
    if (!Number.isFinite(earliest)) return;
    if (this.#deadlineTimer && this.#deadlineTimer.at <= earliest) return;
    this.#deadlineTimer?.cancel();
    const cancel = env.after(earliest - env.mono(), () => this.#checkDeadlines());
    this.#deadlineTimer = { at: earliest, cancel };
  }

  #checkDeadlines(): void {
    this.#deadlineTimer = null;
    const mono = this.#options.env.mono();
    for (const attempt of this.#running.values()) {
      const outcome = attempt.overdue(mono);
      if (!outcome) continue;
      this.#options.log.warn("a plugin ignored a cancellation and is replaced", {
        plugin: attempt.lane.executor.plugin,
        job: attempt.job.id,
      });
      this.#end(attempt, outcome);
      attempt.lane.executor.replace(
        `job ${attempt.job.id} of ${attempt.job.handler} ignored its cancellation`,
      );
    }
    this.#armDeadline();
  }

  #note({ job }: RunningAttempt, said: Pick<ProgressUpdate, "progress" | "checkpoint">): void {
    this.#flushWithin(PROGRESS_MS);
    const before = this.#progress.get(job.id);
    const same = before?.fence === job.fence ? before : undefined;
    this.#progress.set(job.id, { ...same, id: job.id, fence: job.fence, ...said });
  }

  /** One timer, however often it is asked for: on a full disk each try that failed would leave one. */
  #flushWithin(delayMs: Millis): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#options.env.after(delayMs, () => {
      this.#flushAsked = false;
      void this.#flushProgress();
    });
  }

  async #flushProgress(): Promise<void> {
    const updates = [...this.#progress.values()];
    this.#progress.clear();
    if (updates.length === 0) return;
    try {
      await this.#options.jobs.progress(updates);
    } catch (error) {
      this.#options.log.warn("progress could not be written; trying again", { error: messageOf(error) });
      this.#keepProgress(updates);
    }
  }

  /** What could not be written is newer than nothing, and older than what was said meanwhile. */
  #keepProgress(updates: readonly ProgressUpdate[]): void {
    if (this.#aborting || this.#run === null) return;
    for (const update of updates) {
      const since = this.#progress.get(update.id);
      if (!since || since.fence === update.fence) this.#progress.set(update.id, { ...update, ...since });
    }
    this.#flushWithin(TROUBLE_PAUSE_MS);
  }

  #noteLog({ job, lane }: RunningAttempt, lines: readonly JobLogLine[]): void {
    const said = lines.map((line) => ({ ...line, attempt: job.attempt }));
    this.#options.logs.append(job.id, said, lane.executor.logBytesMax);
  }
}

/** An executor promised never to reject. When one does, the job must not hang because of our mistake. */
function brokenExecutor(error: unknown): Outcome {
  return {
    kind: "failed",
    message: messageOf(error),
    errorKind: "internal",
    permanent: false,
    retryAfterMs: 0,
    cost: 0,
  };
}
