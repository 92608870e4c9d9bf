/**
 * SimProcess: one process of a plugin, from its start to its end, as its host sees
 * it. The proxy and the wires are the real ones; behind them lie a line and a program
 * of the world. It works out by itself how each attempt ends, from what was said and
 * what befell it, and tells the oracle.
 */
import { status } from "@grpc/grpc-js";
import { usualQuota } from "../../internal/access/quota.ts";
import type { Env } from "../../internal/base/env.ts";
import type { Log } from "../../internal/base/log.ts";
import { Redactor } from "../../internal/base/redactor.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import type { Connection } from "../../internal/plugins/connection.ts";
import { type DeathCause, PluginProxy } from "../../internal/plugins/proxy.ts";
import { answersHealth, Width } from "../../internal/plugins/width.ts";
import type { Attempt, CancelReason, Executor } from "../../internal/pulse/executor.ts";
import { type AttemptRecord, endingOfCancel, failure } from "./attempts.ts";
import { type Character, CONCURRENCY_UNTOLD } from "./characters.ts";
import { type Task, taskOf } from "./course.ts";
import { type ExecuteJobRequest, type HostMessage, type JobFinish, type JobProblem, Line } from "./line.ts";
import { type Mouth, Program } from "./program.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

export interface ProcessOptions {
  scene: Scene;
  character: Character;
  host: Owner;
  env: Env;
  log: Log;
  /** True while the host ends: whoever goes now was told to. */
  isRetired(): boolean;
  /** Its process is gone. */
  left(process: SimProcess, cause: DeathCause): void;
}

interface Held {
  attempt: Attempt;
  record: AttemptRecord;
  /** Set when its line broke under it. `alone`: it was the only one. */
  cut: { alone: boolean } | null;
}

const KILL_MS: [number, number] = [1, 30]; // From SIGKILL until the end is seen.
const CUT_MS: [number, number] = [250, 900];
const HEALTH_MS = 5_000;

export class SimProcess implements Executor {
  readonly plugin: string;
  readonly version = "1";
  /** Jobs at once, at the most. */
  readonly most: number;
  readonly #options: ProcessOptions;
  readonly #proxy: PluginProxy;
  readonly #line: Line;
  readonly #program: Program;
  readonly #held = new Map<string, Held>();
  /** Of unary calls, the task. */
  readonly #calls = new Map<number, Task>();
  #alive = true;
  #dying = false;
  #interrupted = false;

