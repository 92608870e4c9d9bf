/**
 * Faked clock: a host whose wall clock a test sets, also while it runs, with Debian's
 * libfaketime. The monotonic clock stays what it is, as it does when a person or a
 * time server sets a machine's clock; timers go on as if nothing had happened.
 */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import type { Place } from "./host.ts";

/** The wall clock of every process that is started with its `vars`. */
export class FakedClock {
  readonly #file: string;
  #aheadMs = 0;

  /** A clock that shows `now` at this moment, and goes on from there. */
  constructor(place: Place, now: number) {
    this.#file = join(place.home, "clock");
    this.set(now);
  }

  /** What the clock shows. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /** Turns the clock, for processes that run as well. */
  set(now: number): void {
    this.#aheadMs = now - Date.now();
    const sign = this.#aheadMs < 0 ? "-" : "+";
    // Another name first: nobody may read half of it.
    writeFileSync(`${this.#file}.new`, `${sign}${Math.abs(this.#aheadMs) / 1_000}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Turns the clock by so much. */
  turn(byMs: number): void {
    this.set(this.now() + byMs);
  }

  /** What a process needs to live by this clock. Throws where libfaketime is not installed. */
  get vars(): Record<string, string> {
    return {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1", // Or it would be read every ten seconds.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1", // The times of files are not what is tested.
    };
  }
}

function library(): string {
  for (const pattern of ["/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1"]) {
    const [path] = new Glob(pattern.slice(1)).scanSync({ cwd: "/", absolute: true });
    if (path !== undefined) return path;
  }
  throw new Error("There is no libfaketime here: apt-get install faketime");
}
