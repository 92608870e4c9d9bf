/** Waiting: for a job to end, and what to say and exit with when it has. */
import { formatDuration } from "../../../../internal/base/duration.ts";
import type { Millis } from "../../../../internal/base/env.ts";
import { Fault } from "../../../../internal/base/fault.ts";
import type { jobWait } from "../../../../internal/operations/job.ts";
import type { JobView } from "../../../../internal/operations/job-view.ts";
import type { OutputOf } from "../../../../internal/operations/operation.ts";
import type { Client } from "../../client.ts";
import type { ArgDefs } from "../../command.ts";
import { EXIT, type ExitCode } from "../../exit.ts";
import { jsonShown } from "../../facts.ts";
import type { Out } from "../../output.ts";
import { duration } from "../../values.ts";
import type { World } from "../../world.ts";

const ASK_AGAIN_MS = 60_000; // One call waits no longer, so that a host that hangs is noticed.

/** `--wait-timeout`, for what always waits. */
export const waitTimeoutArg = {
  type: "string",
  valueHint: "D",
  parse: duration,
  description: "Give up waiting after this long, and exit 7",
} as const;

/** `--wait` and `--wait-timeout`, for what can wait. */
export const waitArgs = {
  wait: { type: "boolean", description: "Wait until the job has ended; exit 8 unless it completed" },
  waitTimeout: waitTimeoutArg,
} as const satisfies ArgDefs;

/** Refuses a `--wait-timeout` that would be passed over. */
export function refuseTimeoutAlone({
  wait,
  waitTimeout,
}: {
  wait: boolean;
  waitTimeout: Millis | undefined;
}): void {
  if (wait || waitTimeout === undefined) return;
  throw new Fault("usage", "--wait-timeout has no effect without --wait.", { hint: "Add --wait." });
}

/** Refuses to begin what could not be waited for. */
export function requireHost(client: Client): void {
  if (client.live) return;
  throw new Fault("unreachable", "No host runs on this data folder, so nothing would run the job.", {
    hint: "Start one with: qntx serve",
  });
}

/** Waits until a job has ended. Throws a Fault, code timeout, when that takes longer than `waitTimeout`. */
export async function waitForJob(
  client: Client,
  id: string,
  { world: { env }, waitTimeout }: { world: World; waitTimeout: Millis | undefined },
): Promise<JobView> {
  const until = env.mono() + (waitTimeout ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const stepMs = Math.max(0, Math.min(ASK_AGAIN_MS, until - env.mono()));
    const input = { id, timeout: formatDuration(stepMs) };
    const { finished, ...job } = await client.call<OutputOf<typeof jobWait>>("job.wait", input);
    if (finished) return job;
    if (env.mono() >= until) throw notEnded(job, waitTimeout ?? 0);
  }
}

/** Prints a job that has ended: its result, or why there is none. Returns the exit code. */
export function printEnd(out: Out, job: JobView): ExitCode {
  out.data(job, () => jsonShown(out, job.result));
  if (job.state === "completed") return EXIT.ok;
  if (!out.json && job.error?.stack) out.say(job.error.stack);
  const why = job.error === null ? "" : `: ${job.error.message}`;
  const hint = `See: qntx job show ${job.id}`;
  if (!out.json) out.fail(new Fault("failed", `Job ${job.id} ${endOf(job)}${why}`, { hint }));
  return EXIT.jobFailed;
}

function endOf({ state, attempt }: JobView): string {
  if (state !== "failed") return "did not complete";
  return attempt > 1 ? `failed after ${attempt} attempts` : "failed";
}

function notEnded({ id, state, waiting }: JobView, waitedMs: Millis): Fault {
  const why = waiting === null ? "" : `: ${waiting}`;
  return new Fault(
    "timeout",
    `Job ${id} has not ended within ${formatDuration(waitedMs)}; it is ${state}${why}.`,
    {
      hint: `Wait on with: qntx job wait ${id}`,
    },
  );
}
