/** Follow: the lines that a job says, in order, each once, until it has ended or somebody has had enough. */
import { type Millis, sleep } from "../../../../internal/base/env.ts";
import type { jobLogs } from "../../../../internal/operations/job.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { Client } from "../../client.ts";
import type { World } from "../../world.ts";

const LOOK_AGAIN_MS: Millis = 200; // Soon enough to read along.

export type JobLine = OutputOf<typeof jobLogs>["lines"][number];

export interface FollowOptions {
  world: World;
  /** False: only what was said so far. */
  follow: boolean;
  quit?: AbortSignal;
  onLine(line: JobLine): void;
}

/** Hands on every line of a job. */
export async function followJob(
  client: Client,
  id: string,
  { world: { env }, follow, quit, onLine }: FollowOptions,
): Promise<void> {
  let after = 0;
  while (!quit?.aborted) {
    const { lines, finished } = await client.call<OutputOf<typeof jobLogs>>("job.logs", { id, after });
    for (const line of lines) onLine(line);
    after = lines.at(-1)?.seq ?? after;
    if (lines.length > 0) continue; // There may be more than one answer holds.
    if (finished || !follow) return;
    await sleep(env, LOOK_AGAIN_MS, quit);
  }
}

/** A line as people read it: "12:00:01 warn fetch: took long {…}". */
export function lineShown({ at, level, stage, message, fields }: JobLine): string {
  const words = [at.slice(11, 19), level, stage && `${stage}:`, message, fields === "{}" ? "" : fields];
  return words.filter(Boolean).join(" ");
}
