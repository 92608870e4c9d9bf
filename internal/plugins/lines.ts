/**
 * Lines: what a plugin prints, cut into lines that can be kept.
 *
 * A plugin may print anything at any speed, so a line has a greatest length and
 * bytes that are no text become the replacement character. Nothing is dropped:
 * who prints more than can be kept is read more slowly, and waits when it prints.
 */
import { type Env, sleep, turn } from "../base/env.ts";
import { CUT_MARK } from "../base/redactor.ts";
import { Meter } from "./meter.ts";

export const LINE_BYTES_MAX = 8_192; // A line is read by people; more is a file.
export const READ_PER_SECOND = 1_048_576; // Bytes; 5,000 short lines. It keeps a plugin that prints in a loop below 2 % of a core.
export const READ_BURST = 10 * READ_PER_SECOND; // A job that says much at once is not held up.
const LINE_COST = 200; // What a line costs beside its bytes, in bytes.
const SLICE_BYTES = 4_096; // Cut without a pause: 2,000 empty lines are some milliseconds.
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

/** Reads a stream to its end as lines, no faster than they can be kept. Never rejects. */
export async function readLines(
  env: Env,
  stream: AsyncIterable<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const meter = new Meter(env, { perSecond: READ_PER_SECOND, burst: READ_BURST });
  const splitter = new LineSplitter((line) => {
    meter.spend(LINE_COST);
    onLine(line);
  });
  try {
    for await (const chunk of stream) {
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        const slice = chunk.subarray(at, at + SLICE_BYTES);
        splitter.push(slice);
        meter.spend(slice.length);
        const debtMs = meter.debtMs();
        if (debtMs > 0) await sleep(env, debtMs);
        else if (chunk.length > SLICE_BYTES) await turn(env);
      }
    }
  } catch {
    // The pipe broke: the process is gone, and what it printed before has been read.
  }
  splitter.end();
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
