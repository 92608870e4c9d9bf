/**
 * Ending: how a script ended, as the zygote tells it, turned into what a handler
 * does: return the result, or throw.
 */
import { PermanentError, RetryAfterError, Snooze } from "../../../sdk/typescript/qntx.ts";

/** What the zygote says about an exception. */
export interface ScriptFailure {
  message: string;
  /** The class of the exception, or "result" for a result that cannot travel. */
  kind: string;
  /** The traceback, from the script's first line on. */
  stack: string;
  permanent: boolean;
  /** For RetryAfter and Snooze. */
  seconds: number;
}

/** How a child of the zygote ended. */
export interface Ending {
  /** JSON as text, so that numbers stay as they were written; empty for None. */
  result?: string;
  error?: ScriptFailure;
  /** Null when a signal ended it. */
  code: number | null;
  signal: string | null;
  /** The last line that it wrote to stderr. */
  last: string;
}

/** A script that failed: `name` is the exception's class, `stack` its traceback. */
export class ScriptError extends Error {
  constructor(message: string, kind: string, stack: string) {
    super(message);
    this.name = kind;
    this.stack = stack;
  }
}

/** The result as bytes of JSON; undefined when there is none. Throws what the script raised. */
export function resultOf(ending: Ending): Uint8Array | undefined {
  if (ending.error) throw errorOf(ending.error);
  if (ending.code !== 0) throw new ScriptError(exitSentence(ending), "exit", "");
  return ending.result ? Buffer.from(ending.result) : undefined;
}

function errorOf({ message, kind, stack, permanent, seconds }: ScriptFailure): Error {
  if (kind === "Snooze") return new Snooze(seconds * 1000);
  if (kind === "RetryAfter") return withStack(new RetryAfterError(message, seconds * 1000), stack);
  if (permanent) return withStack(new PermanentError(message), stack);
  return new ScriptError(message, kind, stack);
}

function withStack(error: Error, stack: string): Error {
  error.stack = stack;
  return error;
}

function exitSentence({ code, signal, last }: Ending): string {
  if (signal === "SIGKILL")
    return "The script was killed (SIGKILL). Perhaps there was no memory left for it.";
  if (signal !== null) return `The script was ended by ${signal}.`;
  return last === ""
    ? `The script ended with exit code ${code}.`
    : `The script ended with exit code ${code}: ${last}`;
}
