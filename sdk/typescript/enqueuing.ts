/**
 * Enqueuing: calls of Enqueue on the job stream, which is open already. A call of its own
 * opens an HTTP/2 stream, and costs three times as much as a message there and back.
 *
 * Large ones, and those of a plugin that has no stream, go the way of all other calls.
 * What was asked for first arrives first: nobody changes over while a call is under way.
 */
import {
  type EnqueueRequest,
  type EnqueueResponse,
  HostServiceService as Service,
} from "../../proto/gen/qntx/v1/host.ts";
import type { EnqueueAnswer, EnqueueCall } from "../../proto/gen/qntx/v1/plugin.ts";
import { type Ask, CALL_TIMEOUT_MS } from "./call.ts";
import type { Clock } from "./channel.ts";
import { HostError } from "./host-error.ts";

export const STREAM_CALL_BYTES_MAX = 1_048_576; // Of payloads: what is larger would hold up the endings behind it.

/** Answers when the jobs are on disk. Rejects with a HostError. */
export type Enqueue = (request: EnqueueRequest) => Promise<EnqueueResponse>;

/** A job stream, as far as it takes jobs. */
export interface EnqueueStream {
  readonly enqueues: EnqueueCalls;
}

interface Waiting {
  resolve(response: EnqueueResponse): void;
  reject(error: HostError): void;
  until: number;
}

/** The real world; what waits in it keeps no process from ending. */
const CLOCK: Clock = {
  mono: () => performance.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

/** The calls of one stream that wait for their answers. */
export class EnqueueCalls {
  readonly #send: (call: EnqueueCall) => void;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #onEmpty: (() => void)[] = [];
  #watched = false;
  #count = 0;

  constructor(send: (call: EnqueueCall) => void, clock = CLOCK) {
    this.#send = send;
    this.#clock = clock;
  }

  ask: Enqueue = (request) => {
    const number = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject, until: this.#clock.mono() + CALL_TIMEOUT_MS });
      this.#watch(CALL_TIMEOUT_MS);
      this.#send({ number, request });
    });
  };

  take({ number, response, code, message, faults }: EnqueueAnswer): void {
    const call = this.#remove(number);
    if (response) call?.resolve(response);
    else call?.reject(new HostError(code || "UNKNOWN", message || code, faults));
  }

  /** Nobody answers any more. */
  close(): void {
    for (const number of this.#waiting.keys())
      this.#refuse(
        number,
        "UNAVAILABLE",
        "The job stream ended before the host had answered: whether the jobs are there, nobody knows.",
      );
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Resolves when all calls are answered. */
  emptied(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#onEmpty.push(resolve));
  }

  /** One timer for all of them, which are late in the order in which they were made. */
  #watch(delayMs: number): void {
    if (this.#watched) return;
    this.#watched = true;
    this.#clock.after(delayMs, () => {
      this.#watched = false;
      for (const [number, { until }] of this.#waiting) {
        const leftMs = until - this.#clock.mono();
        if (leftMs > 0) return this.#watch(leftMs);
        this.#refuse(number, "DEADLINE_EXCEEDED", "It took longer than it may.");
      }
    });
  }

  #refuse(number: number, code: string, message: string): void {
    this.#remove(number)?.reject(new HostError(code, message));
  }

  #remove(number: number): Waiting | undefined {
    const call = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (this.isEmpty) for (const resolve of this.#onEmpty.splice(0)) resolve();
    return call;
  }
}

/** Enqueues over the stream that is open, if there is one, and by calls otherwise. */
export function enqueuing(ask: Ask, stream: () => EnqueueStream | undefined): Enqueue {
  let calls = 0;
  return async (request) => {
    const open = stream()?.enqueues;
    if (open && calls === 0 && isSmall(request)) return open.ask(request);
    calls++;
    try {
      await open?.emptied();
      return await ask(Service.enqueue, request);
    } finally {
      calls--;
    }
  };
}

function isSmall({ jobs }: EnqueueRequest): boolean {
  let bytes = 0;
  for (const { payload } of jobs) bytes += payload.length;
  return bytes <= STREAM_CALL_BYTES_MAX;
}
