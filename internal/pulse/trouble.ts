/** Trouble: something that fails again and again, as a full disk does. It is said when it begins, changes and ends, not each time. */
import { messageOf } from "../base/fault.ts";
import type { Log } from "../base/log.ts";

export class Trouble {
  readonly #log: Log;
  /** What is wrong now; null when nothing is. */
  #error: string | null = null;
  #times = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** It failed: `sentence` says what. Returns how often it has in a row. */
  failed(sentence: string, error: unknown): number {
    const message = messageOf(error);
    if (message !== this.#error) this.#log.error(sentence, { error: message });
    this.#error = message;
    return ++this.#times;
  }

  /** It worked: `sentence` says what works again. */
  over(sentence: string): void {
    if (this.#error === null) return;
    this.#log.info(sentence, { failures: this.#times });
    this.#error = null;
    this.#times = 0;
  }
}
