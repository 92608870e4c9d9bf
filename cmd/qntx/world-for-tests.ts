/** A world for tests: no process, no real time; what was written is kept. */
import { type Env, realEnv } from "../../internal/base/env.ts";
import type { Sink, World } from "./world.ts";

/** 2030-01-01T00:00:00Z: the instant at which test worlds stand still. */
export const NOW = Date.UTC(2030, 0, 1);

export interface TestWorld extends World {
  /** What was written to each stream so far. */
  printed: { stdout: string; stderr: string };
}

interface Given {
  argv?: readonly string[];
  vars?: Record<string, string>;
  /** What comes in on standard input; a terminal when absent. */
  stdin?: string;
  /** True when a person looks at stdout and stderr. */
  terminal?: boolean;
  columns?: number;
  env?: Env;
}

/** Makes a world in which only the given things are out of the ordinary. */
export function testWorld({
  argv = [],
  vars = {},
  stdin,
  terminal = false,
  columns = 80,
  env,
}: Given): TestWorld {
  const printed = { stdout: "", stderr: "" };
  const sink = (stream: keyof typeof printed): Sink => ({
    terminal,
    columns,
    write: (text) => void (printed[stream] += text),
  });
  return {
    argv,
    vars,
    cwd: "/nowhere",
    userHome: "/nowhere/person",
    env: env ?? { ...realEnv, now: () => NOW },
    stdin: { terminal: stdin === undefined, text: async () => stdin ?? "" },
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    quit: () => ({ quit: new AbortController().signal, hurry: new AbortController().signal }),
    printed,
  };
}