  constructor(options: ProcessOptions) {
    const { scene, character, host, env, log } = options;
    this.#options = options;
    this.plugin = character.name;
    this.most = character.concurrency ?? CONCURRENCY_UNTOLD;
    const isInOrder = character.concurrency === null;
    this.#program = new Program(scene, host, {
      isInOrder,
      mouth: this.#mouth(),
      die: () => this.die("crashed"),
    });
    this.#line = new Line(scene, host, {
      take: (message) => this.#program.alive && this.#take(message),
      execute: (request, call) => this.#program.alive && this.#execute(request, call),
      callOff: (call) => this.#callOff(call),
      isBusy: () => this.#program.isBusy,
    });
    this.#proxy = new PluginProxy({
      env,
      log,
      redactor: new Redactor(),
      plugin: this.plugin,
      version: this.version,
      digest: null,
      quota: () => usualQuota("trusted"),
      concurrency: this.most,
      replace: () => {},
      broke: () => this.#kill("crashed"),
      handlersChanged: () => {},
      enqueue: () => Promise.reject(new Error("Plugins of the simulation enqueue nothing by their stream.")),
    });
  }

  /** Opens the way of its jobs. */
  async open(): Promise<void> {
    const { env, character } = this.#options;
    const connection = this.#line as unknown as Connection; // As much of one as the proxy needs.
    if (character.wire === "stream") return this.#proxy.openStream(connection);
    const ask = () => answersHealth(connection, HEALTH_MS);
    const isTold = character.concurrency !== null;
    this.#proxy.useUnary(connection, isTold ? null : new Width(env, { jobsMax: CONCURRENCY_UNTOLD, ask }));
  }

  get concurrency(): number {
    return this.#proxy.concurrency;
  }

  get disowns(): boolean {
    return this.#program.disowns;
  }

  execute(attempt: Attempt): Promise<Outcome> {
    const { job, signal } = attempt;
    if (!this.#alive || attempt.cancelled !== null) return this.#proxy.execute(attempt);
    const record = this.#options.scene.attemptStarts(this, attempt, this.#dying);
    const held: Held = { attempt, record, cut: null };
    this.#held.set(job.id, held);
    signal.addEventListener("abort", () => this.#aborted(held), { once: true });
    return this.#proxy.execute(attempt).then((outcome) => {
      if (this.#held.get(job.id) === held) this.#held.delete(job.id);
      this.#cutNoticed(held);
      this.#options.scene.attempts.end(record, null);
      return outcome;
    });
  }

  replace(): void {
    this.#options.scene.world.note(`replace ${this.plugin}`);
    this.#kill("replaced");
  }

  /** Its line breaks. A stream is not opened again: the process goes with it. */
  cut(): void {
    const { scene, character } = this.#options;
    scene.world.note(`the line of ${this.plugin} is cut with ${this.#held.size}`);
    scene.world.trouble(CUT_MS[1]);
    const alone = this.#held.size === 1;
    if (character.wire === "unary")
      for (const held of this.#held.values()) if (!held.record.outcome) held.cut = { alone };
    this.#line.cut(scene.dice.faults.between(...CUT_MS));
  }

  /** Its host waits a moment and looks whether the line is still broken: only then, which may be long after if it slept, an attempt that was not told to end meanwhile ends by the cut. */
  #cutNoticed({ record, cut }: Held): void {
    if (cut && record.running)
      this.#ends(record, this.#line.isConnected ? failure() : lost(cut.alone, "cut"));
  }

  /** From now on it does not know one of its handlers. */
  disown(handler: string): void {
    this.#options.scene.world.note(`${this.plugin} disowns ${handler}`);
    this.#program.disown(handler);
  }

  /** No more jobs come. */
  drain(): void {
    this.#proxy.drain();
  }

  /** It stops now: whatever it answers, its jobs go back. */
  interrupt(): void {
    this.#interrupted = true;
    this.#proxy.interrupt();
  }

  idle(): Promise<void> {
    return this.#proxy.idle();
  }

  /** Its process ends: the registry forgets it, then everything in it is lost. */
  die(cause: DeathCause): void {
    if (!this.#alive) return;
    this.#alive = false;
    const { isRetired, left, scene } = this.#options;
    const why = cause === "crashed" && isRetired() ? "stopped" : cause;
    scene.world.note(`${this.plugin} ${why} with ${this.#held.size}`);
    this.#program.end();
    left(this, why);
    const alone = why === "crashed" && this.#held.size === 1;
    const ending: Outcome = why === "stopped" ? { kind: "returned" } : lost(alone, why);
    for (const { record } of this.#held.values()) this.#ends(record, ending);
    this.#proxy.died(why, `plugin ${this.plugin} ${why}`);
    this.#line.end();
  }

  #kill(cause: DeathCause): void {
    const { scene, host } = this.#options;
    this.#dying = true;
    scene.world.trouble(KILL_MS[1]);
    scene.world.later(scene.dice.plugins.between(...KILL_MS), "plugin killed", () => this.die(cause), host);
  }

  #aborted({ attempt, record }: Held): void {
    const { world } = this.#options.scene;
    const reason = attempt.cancelled as CancelReason; // That is why.
    if (!record.running || record.outcome) return;
    record.abortedAt = world.time;
    record.reason = reason;
    // A call that is called off is over, whatever its plugin goes on doing.
    if (this.#options.character.wire === "unary") record.outcome = endingOfCancel(reason);
  }

  /** How an attempt ends when this is the first thing that ends it. */
  #ends(record: AttemptRecord, outcome: Outcome): void {
    if (record.reason) record.outcome ??= endingOfCancel(record.reason);
    else record.outcome ??= this.#interrupted ? { kind: "returned" } : outcome;
    record.heardAt ??= this.#options.scene.world.wall();
  }

  /** What the host hears of an attempt; nothing, when that is over. */
  #heard({ jobId, fence }: Task): AttemptRecord | undefined {
    const record = this.#held.get(jobId)?.record;
    return this.#alive && record?.fence === fence && record.running ? record : undefined;
  }

  #take({ starts, cancels, drain }: HostMessage): void {
    for (const { jobId, handler, fence, payload, checkpoint } of starts) {
      this.#options.scene.checkpoints.given({ jobId, fence }, checkpoint.toString());
      this.#program.start(taskOf({ jobId, handler, fence }, payload));
    }
    for (const { jobId, fence } of cancels) this.#program.cancel(jobId, fence);
    if (drain && !this.#program.hasTasks) this.#line.hangUp();
  }

  #execute({ jobId, handlerName: handler, payload }: ExecuteJobRequest, call: number): void {
    const fence = this.#held.get(jobId)?.record.fence ?? 0; // What its message has no field for.
    const task = taskOf({ jobId, handler, fence }, payload);
    this.#calls.set(call, task);
    this.#program.start(task);
  }

  #callOff(call: number): void {
    const task = this.#calls.get(call);
    if (task) this.#program.cancel(task.jobId, task.fence);
  }

  #mouth(): Mouth {
    const { character } = this.#options;
    const isStream = character.wire === "stream";
    return {
      talk: (task, part) => isStream && this.#talk(task, part),
      answer: (task, outcome) => (isStream ? this.#finish(task, outcome) : this.#answer(task, outcome)),
    };
  }

  #talk(task: Task, part: number): void {
    const { jobId, fence } = task;
    const { scene } = this.#options;
    const key = { jobId, fence };
    const checkpoint = scene.checkpoints.name(key, part);
    this.#line.say(
      {
        progress: [{ ...key, current: fence, total: 100, message: `of ${jobId}` }],
        logs: [{ ...key, at: 0, level: "info", message: `fence ${fence}`, stage: "", fields: "" }],
        checkpoints: part % 2 === 0 ? [] : [{ ...key, checkpoint: Buffer.from(checkpoint) }],
      },
      () => part % 2 === 1 && this.#heard(task) && scene.checkpoints.saved(key, checkpoint),
    );
  }

  #finish(task: Task, outcome: Outcome): void {
    const { scene } = this.#options;
    const finish = finishOf(task, outcome);
    this.#line.say({ finishes: [finish] }, () => {
      const record = this.#heard(task);
      if (record) this.#ends(record, outcome);
      scene.mutant?.finish?.(finish, this.#held.get(task.jobId)?.record.fence);
    });
  }

  /** As much of an outcome as QNTX's message can carry. */
  #answer(task: Task, said: Outcome): void {
    const call = [...this.#calls].find(([, each]) => each === task)?.[0];
    if (call === undefined) return;
    this.#calls.delete(call);
    const outcome = unaryOf(said);
    this.#line.answer(call, answerOf(outcome), () => {
      const record = this.#heard(task);
      if (record) this.#ends(record, outcome);
    });
  }
}

