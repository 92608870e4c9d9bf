/** Follow: the lines that a job says, in order, each once, until it has ended or somebody has had enough. */
import { type Millis, sleep } from "../../../../internal/base/env.ts";
import type { jobLogs } from "../../../../internal/operations/job.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { Client } from "../../client.ts";
import type { Out } from "../../output.ts";
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
  for (;;) {
    const { lines, finished } = await client.call<OutputOf<typeof jobLogs>>("job.logs", { id, after });
    for (const line of lines) onLine(line);
    after = lines.at(-1)?.seq ?? after;
    if (lines.length > 0) continue; // There may be more than one answer holds.
    if (finished || !follow) return;
    await sleep(env, LOOK_AGAIN_MS, quit);
    if (quit?.aborted) return;
  }
}

/** A line with its time: the time of day for people, in UTC like every instant; all of the instant in a pipe. */
export function lineShown(out: Out, line: JobLine): string {
  const time = out.terminal ? line.at.slice("2030-01-01T".length, "2030-01-01Thh:mm:ss".length) : line.at;
  return `${time} ${line.level} ${saidShown(line)}`;
}

/** What was said: "fetch: took long {…}". */
export function saidShown({ stage, message, fields }: JobLine): string {
  return [stage && `${stage}:`, message, fields === "{}" ? "" : fields].filter(Boolean).join(" ");
}
