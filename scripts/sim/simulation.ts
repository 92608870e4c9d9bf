/**
 * Simulation: one seed from its first event to the last check. The real core runs
 * in a world of its own; faults come for some minutes, then times are calm, and
 * everything that was promised must come true.
 */
import { drainMicrotasks } from "bun:jsc";
import type { Database } from "bun:sqlite";
import type { Millis } from "../../internal/base/env.ts";
import { isFinished, JOB_SNOOZES_MAX } from "../../internal/job/job.ts";
import type { Attempt } from "../../internal/pulse/executor.ts";
import { type AttemptRecord, Attempts } from "./attempts.ts";
import type { OccurrenceOutcome } from "../../internal/schedule/schedule.ts";
import { BackfillOracle } from "./backfill-oracle.ts";
import { BlackoutOracle } from "./blackout-oracle.ts";
import { BudgetOracle } from "./budget-oracle.ts";
import { Client } from "./client.ts";
import { CheckpointOracle } from "./checkpoint-oracle.ts";
import { ClockOracle } from "./clock-oracle.ts";
import { type Course, drawCourse, type Task, taskOf } from "./course.ts";
import { openWorldDatabase } from "./database.ts";
import { Dice } from "./dice.ts";
import { complaintAboutTime } from "./ending-oracle.ts";
import { startFaults } from "./faults.ts";
import { FlowOracle } from "./flow-oracle.ts";
import { SimHost } from "./host.ts";
import { JobOracle } from "./job-oracle.ts";
import { type Change, type EventRecord, type JobRecord, Journal } from "./journal.ts";
import { LimitOracle } from "./limit-oracle.ts";
import { LockServer } from "./locks.ts";
import type { Mutant } from "./mutant.ts";
import { ObjectiveOracle } from "./objective-oracle.ts";
import { Operator } from "./operator.ts";
import { People } from "./people.ts";
import type { SimProcess } from "./plugin-process.ts";
import { SLEEPY } from "./orders.ts";
import { PruneOracle } from "./prune-oracle.ts";
import type { Scene } from "./scene.ts";
import { ScheduleOracle } from "./schedule-oracle.ts";
import { checkStart } from "./start-oracle.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";
import { Treasurer } from "./treasurer.ts";
import { UniqueOracle } from "./unique-oracle.ts";
import { verifyWorld } from "./verify-judge.ts";
import { WakeOracle } from "./wake-oracle.ts";
import { type Violation, World } from "./world.ts";

/** How a seed went. */
export interface Result {
  seed: number;
  violations: readonly Violation[];
  hash: string;
  trace: readonly string[];
  jobs: number;
  attempts: number;
  occurrences: number;
  /** What became of occurrences. */
  outcomes: ReadonlySet<OccurrenceOutcome>;
  hosts: number;
  /** Virtual time. */
  ms: number;
}

const STREAMS = ["faults", "plugins", "client", "people", "locks", "budgets"] as const; // Of chance: who draws more changes nothing for others.
const HOUR = 3_600_000;
const JUST_NOW_MS = 10_000;
const SNOOZES_LEFT = 10;
const CALM_MS = 30_000;
const PATIENCE_MS = 900_000; // After this, what is not done will never be.
const VERIFY_MS = 15_000; // Now and then somebody looks.
const END_MS = 45_000; // For the last host to end in order.

/** Runs one seed. With a mutant something in the core is broken, and the result should say so. */
export function simulate(
  seed: number,
  {
    mutant = null,
    onTrace = null,
  }: { mutant?: Mutant | null; onTrace?: ((line: string) => void) | null } = {},
): Result {
  return new Simulation(seed, mutant, onTrace).run();
}

