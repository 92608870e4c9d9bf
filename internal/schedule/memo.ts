/**
 * Memo: the answers of a pure function, remembered up to a limit. It changes how
 * long an answer takes, never what it is; that is why one may stand at module
 * level although nothing else that changes may.
 *
 * When it is full the oldest entry goes. Keeping track of use would cost more
 * than working an answer out again.
 */

/** A bounded memory of `work`; `work` must depend on nothing but its key. */
export class Memo<Key, Value extends object> {
  readonly #entries = new Map<Key, Value>();
  readonly #limit: number;
  readonly #work: (key: Key) => Value;

  constructor(limit: number, work: (key: Key) => Value) {
    this.#limit = limit;
    this.#work = work;
  }

  /** The answer for a key. What `work` throws is thrown every time. */
  get(key: Key): Value {
    const known = this.#entries.get(key);
    if (known) return known;
    const value = this.#work(key);
    if (this.#entries.size >= this.#limit) this.#dropOldest();
    this.#entries.set(key, value);
    return value;
  }

  #dropOldest(): void {
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
