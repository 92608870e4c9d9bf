/**
 * Redacting: secrets are taken out of what a plugin says of its jobs: lines, progress and
 * errors. Results and checkpoints are data: a job that gives a secret back has given it back.
 */
import type { Redactor } from "../base/redactor.ts";
import type { JobProgress } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import type { JobLogLine } from "../pulse/executor.ts";

export function redactedLines(redactor: Redactor, lines: readonly JobLogLine[]): readonly JobLogLine[] {
  if (redactor.knowsNothing) return lines;
  return lines.map((line) => ({
    ...line,
    message: redactor.redact(line.message),
    stage: redactor.redact(line.stage),
    fields: redactor.redact(line.fields),
  }));
}

export function redactedProgress(redactor: Redactor, progress: JobProgress): JobProgress {
  if (redactor.knowsNothing) return progress;
  return { ...progress, message: redactor.redact(progress.message) };
}

/** Only what went wrong is read by people. */
export function redactedOutcome(redactor: Redactor, outcome: Outcome): Outcome {
  if (redactor.knowsNothing) return outcome;
  if (outcome.kind === "lost") return { ...outcome, message: redactor.redact(outcome.message) };
  if (outcome.kind !== "failed") return outcome;
  const { message, errorKind, stack } = outcome;
  const clean = { ...outcome, message: redactor.redact(message), errorKind: redactor.redact(errorKind) };
  return stack === undefined ? clean : { ...clean, stack: redactor.redact(stack) };
}
