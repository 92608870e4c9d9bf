/**
 * Lines: what a plugin prints, cut into lines that can be kept.
 *
 * A plugin may print anything at any speed, so a line has a greatest length, a
 * second has a greatest number of bytes, and bytes that are no text become the
 * replacement character. What is left out is said in its place.
 */
import type { Env, Millis } from "../base/env.ts";

export const LINE_BYTES_MAX = 8_192; // A line is read by people; more is a file.
export const PRINTED_BYTES_PER_SECOND_MAX = 1_048_576; // Per stream: faster than this nobody reads, and the host would only copy bytes.
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
    const cut = this.#bytes > LINE_BYTES_MAX ? `… (cut: ${this.#bytes} bytes)` : "";
    this.#parts = [];
    this.#bytes = 0;
    this.#onLine(text + cut);
  }
}

/** Reads a stream to its end as lines. Bytes beyond the second's budget are dropped and counted. Never rejects. */
export async function readLines(
  env: Env,
  stream: AsyncIterable<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  const splitter = new LineSplitter(onLine);
  let secondStart: Millis = env.mono();
  let left = PRINTED_BYTES_PER_SECOND_MAX;
  let dropped = 0;
  const turnOver = () => {
    secondStart = env.mono();
    left = PRINTED_BYTES_PER_SECOND_MAX;
    if (dropped > 0) onLine(`… ${dropped} bytes were dropped here: more was printed than is kept.`);
    dropped = 0;
  };
  try {
    for await (const chunk of stream) {
      if (env.mono() - secondStart >= 1_000) turnOver();
      if (chunk.length > left) dropped += chunk.length;
      else splitter.push(chunk);
      left = Math.max(0, left - chunk.length);
    }
  } catch {
    // The pipe broke: the process is gone, and what it printed before has been read.
  }
  splitter.end();
  if (dropped > 0) turnOver();
}

/** The newest `max` lines. */
export class LineRing {
  readonly #lines: string[] = [];
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  push(line: string): void {
    this.#lines.push(line);
    // Shifting each time would move the whole array for every line.
    if (this.#lines.length > 2 * this.#max) this.#lines.splice(0, this.#lines.length - this.#max);
  }

  last(count: number): string[] {
    return this.#lines.slice(-Math.min(count, this.#max));
  }
}
