/**
 * Problems: what is wrong with a configuration. All of it is said at once, so
 * that nobody mends a file one run at a time.
 */
import { Fault } from "../base/fault.ts";

export interface Problem {
  /** `qntx.toml:3`, `QNTX_SERVE_PORT` or `--port`. */
  where: string;
  /** A sentence that names the key and the value. */
  message: string;
  /** The way out. */
  hint: string;
}

const SHOWN_MAX = 20; // More than fit on a screen help nobody.

/** The Fault for one or more problems, in the order in which a file has them. */
export function configFault(found: readonly Problem[]): Fault {
  const problems = found.toSorted((a, b) => lineOf(a) - lineOf(b));
  const [first] = problems;
  const fields = problems.slice(0, SHOWN_MAX).map(({ where, message, hint }) => ({
    field: where,
    message: `${message} ${hint}`,
  }));
  if (first && problems.length === 1) {
    return new Fault("config", `${first.where}: ${first.message}`, { hint: first.hint, fields });
  }
  return new Fault("config", `The configuration has ${problems.length} mistakes.`, { fields });
}

/** 0 for what stands in no file. */
function lineOf({ where }: Problem): number {
  return Number(/:(\d+)(:\d+)?$/.exec(where)?.[1] ?? 0);
}
