/**
 * LogFile: one plugin's log on disk, `time<TAB>LEVEL<TAB>line`, as QNTX writes it.
 * It is rotated by size: `x.log`, `x.log.1`, `x.log.2`.
 *
 * A full disk must not end the host: a line that cannot be written is lost, and
 * the ring in memory still has it.
 */
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Env } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { LogLevel } from "../base/log.ts";

export const LOG_FILE_BYTES_MAX = 8_388_608; // 8 MiB: opens in any editor.
export const LOG_FILES_MAX = 3; // The one that is written and two older ones.

export class LogFile {
  readonly #env: Env;
  readonly #path: string;
  #waiting = "";
  #bytes = 0;

  /** Makes the folder; the file comes with the first line. */
  constructor(env: Env, path: string) {
    this.#env = env;
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Adds a line; lines of one turn are written together. */
  line(level: LogLevel, text: string): void {
    if (this.#waiting === "") this.#env.soon(() => this.flush());
    this.#waiting += `${formatInstant(this.#env.now())}\t${level.toUpperCase()}\t${text}\n`;
  }

  /** Writes what waits. */
  flush(): void {
    const text = this.#waiting;
    this.#waiting = "";
    if (text === "") return;
    try {
      if (this.#bytes >= LOG_FILE_BYTES_MAX) this.#rotate();
      appendFileSync(this.#path, text, { mode: 0o600 });
      this.#bytes += Buffer.byteLength(text);
    } catch {
      // Nowhere to say it: the log is what cannot be written.
    }
  }

  #rotate(): void {
    for (let n = LOG_FILES_MAX - 1; n >= 1; n--) {
      const older = n === 1 ? this.#path : `${this.#path}.${n - 1}`;
      if (statSync(older, { throwIfNoEntry: false })) renameSync(older, `${this.#path}.${n}`);
    }
    this.#bytes = 0;
  }
}
