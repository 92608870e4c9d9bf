/**
 * Lines: what a plugin prints, cut into lines that can be kept.
 *
 * A plugin may print anything at any speed, so a line has a greatest length and
 * bytes that are no text become the replacement character. Who prints more than can be
 * kept is not held up by it: what is too much is read and dropped, with a mark where it
 * stood. What was printed last is kept whatever came before it: it says why a process ended.
 */
import { type Cancel, type Env, type Millis, sleep, turn } from "../base/env.ts";
import { CUT_MARK } from "../base/redactor.ts";
import { Meter } from "./meter.ts";

export const LINE_BYTES_MAX = 8_192; // A line is read by people; more is a file.
export const KEPT_BYTES_PER_SECOND = 1_048_576; // Bytes; 5,000 short lines. It keeps a plugin that prints in a loop below 2 % of a core.
export const KEPT_BYTES_AT_ONCE = 10 * KEPT_BYTES_PER_SECOND; // A job that says much at once loses nothing.
export const READ_BYTES_PER_SECOND = 67_108_864; // Dropped or not: 5 % of a core, with what is kept. Who prints more waits.
const READ_DEBT_MS: Millis = 10; // A pause for each chunk would cost more than the chunk.
const QUIET_MS: Millis = 100; // Behind too much; by then what a job has printed last may still be told as its own.
const LINE_COST = 200; // What a line costs beside its bytes, in bytes.
const SLICE_BYTES = 4_096; // Cut without a pause: 2,000 empty lines are some milliseconds. As much is kept of what is printed last: a traceback.
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Cuts bytes into lines and hands each one on. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
      this.#keep(chunk.subarray(from, at));
      this.#emit();
      from = at + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  /** Hands on what was printed without an end of line. */
  end(): void {
    if (this.#bytes > 0) this.#emit();
  }

  #keep(part: Uint8Array): void {
    const room = LINE_BYTES_MAX - this.#bytes;
    // The chunk's memory is the stream's, so what outlives this turn is a copy.
    if (room > 0 && part.length > 0) this.#parts.push(part.slice(0, room));
    this.#bytes += part.length;
  }

  #emit(): void {
    const whole =
      this.#parts.length === 1 ? (this.#parts[0] ?? new Uint8Array()) : Buffer.concat(this.#parts);
    const end = whole.at(-1) === CARRIAGE_RETURN ? whole.length - 1 : whole.length;
    const text = this.#decoder.decode(whole.subarray(0, end));
    const cut = this.#bytes > LINE_BYTES_MAX ? `${CUT_MARK}${this.#bytes} bytes)` : "";
    this.#parts = [];
    this.#bytes = 0;
    this.#onLine(text + cut);
  }
}

/** What is done with what was read. */
export interface LineEvents {
  line(line: string): void;
  /** So many bytes that were printed here are dropped, because more came than is kept. */
  gap(bytes: number): void;
}

/** Reads a stream to its end as lines. Never rejects. */
export async function readLines(
  env: Env,
  stream: AsyncIterable<Uint8Array>,
  events: LineEvents,
): Promise<void> {
  const read = new Meter(env, { perSecond: READ_BYTES_PER_SECOND, burst: READ_BYTES_PER_SECOND });
  const intake = new Intake(env, events);
  try {
    for await (const chunk of stream) {
      for (let at = intake.take(chunk); at < chunk.length; at += intake.take(chunk.subarray(at)))
        await turn(env);
      read.spend(chunk.length);
      const debtMs = read.debtMs();
      if (debtMs > READ_DEBT_MS) await sleep(env, debtMs);
    }
  } catch {
    // The pipe broke: the process is gone, and what it printed before has been read.
  }
  intake.end();
}

/** What is kept of a stream, and where something is missing. */
class Intake {
  readonly #env: Env;
  readonly #events: LineEvents;
  readonly #kept: Meter;
  readonly #splitter: LineSplitter;
  /** How many bytes were dropped since the last line; 0 while all is kept. */
  #missing = 0;
  /** The last of them. */
  readonly #last = new Uint8Array(SLICE_BYTES);
  #held = 0;
  /** When something was dropped last, and who looks whether anything follows. */
  #droppedAt: Millis = 0;
  #looking: Cancel | null = null;

  constructor(env: Env, events: LineEvents) {
    this.#env = env;
    this.#events = events;
    this.#kept = new Meter(env, { perSecond: KEPT_BYTES_PER_SECOND, burst: KEPT_BYTES_AT_ONCE });
    this.#splitter = new LineSplitter((line) => {
      this.#kept.spend(LINE_COST);
      events.line(line);
    });
  }

  /** Cuts the beginning of something into lines, or drops it. Gives how much that was. */
  take(bytes: Uint8Array): number {
    if (this.#missing === 0 && this.#kept.debtMs() === 0) return this.#keep(bytes.subarray(0, SLICE_BYTES));
    // Lines come back by the second, and not one between two gaps.
    const end = this.#kept.has(KEPT_BYTES_PER_SECOND) ? bytes.indexOf(LINE_FEED) + 1 : 0;
    this.#drop(end === 0 ? bytes : bytes.subarray(0, end));
    if (end === 0) return bytes.length;
    this.#close(this.#missing);
    return end;
  }

  /** Hands on what was printed last, also when it came behind too much. */
  end(): void {
    this.#settle();
    this.#splitter.end();
  }

  /** Hands on what was printed last, when nothing follows for now. */
  #settle(): void {
    this.#looking?.();
    this.#looking = null;
    if (this.#missing === 0) return;
    const last = this.#last.slice(0, this.#held);
    const whole = last.subarray(last.indexOf(LINE_FEED) + 1);
    this.#close(this.#missing - whole.length);
    this.#splitter.push(whole);
  }

  #lookLater(delayMs: Millis): void {
    this.#looking = this.#env.after(delayMs, () => {
      this.#looking = null;
      const restMs = this.#droppedAt + QUIET_MS - this.#env.mono();
      if (restMs > 0) this.#lookLater(restMs);
      else this.#settle();
    });
  }

  #keep(slice: Uint8Array): number {
    this.#kept.spend(slice.length);
    this.#splitter.push(slice);
    return slice.length;
  }

  #drop(bytes: Uint8Array): void {
    if (this.#missing === 0) this.#splitter.end();
    this.#missing += bytes.length;
    const end = bytes.subarray(-SLICE_BYTES);
    const stays = Math.min(this.#held, SLICE_BYTES - end.length);
    this.#last.copyWithin(0, this.#held - stays, this.#held);
    this.#last.set(end, stays);
    this.#held = stays + end.length;
    this.#droppedAt = this.#env.mono();
    if (!this.#looking) this.#lookLater(QUIET_MS);
  }

  #close(bytes: number): void {
    if (bytes > 0) this.#events.gap(bytes);
    this.#missing = 0;
    this.#held = 0;
  }
}

/** The newest `max` lines. */
export class LineRing {
  readonly #lines: string[] = [];
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many lines there ever were. */
  get count(): number {
    return this.#count;
  }

  push(line: string): void {
    this.#lines.push(line);
    this.#count += 1;
    // Shifting each time would move the whole array for every line.
    if (this.#lines.length > 2 * this.#max) this.#lines.splice(0, this.#lines.length - this.#max);
  }

  last(count: number): string[] {
    const kept = Math.min(count, this.#max);
    return kept <= 0 ? [] : this.#lines.slice(-kept);
  }

  /** What came behind the first `count` lines and is still kept. */
  after(count: number): string[] {
    return this.last(this.#count - count);
  }
}
