/**
 * Exit: the number that the shell gets. A contract, written down in
 * cmd/qntx/README.md and held by the golden files.
 */
import { Fault, type FaultCode } from "../../internal/base/fault.ts";

/** Every number that qntx ends with. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  config: 3,
  notFound: 4,
  conflict: 5,
  unreachable: 6,
  timeout: 7,
  jobFailed: 8,
  changes: 9,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What every number means, for documents and help. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, "It worked."],
  [EXIT.failed, "It was tried and did not work, or was not allowed."],
  [EXIT.usage, "The words on the command line are wrong."],
  [EXIT.config, "qntx.toml, the environment, a flag or a document has a wrong value."],
  [EXIT.notFound, "There is no such thing."],
  [EXIT.conflict, "It exists already, or is in a state that forbids this."],
  [EXIT.unreachable, "No host answered."],
  [EXIT.timeout, "It took longer than it was given."],
  [EXIT.jobFailed, "The job that was waited for ended as failed."],
  [EXIT.changes, "With --plan: something would change."],
  [EXIT.interrupted, "Ctrl-C."],
];

const OF_FAULT: Record<FaultCode, ExitCode> = {
  usage: EXIT.usage,
  config: EXIT.config,
  "not-found": EXIT.notFound,
  conflict: EXIT.conflict,
  denied: EXIT.failed,
  exhausted: EXIT.failed,
  unreachable: EXIT.unreachable,
  timeout: EXIT.timeout,
  failed: EXIT.failed,
};

/** True for a word that a Fault can have: another program's answer may have any. */
export function isFaultCode(text: string): text is FaultCode {
  return Object.hasOwn(OF_FAULT, text);
}

/** Thrown when the person took it back (Ctrl-C at a question). Nothing is printed for it. */
export class Interrupted extends Error {}

/** The number for anything that was thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Interrupted) return EXIT.interrupted;
  return error instanceof Fault ? OF_FAULT[error.code] : EXIT.failed;
}
