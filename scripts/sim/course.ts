/** Course: what a plugin is going to do with a job that it was given. */
import type { Millis } from "../../internal/base/env.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import { failure } from "./attempts.ts";
import type { Dice } from "./dice.ts";

/** A job as its plugin sees it. */
export interface Task {
  readonly jobId: string;
  readonly handler: string;
  readonly fence: number;
  /** What its client called it. */
  readonly token: string;
  /** True for one that kills its process. */
  readonly poison: boolean;
  /** True for one that asks for another run each time. */
  readonly sleepy: boolean;
}

/** What a plugin does with a task. */
export interface Course {
  afterMs: Millis;
  does: "answer" | "crash" | "hang";
  outcome: Outcome;
  /** How often it says something on its way. */
  says: number;
}

/** What a plugin answers of a handler that it does not know. */
export const DISOWNS: Course = { afterMs: 1, does: "answer", outcome: { kind: "disowned" }, says: 0 };

const SAYS_MAX = 4;
const SLEEPS_MAX = 25; // Behind the limit, for one that is not held back.

/** Reads what its client wrote into the payload. */
export function taskOf(key: Pick<Task, "jobId" | "handler" | "fence">, payload: Uint8Array): Task {
  const said = JSON.parse(new TextDecoder().decode(payload)) as Partial<Task>; // Our own client wrote it.
  const { token = "", poison = false, sleepy = false } = said;
  return { ...key, token, poison, sleepy };
}

/** What an attempt gives as its result: nobody else can give the same. */
export function resultOf(token: string, fence: number): string {
  return `${token}#${fence}`;
}

/** Draws what a plugin does. In calm times everything works, but poison. */
export function drawCourse(dice: Dice, task: Task, rates: { slow: number; fail: number }): Course {
  const afterMs = dice.chance(rates.slow) ? dice.between(500, 8_000) : dice.between(1, 60);
  const result = new TextEncoder().encode(resultOf(task.token, task.fence));
  const completed: Outcome = { kind: "completed", result, cost: dice.pick([0, 0, 0.5, 2]) };
  const says = dice.chance(0.4) ? dice.between(1, SAYS_MAX) : 0;
  const answer = (outcome: Outcome): Course => ({ afterMs, does: "answer", outcome, says });
  if (task.poison) return { ...answer(completed), does: "crash" };
  if (task.sleepy && task.fence <= SLEEPS_MAX)
    return answer({ kind: "snoozed", delayMs: dice.between(250, 500) });
  if (!dice.chance(rates.fail)) return answer(completed);
  switch (dice.between(1, 8)) {
    case 1:
      return answer(failure({ permanent: true }));
    case 2:
      return answer(failure({ retryAfterMs: dice.between(1, 9_000) }));
    case 3:
      return answer({ kind: "snoozed", delayMs: dice.between(0, 9_000) });
    case 4:
      return { ...answer(completed), does: "crash" };
    case 5:
      return { ...answer(completed), does: "hang" };
    default:
      return answer(failure());
  }
}