function lost(alone: boolean, message: string): Outcome {
  return { kind: "lost", alone, message };
}

function finishOf({ jobId, fence }: Task, outcome: Outcome): JobFinish {
  const done = outcome.kind === "completed" ? outcome : null;
  return {
    jobId,
    fence,
    success: done !== null,
    result: Buffer.from(done?.result ?? []),
    error: errorOf(outcome),
    cost: done?.cost ?? 0,
  };
}

function errorOf(outcome: Outcome): JobProblem | undefined {
  const error = { message: "", kind: "", permanent: false, retryAfterMs: 0, stack: "", snooze: false };
  switch (outcome.kind) {
    case "failed": {
      const { message, errorKind: kind, permanent, retryAfterMs } = outcome;
      return { ...error, message, kind, permanent, retryAfterMs };
    }
    case "snoozed":
      return { ...error, snooze: true, retryAfterMs: outcome.delayMs };
    case "disowned":
      return { ...error, kind: "unknown-handler" };
    default:
      return undefined;
  }
}

function unaryOf(outcome: Outcome): Outcome {
  return outcome.kind === "failed" || outcome.kind === "snoozed" ? failure({ errorKind: "error" }) : outcome;
}

function answerOf(outcome: Outcome) {
  if (outcome.kind === "disowned") return { ok: false as const, code: status.NOT_FOUND, details: "unknown" };
  const done = outcome.kind === "completed" ? outcome : null;
  const value = {
    success: done !== null,
    error: outcome.kind === "failed" ? outcome.message : "",
    result: Buffer.from(done?.result ?? []),
    progressCurrent: 1,
    progressTotal: 2,
    costActual: done?.cost ?? 0,
    logEntries: [] as [],
    pluginVersion: "1",
  };
  return { ok: true as const, value };
}