class Simulation implements Scene {
  readonly world: World;
  readonly swarm: Swarm;
  readonly dice: Scene["dice"];
  readonly attempts = new Attempts();
  readonly jobs: JobOracle;
  readonly schedules: ScheduleOracle;
  readonly objectives: ObjectiveOracle;
  readonly backfills: BackfillOracle;
  readonly blackouts: BlackoutOracle;
  readonly budgets: BudgetOracle;
  readonly checkpoints: CheckpointOracle;
  readonly flows: FlowOracle;
  readonly limits: LimitOracle;
  readonly uniques: UniqueOracle;
  readonly prunes: PruneOracle;
  readonly clock: ClockOracle;
  readonly mutant: Mutant | null;
  readonly locks: LockServer | null;
  readonly #seed: number;
  readonly #db: Database;
  readonly #journal: Journal;
  readonly #wakes = new WakeOracle(this);
  readonly #operator = new Operator(this);
  readonly #treasurer = new Treasurer(this);
  #host: SimHost | null = null;
  #hosts = 0;
  readonly #allHosts: SimHost[] = [];
  #calm = false;
  #ending = false;
  #chaosEnds: number;
  /** What goes on when a host is up again: nobody acts for days while there is none. */
  readonly #waiting: (() => void)[] = [];

  constructor(seed: number, mutant: Mutant | null, onTrace: ((line: string) => void) | null) {
    const dice = (stream: string) => new Dice(seed, stream);
    this.#seed = seed;
    this.mutant = mutant;
    this.dice = Object.fromEntries(STREAMS.map((stream) => [stream, dice(stream)])) as Scene["dice"];
    this.swarm = drawSwarm(dice("swarm"));
    this.#chaosEnds = this.swarm.chaosMs;
    this.world = new World(this.swarm.startAt);
    this.world.driftBy(this.swarm.drift);
    this.world.onTrace = onTrace;
    this.#db = openWorldDatabase();
    mutant?.database?.(this.#db);
    this.#journal = new Journal(this.#db);
    this.checkpoints = new CheckpointOracle({ world: this.world, mayFail: this.swarm.throwInside > 0 });
    this.budgets = new BudgetOracle(this.world);
    this.flows = new FlowOracle(this.world);
    this.limits = new LimitOracle(this.world);
    this.uniques = new UniqueOracle(this.world);
    this.prunes = new PruneOracle({
      world: this.world,
      flows: this.flows,
      uniques: this.uniques,
      find: (id) => this.jobs.find(id),
      isThere: (id) => this.jobs.jobs.has(id),
    });
    this.jobs = new JobOracle({
      world: this.world,
      flows: this.flows,
      followers: [
        this.checkpoints,
        this.flows,
        this.limits,
        this.budgets,
        this.uniques,
        this.prunes,
        this.#wakes,
      ],
      attempts: this.attempts,
      isAlive: (bootId) => this.#isAlive(bootId),
      bootNow: () => this.#host?.pulse.bootId,
      isDeleted: (scheduleId) => this.schedules.schedules.get(scheduleId)?.state === "deleted",
      overlapOf: (scheduleId) => this.schedules.overlapOf(scheduleId),
    });
    this.objectives = new ObjectiveOracle(this.world);
    this.backfills = new BackfillOracle(this.world);
    this.blackouts = new BlackoutOracle(this.world);
    this.clock = new ClockOracle(this.world);
    this.locks = this.swarm.locks === "server" ? new LockServer(this) : null;
    const { world, jobs, objectives, locks } = this;
    const onMove = (key: string) => this.clock.moved(key, this.#host);
    this.schedules = new ScheduleOracle({ world, jobs, objectives, locks, onMove });
    this.attempts.onEnd = (record) => this.#checkTime(record);
    this.world.onTurn = () => this.#turn();
    this.world.note(JSON.stringify(this.swarm));
  }

  get calm(): boolean {
    return this.#calm;
  }

  get host(): SimHost | null {
    return this.#host && this.#host.alive && !this.#host.isStopping ? this.#host : null;
  }

  run(): Result {
    this.#boot();
    new Client(this).start();
    this.#operator.start();
    this.#treasurer.start();
    new People(this).start();
    this.locks?.start();
    startFaults(this, () => this.#host);
    this.every(VERIFY_MS, this.dice.people, "somebody verifies", () => this.#verify());
    while (this.world.time < this.#chaosEnds && this.world.violations.length === 0)
      this.world.runUntil(this.#chaosEnds); // A long outage moves the end.
    this.world.later(0, "calm", () => this.#calmDown()); // What it sets off belongs to this instant.
    this.world.runUntil(this.world.time + CALM_MS);
    const patience = this.world.time + PATIENCE_MS; // After much trouble there is much to do.
    while (this.#isBehind() && this.world.time < patience && this.world.violations.length === 0)
      this.world.runUntil(this.world.time + CALM_MS);
    if (this.world.violations.length === 0) this.#checkEnd();
    this.#ending = true;
    this.host?.stop(null);
    this.world.runUntil(this.world.time + END_MS);
    if (this.#host && this.world.violations.length === 0)
      this.world.violate("I8", "the last host did not end");
    const { violations, hash, trace, time } = this.world;
    for (const host of this.#allHosts) host.dispose();
    drainMicrotasks();
    this.#journal.close();
    this.#db.close();
    return {
      seed: this.#seed,
      violations,
      hash,
      trace,
      jobs: this.jobs.jobs.size,
      attempts: this.attempts.count,
      occurrences: this.schedules.occurrences,
      outcomes: this.schedules.outcomes,
      hosts: this.#hosts,
      ms: time,
    };
  }

  setClock(by: Millis): void {
    this.world.setClock(by);
    this.limits.clockSet();
    this.budgets.clockSet();
    this.clock.set(by, this.#host);
  }

  look(): void {
    const changes = this.#journal.take();
    for (const { change, text } of changes) {
      this.world.note(text);
      this.#tell(change);
    }
    if (changes.length > 0) this.jobs.endBatch();
  }

  attemptStarts(process: SimProcess, attempt: Attempt, dying: boolean): AttemptRecord {
    this.look();
    const { job } = attempt;
    const record: AttemptRecord = {
      jobId: job.id,
      fence: job.fence,
      token: taskOf({ jobId: job.id, handler: job.handler, fence: job.fence }, job.payload).token,
      plugin: process.plugin,
      handler: job.handler,
      suspect: job.suspect,
      startedAt: this.world.time,
      abortedAt: null,
      reason: null,
      outcome: null,
      heardAt: null,
      running: true,
    };
    this.world.note(`${process.plugin} starts ${job.id} (${record.token}) with fence ${job.fence}`);
    if (this.#host) checkStart(this, this.#host, { record, process, dying });
    this.attempts.start(record);
    return record;
  }

  courseOf(task: Task): Course {
    const { slowShare: slow, failShare: fail } = this.swarm;
    return drawCourse(this.dice.plugins, task, this.#calm ? { slow: 0, fail: 0 } : { slow, fail });
  }

  isDeaf(): boolean {
    return !this.#calm && this.dice.plugins.chance(this.swarm.deafShare);
  }

  #checkTime(record: AttemptRecord): void {
    const { time, troubleAt } = this.world;
    const about = { now: time, steady: troubleAt < record.startedAt };
    const complaint = complaintAboutTime(record, this.jobs.find(record.jobId), about);
    if (complaint !== null) this.world.violate("promise 5", `${record.jobId}: ${complaint}`);
  }

  hostDied(): void {
    const frozenUntil = this.#host?.frozenUntil ?? 0;
    const { bootId } = this.#host?.pulse ?? { bootId: "" };
    this.checkpoints.hostDied(bootId, this.world.time - frozenUntil < JUST_NOW_MS);
    for (const record of this.attempts.running) this.attempts.end(record, null);
  }

  hostStopped({ pulse, number, gaveUp }: SimHost, failure: string | null): void {
    this.look();
    if (failure !== null || gaveUp) return;
    const held = [...this.jobs.jobs.values()].filter(({ bootId }) => bootId === pulse.bootId);
    for (const { id, token } of held)
      this.world.violate("promise 7", `host ${number} has ended in order and still holds ${id} (${token})`);
  }

  #turn(): void {
    this.look();
    this.schedules.checkTurn();
    this.objectives.checkTurn();
    this.backfills.checkTurn();
    this.blackouts.checkTurn(() => this.schedules.policies());
    this.jobs.checkCancels(this.#host?.frozenUntil ?? 0);
    if (!this.#ending) this.#wakes.checkTurn();
  }

  #tell(change: Change): void {
    switch (change.kind) {
      case "job made":
        this.jobs.made(change.row);
        if (change.row.token.startsWith(SLEEPY)) this.#tire(change.row.id);
        return this.#tellOfRun(change.row, true);
      case "job changed":
        this.jobs.changed(change.row);
        return this.#tellOfRun(change.row, false);
      case "job removed":
        this.backfills.removed(this.jobs.find(change.row.id));
        return this.jobs.removed(change.row.id);
      case "schedule made":
      case "schedule changed":
        return this.schedules.schedule(change.row);
      case "runs made":
      case "runs changed":
        return this.schedules.ran(change.row);
      case "cursor made":
      case "cursor changed":
        return this.schedules.cursor(change.row);
      case "occurrence made":
        return this.schedules.occurrence(change.row);
      case "occurrence changed":
        return this.schedules.changed(change.row);
      case "occurrence removed":
        return this.schedules.removed(change.row);
      case "blackout made":
      case "blackout changed":
        return this.blackouts.changed(change.row, true);
      case "blackout removed":
        return this.blackouts.changed(change.row, false);
      case "limit made":
      case "limit changed":
        return this.limits.limit(change.row);
      case "limit removed":
        return;
      case "budget made":
      case "budget changed":
        return this.budgets.budget(change.row, true);
      case "budget removed":
        return this.budgets.budget(change.row, false);
      case "pause made":
      case "pause changed":
        return this.limits.pause(change.row.handler, true);
      case "pause removed":
        return this.limits.pause(change.row.handler, false);
      case "event made":
        return this.#tellOfEvent(change.row);
      case "event removed":
        return;
      default:
        return this.objectives.miss(change.kind, change.row);
    }
  }

  /** A job has asked for another run many times before. */
  #tire(id: string): void {
    const snoozed = JOB_SNOOZES_MAX - SNOOZES_LEFT;
    this.#db.run("UPDATE job SET snoozed = ? WHERE id = ? AND fence = 0", [snoozed, id]);
  }

  #tellOfRun(job: JobRecord, isNew: boolean): void {
    if (job.trigger === "backfill") this.backfills.job(job);
    if (job.trigger !== "schedule") return;
    if (isNew) this.schedules.job(job);
    if (isFinished(job.state)) this.schedules.runEnded(job);
    this.objectives.changed(job, this.schedules.definitionOf(job.scheduleId ?? ""));
  }

  #tellOfEvent(event: EventRecord): void {
    this.objectives.event(event);
    if (event.kind === "schedule.repaired")
      this.world.violate("verify", `repaired without need: ${event.message}`);
  }

  #boot(): void {
    this.#hosts += 1;
    this.world.note(`host ${this.#hosts} starts`);
    this.flows.hostStarts();
    this.#checkTokens();
    const host = new SimHost({
      scene: this,
      db: this.#db,
      jobsMax: this.swarm.jobsMax,
      mutant: this.mutant,
      number: this.#hosts,
      seed: this.#seed,
      onEnd: (ended) => this.#ended(ended),
    });
    this.#host = host;
    this.#allHosts.push(host);
    for (const work of this.#waiting.splice(0)) work();
  }

  #ended(host: SimHost): void {
    this.look();
    if (this.#host !== host) return;
    this.#host = null;
    if (this.#ending) return;
    this.world.later(this.#outage(), "boot", () => this.#boot());
  }

  #outage(): number {
    const { faults } = this.dice;
    if (this.#calm || !faults.chance(this.swarm.longOutages)) return faults.between(50, 5_000);
    const ms = faults.pick([2 * 60_000, HOUR, 26 * HOUR, 72 * HOUR]) + faults.between(0, 60_000);
    this.#chaosEnds += ms;
    return ms;
  }

  /** What was acknowledged must be in the database itself, whatever the journal says. */
  #checkTokens(): void {
    const sql =
      "SELECT json_extract(CAST(payload AS TEXT), '$.token') AS token FROM job WHERE trigger = 'enqueue'";
    const rows = this.#db.query<{ token: string }, []>(sql).all();
    this.jobs.checkPromised(new Set(rows.map(({ token }) => token)));
  }

  every(meanMs: number | null, dice: Dice, label: string, work: () => void): void {
    if (meanMs === null) return;
    const next = () => void this.world.later(dice.wait(meanMs), label, again);
    const again = () => {
      if (this.#calm) return;
      if (!this.#host) return this.whenUp(next);
      work();
      next();
    };
    next();
  }

  whenUp(work: () => void): void {
    if (this.#host) work();
    else this.#waiting.push(work);
  }

  /** From here on nothing goes wrong, and the clock is right. */
  #calmDown(): void {
    this.world.note("times are calm");
    this.#calm = true;
    this.world.driftBy(0);
    this.setClock(this.swarm.startAt - this.world.wallOffset);
    for (const process of this.#host?.plugins.processes ?? []) if (process.disowns) process.die("crashed");
    this.#host?.plugins.bringLast();
    this.#operator.release();
    this.#treasurer.release();
  }

  #checkEnd(): void {
    this.look();
    this.#checkTokens();
    for (const overdue of this.schedules.overdue()) this.world.violate("I5", `${overdue}, and nobody came`);
    for (const key of this.schedules.stranded())
      this.world.violate("I5", `${key} waits for a run that has ended`);
    for (const { id, token, lane, state } of this.#stuck()) {
      const since = (this.world.time - (this.jobs.changedAt.get(id) ?? 0)) / 1_000;
      this.world.violate("I1", `${id} (${token}, ${lane}) has been ${state} for ${since} s`);
    }
    this.mutant?.atEnd?.(this.#db);
    if (this.host) verifyWorld(this.world, this.host.store, { calm: true });
    else this.world.violate("I8", "times are calm, and no host runs");
  }

  #verify(): void {
    if (!this.host) return;
    verifyWorld(this.world, this.host.store, { calm: false });
    this.#checkBudgets(this.host);
  }

  /** What people are told of budgets is why their jobs wait. */
  #checkBudgets({ store }: SimHost): void {
    this.look();
    void store.budgets.all().then(
      (budgets) => this.budgets.checkSaid(budgets),
      () => {}, // The disk failed.
    );
    drainMicrotasks();
  }

  #isBehind(): boolean {
    const { schedules, host } = this; // A host that was frozen while it stopped ends late.
    return (
      !host || this.#stuck().length > 0 || schedules.overdue().length > 0 || schedules.stranded().length > 0
    );
  }

  /** Jobs that are open without a reason: their handler is there, their time has come, and not just now. */
  #stuck(): JobRecord[] {
    const { time } = this.world;
    return [...this.jobs.jobs.values()].filter((job) => {
      if (isFinished(job.state) || time - (this.jobs.changedAt.get(job.id) ?? 0) < JUST_NOW_MS) return false;
      const longAgo = this.world.wall() - JUST_NOW_MS;
      if (job.fence === 0 && job.expiresAt !== null && job.expiresAt < longAgo) return true;
      if (job.state === "paused" && job.trigger === "backfill") return false; // Its line is looked at whenever it moves.
      if (job.state === "scheduled" || job.state === "retrying")
        return job.runAt < longAgo && !this.flows.waitsStill(job.id);
      if (job.state !== "queued") return true;
      return this.#host?.pulse.registry.lane(job.lane) !== undefined && this.budgets.maySoonStart(job.lane);
    });
  }

  #isAlive(bootId: string): boolean {
    return this.#host !== null && this.#host.alive && this.#host.pulse.bootId === bootId;
  }
}
