/**
 * Log: what the program says about itself while it runs, one line an event.
 * A line is a sentence plus fields; nothing is printed that is not also data.
 */
import type { Env } from "./env.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const RANKS: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A value with a space or a quote in it is quoted, so that a line can be split again. */
function shownValue(value: string | number | boolean | null): string {
  const text = String(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

/** Makes one line: `2026-01-01T00:00:00.000Z info  message key=value`. */
export function formatLine(atIso: string, level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}=${shownValue(value)}`],
  );
  return `${atIso} ${level.padEnd(5)} ${message}${pairs.join("")}`;
}

/** Writes lines of at least `level` through `write`, as text or as one JSON object each. */
export function createLog(
  env: Env,
  { level, format, write }: { level: LogLevel; format: "text" | "json"; write: (line: string) => void },
): Log {
  const emit = (at: LogLevel, message: string, fields: LogFields = {}) => {
    if (RANKS[at] < RANKS[level]) return;
    const atIso = new Date(env.now()).toISOString();
    write(
      format === "json"
        ? JSON.stringify({ at: atIso, level: at, message, ...fields })
        : formatLine(atIso, at, message, fields),
    );
  };
  return {
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
  };
}

/** Says nothing. For tests and for commands that answer on stdout alone. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
