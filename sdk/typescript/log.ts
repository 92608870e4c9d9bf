/**
 * Log: how lines of a job, and of the plugin itself, come into being.
 *
 * Inside a handler `console.log` belongs to the job: an AsyncLocalStorage knows
 * which one, also after an await. Outside of one it is the plugin's own output.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { format } from "node:util";
import type { Fields, JobLog } from "./qntx.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type Emit = (level: LogLevel, message: string, fields: Fields | undefined) => void;

/** What a console line inside a handler is given to; false when the job has ended and the line is nobody's. */
export interface LineOwner {
  line(level: LogLevel, message: string): boolean;
}

/** Knows, at any point of the program, for which job it runs. */
export const lineOwner = new AsyncLocalStorage<LineOwner>();

/** Makes a `JobLog` of one function. */
export function createJobLog(emit: Emit): JobLog {
  const at = (level: LogLevel) => (message: string, fields?: Fields) =>
    emit(level, typeof message === "string" ? message : format(message), fields);
  return Object.assign(at("info"), {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  });
}

/** The plugin's own log: one JSON object a line, whose `level` the host reads. */
export function createPluginLog(print: (line: string) => void): JobLog {
  return createJobLog((level, message, fields) => print(JSON.stringify({ level, message, ...fields })));
}

const CONSOLE_LEVELS = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error" } as const;
const CAPTURED = Symbol.for("qntx.console");

/** Gives console lines to the job that they come from. Done once a process; a second call changes nothing. */
export function captureConsole(): void {
  if (CAPTURED in console) return;
  Object.defineProperty(console, CAPTURED, { value: true });
  for (const method of ["debug", "log", "info", "warn", "error"] as const) {
    const print = console[method];
    console[method] = (...words: unknown[]) => {
      const owner = lineOwner.getStore();
      if (!owner?.line(CONSOLE_LEVELS[method], format(...words))) print.apply(console, words);
    };
  }
}
