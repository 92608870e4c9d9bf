/**
 * Prune oracle: a job is removed when it has ended and is older, or one of more, than
 * somebody wants to keep; and never while others need it: its children, its parent, or
 * whoever must not be made because of its key.
 */
import type { Millis } from "../../internal/base/env.ts";
import { isFinished } from "../../internal/job/job.ts";
import type { FlowOracle } from "./flow-oracle.ts";
import { RETENTION } from "./host.ts";
import type { JobFollower } from "./job-oracle.ts";
import type { JobRecord } from "./journal.ts";
import type { UniqueOracle } from "./unique-oracle.ts";
import type { World } from "./world.ts";

const REST_MS: Millis = 60_000; // Nobody is robbed of what has just ended.

export interface PruneOracleOptions {
  world: World;
  flows: FlowOracle;
  uniques: UniqueOracle;
  /** A job as it stands; undefined when it is gone. */
  find(id: string): JobRecord | undefined;
  /** True for one that is not removed. */
  isThere(id: string): boolean;
}

export class PruneOracle implements JobFollower {
  readonly #options: PruneOracleOptions;
  #newest = 0;
  removals = 0;

  constructor(options: PruneOracleOptions) {
    this.#options = options;
  }

  made({ seq }: JobRecord): void {
    this.#newest = Math.max(this.#newest, seq);
  }

  removed(job: JobRecord): void {
    const { id, state, finishedAt, trigger, seq, parentId, retryOf } = job;
    const { world, flows, uniques, find, isThere } = this.#options;
    this.removals += 1;
    const expect = (holds: boolean, message: string) => {
      if (!holds) world.violate("promise 13", `${id} (${state}) was removed, ${message}`);
    };
    expect(isFinished(state), "and has not ended");
    const ageMs = world.wall() - (finishedAt ?? 0);
    const { completedMs, completedMax, failedMs, failedMax } = RETENTION.jobs;
    const [keepMs, keepMax] = state === "completed" ? [completedMs, completedMax] : [failedMs, failedMax];
    const isOld = ageMs > (trigger === "backfill" ? Math.max(keepMs, RETENTION.ledgerMs) : keepMs);
    const isOneOfMany = seq <= this.#newest - keepMax && ageMs > REST_MS;
    expect(isOld || isOneOfMany, `${ageMs} ms old`);
    expect(!flows.hasOpenChildren(id), "and has children at work");
    const parent = find(parentId ?? "");
    expect(!parent || isFinished(parent.state), `and its parent ${parentId} is at work`);
    expect(!uniques.holds(job), "and its key is held");
    expect(!isThere(retryOf ?? ""), `and ${retryOf}, which it retries, is there`);
  }
}
