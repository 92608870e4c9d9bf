/**
 * Checkpoint oracle: an attempt begins with what was on disk when it was claimed; that
 * is the newest that any attempt of its job has saved while it held the job, and never
 * what one said after its fence was gone. What was saved a second ago, or before its
 * attempt ended, is on disk.
 */
import type { Millis } from "../../internal/base/env.ts";
import { isFinished } from "../../internal/job/job.ts";
import type { JobRecord } from "./journal.ts";
import type { World } from "./world.ts";

const DURABLE_MS: Millis = 1_000; // As docs/jobs.md promises.

interface Key {
  jobId: string;
  fence: number;
}

interface Saved {
  fence: number;
  checkpoint: string;
  at: Millis;
}

export interface CheckpointOracleOptions {
  world: World;
  /** True while statements may fail: what could not be written is written later. */
  mayFail: boolean;
}

export class CheckpointOracle {
  readonly #world: World;
  readonly #mayFail: boolean;
  /** What was saved by whoever held each job then, oldest first. */
  readonly #saved = new Map<string, Saved[]>();
  /** What each claim found. */
  readonly #given = new Map<string, string>();
  /** When each boot died; null for one that had slept a moment before. */
  readonly #deaths = new Map<string, Millis | null>();

  constructor({ world, mayFail }: CheckpointOracleOptions) {
    this.#world = world;
    this.#mayFail = mayFail;
  }

  /** What a part of a task is called: nobody else can say the same. */
  name({ jobId, fence }: Key, part: number): string {
    return `${jobId}#${fence}.${part}`;
  }

  /** The host has heard of a checkpoint, of a job that its sender holds. */
  saved({ jobId, fence }: Key, checkpoint: string): void {
    const all = this.#saved.get(jobId) ?? [];
    all.push({ fence, checkpoint, at: this.#world.time });
    this.#saved.set(jobId, all);
  }

  /** A plugin was given a task, and what the attempt before it saved. */
  given({ jobId, fence }: Key, checkpoint: string): void {
    const found = this.#given.get(`${jobId}#${fence}`) ?? "";
    this.#expect(
      found === checkpoint,
      "promise",
      `${jobId} begins with ${checkpoint}, and ${found} was saved`,
    );
  }

  /** A host is gone; `slept` when it was frozen lately. */
  hostDied(bootId: string, slept: boolean): void {
    this.#deaths.set(bootId, slept ? null : this.#world.time);
  }

  /** A job was claimed. */
  claimed({ id, fence, checkpoint }: JobRecord): void {
    this.#given.set(`${id}#${fence}`, checkpoint ?? "");
  }

  changed(before: JobRecord, after: JobRecord): void {
    if (before.checkpoint !== after.checkpoint) this.#checkChange(before, after);
    if (before.state === "running" && after.state !== "running") this.#checkEnd(before, after);
    if (isFinished(after.state)) this.#saved.delete(after.id);
  }

  #checkChange(before: JobRecord, { id, fence, checkpoint }: JobRecord): void {
    const all = this.#saved.get(id) ?? [];
    const index = all.findLastIndex((saved) => saved.checkpoint === checkpoint);
    const isOwn = before.state === "running" && all[index]?.fence === fence;
    this.#expect(isOwn, "I6", `${id} with fence ${fence} has the checkpoint ${checkpoint}`);
    const old = all.findLastIndex((saved) => saved.checkpoint === before.checkpoint);
    this.#expect(index >= old, "I6", `the checkpoint of ${id} went back to ${checkpoint}`);
  }

  #checkEnd(before: JobRecord, after: JobRecord): void {
    const all = (this.#saved.get(before.id) ?? []).filter(({ fence }) => fence === before.fence);
    const interrupted = after.interrupted > before.interrupted;
    const fenced = after.state === "cancelled" || (after.error ?? "").includes("went down");
    const diedAt = this.#deaths.get(before.bootId ?? "") ?? null;
    if (this.#mayFail || fenced || (interrupted && diedAt === null)) return;
    const until = interrupted ? (diedAt ?? 0) - DURABLE_MS : this.#world.time;
    const last = all.findLast(({ at }) => at <= until);
    const known = all.findIndex(({ checkpoint }) => checkpoint === after.checkpoint);
    const isThere = last === undefined || known >= all.indexOf(last);
    this.#expect(isThere, "promise", `${before.id} has lost the checkpoint ${last?.checkpoint}`);
  }

  #expect(holds: boolean, invariant: string, message: string): void {
    if (!holds) this.#world.violate(invariant, message);
  }
}
