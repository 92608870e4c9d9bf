/** Watch: what is looked at while a plugin runs. Each watch ends with its signal. */
import { type Millis, sleep } from "../base/env.ts";
import { aborted } from "../base/lifecycle.ts";
import type { HostSide } from "./open.ts";
import { processInfo } from "./proc.ts";
import type { Session } from "./session.ts";

const LOOK_EVERY_MS: Millis = 500; // At the state of the process: one that is stopped is ended a second after its time at most.

/** Asks for its health again and again; `tell` gets the trouble, or an empty text when it is well. */
export async function watchHealth(
  { env, limits }: HostSide,
  session: Session,
  { until, tell }: { until: AbortSignal; tell: (trouble: string) => void },
): Promise<void> {
  const over = aborted(until).then(() => null);
  for (;;) {
    await sleep(env, limits.healthEveryMs, until);
    if (until.aborted) return;
    const answer = await Promise.race([session.connection.health(limits.healthMs), over]);
    if (answer === null || until.aborted) return;
    if (!answer.ok) tell("It does not answer Health; it may be busy.");
    else tell(answer.value.healthy ? "" : `It says that it is not healthy: ${answer.value.message}`);
  }
}

/** Resolves when somebody has stopped the process (state T) and it does not go on; never true for one elsewhere. */
export async function staysStopped(
  { env, limits }: HostSide,
  { process }: Session,
  until: AbortSignal,
): Promise<boolean> {
  if (process === null) return false;
  let stoppedSince: Millis | null = null;
  while (!until.aborted) {
    await sleep(env, LOOK_EVERY_MS, until);
    const isStopped = /^[Tt]$/.test(processInfo(process.pid)?.state ?? "");
    stoppedSince = isStopped ? (stoppedSince ?? env.mono()) : null;
    if (stoppedSince !== null && env.mono() - stoppedSince >= limits.stoppedMs) return true;
  }
  return false;
}
