/** Scene: what the parts of the simulation see of each other. */
import type { Millis } from "../../internal/base/env.ts";
import type { Attempt } from "../../internal/pulse/executor.ts";
import type { AttemptRecord, Attempts } from "./attempts.ts";
import type { BackfillOracle } from "./backfill-oracle.ts";
import type { BlackoutOracle } from "./blackout-oracle.ts";
import type { BudgetOracle } from "./budget-oracle.ts";
import type { CheckpointOracle } from "./checkpoint-oracle.ts";
import type { ClockOracle } from "./clock-oracle.ts";
import type { Course, Task } from "./course.ts";
import type { Dice } from "./dice.ts";
import type { SimHost } from "./host.ts";
import type { JobOracle } from "./job-oracle.ts";
import type { FlowOracle } from "./flow-oracle.ts";
import type { LimitOracle } from "./limit-oracle.ts";
import type { LockServer } from "./locks.ts";
import type { Mutant } from "./mutant.ts";
import type { SimProcess } from "./plugin-process.ts";
import type { ScheduleOracle } from "./schedule-oracle.ts";
import type { Swarm } from "./swarm.ts";
import type { UniqueOracle } from "./unique-oracle.ts";
import type { World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly swarm: Swarm;
  readonly dice: Record<"faults" | "plugins" | "client" | "people" | "locks" | "budgets", Dice>;
  readonly attempts: Attempts;
  readonly jobs: JobOracle;
  readonly schedules: ScheduleOracle;
  readonly backfills: BackfillOracle;
  readonly blackouts: BlackoutOracle;
  readonly budgets: BudgetOracle;
  readonly checkpoints: CheckpointOracle;
  readonly flows: FlowOracle;
  readonly limits: LimitOracle;
  readonly uniques: UniqueOracle;
  readonly clock: ClockOracle;
  /** What is broken, if anything is. */
  readonly mutant: Mutant | null;
  /** Null where the store keeps the locks of occurrences. */
  readonly locks: LockServer | null;
  /** True in the last minutes: nothing goes wrong any more. */
  readonly calm: boolean;
  /** The host that can be called now; null while it is down or on its way out. */
  readonly host: SimHost | null;
  /** Does something again and again until times are calm, `meanMs` apart on average, while there is a host; null: never. */
  every(meanMs: Millis | null, dice: Dice, label: string, work: () => void): void;
  /** Does something as soon as there is a host: now, mostly. */
  whenUp(work: () => void): void;
  /** Sets the wall clock, forward or back. */
  setClock(by: Millis): void;
  /** Reads what was committed, so that the oracles know it. */
  look(): void;
  /** A plugin begins an attempt. */
  attemptStarts(process: SimProcess, attempt: Attempt, dying: boolean): AttemptRecord;
  courseOf(task: Task): Course;
  isDeaf(): boolean;
  /** Everything of a host is gone, its plugins too. */
  hostDied(): void;
  /** A host has ended in order: it holds nothing any more. */
  hostStopped(host: SimHost, failure: string | null): void;
}
