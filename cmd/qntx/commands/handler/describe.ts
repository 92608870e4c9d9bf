/** Describe: a handler's state in words. */
import type { HandlerView } from "../../../../internal/operations/handler.ts";

/** "3 jobs", "1 job", "no jobs". */
export function jobsShown(count: number): string {
  if (count === 0) return "no jobs";
  return count === 1 ? "1 job" : `${count} jobs`;
}

/** "by ann: the printer is broken"; empty when it is not paused. */
export function pauseShown({ pause }: Pick<HandlerView, "pause">): string {
  return pause === null ? "" : `by ${pause.by}${pause.note && `: ${pause.note}`}`;
}
