/**
 * World: what a command may know of the process it runs in. main.ts makes the
 * real one; tests make theirs, so no command reads `process` itself.
 */
import type { Env } from "../../internal/base/env.ts";
import type { QuitSignals } from "../../internal/base/lifecycle.ts";

/** Somewhere to write text. */
export interface Sink {
  /** True when a person is looking. */
  readonly terminal: boolean;
  /** Width in characters; only means something on a terminal. */
  readonly columns: number;
  write(text: string): void;
}

/** Where text comes from. */
export interface Source {
  readonly terminal: boolean;
  /** Everything until its end. */
  text(): Promise<string>;
}

export interface World {
  /** The words after the program's name. */
  readonly argv: readonly string[];
  /** The environment's variables. */
  readonly vars: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The folder that `~` means. */
  readonly userHome: string;
  readonly env: Env;
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /**
   * Takes over Ctrl-C and SIGTERM: the first aborts `quit`, the second `hurry`,
   * the third leaves. A command that never calls it is ended by the first.
   */
  quit(): QuitSignals;
}
