/**
 * Backfill oracle: runs for the past stand in a line of their schedule, and as many go
 * at once as was asked for, no more and no fewer. An instant has one of them, and none
 * of them is in the way of the plan.
 */
import { isFinished } from "../../internal/job/job.ts";
import type { JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

export class BackfillOracle {
  readonly #world: World;
  readonly #concurrency = new Map<string, number>();
  /** Runs of each schedule that have not ended, in the order of their line. */
  readonly #open = new Map<string, Map<string, JobRecord>>();
  /** Runs that were not cancelled, by schedule and instant. */
  readonly #ofInstant = new Map<string, string>();
  readonly #touched = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Somebody asks for one, and may never hear an answer. */
  asked(id: string, concurrency: number): void {
    this.#concurrency.set(id, concurrency);
  }

  /** A run of a backfill as it stands now. */
  job(job: JobRecord): void {
    const { id, scheduleId, occurrence, state } = job;
    const key = `${scheduleId}@${occurrence}`;
    const known = this.#ofInstant.get(key);
    if (state === "cancelled") this.#ofInstant.delete(key);
    else if (known === undefined) this.#ofInstant.set(key, id);
    else if (known !== id)
      this.#world.violate("promise", `${key} has two runs of backfills, ${known} and ${id}`);
    const line = this.#lineOf(scheduleId ?? "");
    if (isFinished(state)) line.delete(id);
    else line.set(id, job);
    this.#touched.add(scheduleId ?? "");
  }

  /** A run is no longer kept: its instant may be asked for again. */
  removed(job: JobRecord | undefined): void {
    const key = `${job?.scheduleId}@${job?.occurrence}`;
    if (job && this.#ofInstant.get(key) === job.id) this.#ofInstant.delete(key);
  }

  /** After every event: whatever was committed, the line has moved on. */
  checkTurn(): void {
    for (const scheduleId of this.#touched) this.#checkLine(scheduleId);
    this.#touched.clear();
  }

  #checkLine(scheduleId: string): void {
    const line = [...this.#lineOf(scheduleId).values()].toSorted((a, b) => a.seq - b.seq);
    const going = line.filter(({ state }) => state !== "paused");
    const most = Math.max(...line.map((job) => this.#concurrencyOf(job)));
    if (line.length > 0 && going.length > most)
      this.#world.violate("promise", `${going.length} runs of backfills of ${scheduleId} go at once`);
    const first = line.find(({ state }) => state === "paused");
    if (first && going.length < this.#concurrencyOf(first))
      this.#world.violate("promise", `${first.id} waits, and ${going.length} runs of its line go`);
  }

  #concurrencyOf({ parentId }: JobRecord): number {
    return this.#concurrency.get(parentId ?? "") ?? 0;
  }

  #lineOf(scheduleId: string): Map<string, JobRecord> {
    const known = this.#open.get(scheduleId) ?? new Map<string, JobRecord>();
    this.#open.set(scheduleId, known);
    return known;
  }
}
