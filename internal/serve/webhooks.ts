/**
 * Webhooks: tells somebody else's program of every event, at least once, and in order
 * for each subject. What is not taken is tried again, with pauses that double, until it
 * is a day old; then an event says that it was given up.
 *
 * The other side may be broken or hostile: it has ten seconds, is followed nowhere, and
 * of what it answers only a status and the beginning of a sentence are read.
 */
import { type Env, type Millis, sleep } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import { aborted, type Service, type StopSignals } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import { Trouble } from "../pulse/trouble.ts";
import { type Delivery, WEBHOOK_PAUSE_MAX_MS, type WebhookStore } from "../store/webhooks.ts";

/** Where events are sent. */
export interface WebhookTarget {
  url: string;
  /** Signs what is sent; null sends it unsigned. */
  secret: string | null;
}

export interface WebhookLimits {
  /** At once: one slow subject must not hold up the others. */
  concurrency: number;
  /** For the whole answer. */
  answerMs: Millis;
  /** For what is under way when the host ends. */
  endMs: Millis;
  /** After the first try that failed; doubles. */
  pauseFirstMs: Millis;
  pauseMaxMs: Millis;
  /** An event that is older is given up, but not before it was tried so often: the clock may have been set. */
  giveUpAfterMs: Millis;
  triesMin: number;
}

export const WEBHOOK_LIMITS: WebhookLimits = {
  concurrency: 8,
  answerMs: 10_000,
  endMs: 2_000,
  pauseFirstMs: 1_000,
  pauseMaxMs: 900_000,
  giveUpAfterMs: 86_400_000, // A day: who is away longer reads the list of events.
  triesMin: 10,
};

export interface WebhooksOptions {
  env: Env;
  log: Log;
  webhooks: WebhookStore;
  /** Null sends nothing. */
  target: WebhookTarget | null;
  version: string;
  limits?: Partial<WebhookLimits>;
}

const NAP_MS: Millis = 500; // An event is on its way within this long.
const TROUBLE_PAUSE_MS: Millis = 1_000; // After a write that failed: a full disk is not helped by trying faster.
const REASON_BYTES_MAX = 300; // Enough for the sentence that says what is wrong.

export class Webhooks implements Service {
  readonly name = "webhooks";
  readonly #options: WebhooksOptions;
  readonly #limits: WebhookLimits;
  readonly #sending: Trouble;
  readonly #writing: Trouble;
  readonly #underWay = new Map<number, Promise<void>>();
  #wake = new AbortController();

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#limits = { ...WEBHOOK_LIMITS, ...options.limits };
    this.#sending = new Trouble(options.log);
    this.#writing = new Trouble(options.log);
  }

  /** Sends until `stop`; what is under way then has a moment, and goes again at the next start if that is too short. */
  async run({ stop, abort }: StopSignals): Promise<void> {
    const { env, log, webhooks, target } = this.#options;
    const left = await webhooks.enable(target !== null);
    if (left > 0)
      log.warn("events that waited for a webhook are not sent: none is configured", { count: left });
    if (target === null) return aborted(stop);
    const cut = new AbortController();
    const ending = AbortSignal.any([abort, cut.signal]);
    while (!stop.aborted) {
      this.#wake = new AbortController(); // Before looking, so that no end is missed.
      for (const delivery of await this.#due()) this.#start(delivery, target, ending);
      await sleep(env, NAP_MS, AbortSignal.any([stop, this.#wake.signal]));
    }
    const over = new AbortController();
    const ended = Promise.all(this.#underWay.values()).finally(() => over.abort());
    await sleep(env, this.#limits.endMs, AbortSignal.any([abort, over.signal]));
    cut.abort();
    await ended;
  }

  async #due(): Promise<Delivery[]> {
    const { concurrency } = this.#limits;
    try {
      const due = await this.#options.webhooks.due(concurrency);
      const others = due.filter(({ seq }) => !this.#underWay.has(seq));
      return others.slice(0, concurrency - this.#underWay.size);
    } catch (error) {
      this.#writing.failed("events for the webhook could not be read; trying again", error);
      return [];
    }
  }

  #start(delivery: Delivery, target: WebhookTarget, abort: AbortSignal): void {
    const sending = this.#deliver(delivery, target, abort).finally(() => {
      this.#underWay.delete(delivery.seq);
      this.#wake.abort();
    });
    this.#underWay.set(delivery.seq, sending);
  }

  /** One try, and what comes of it. Never rejects: what could not be written is sent again. */
  async #deliver(delivery: Delivery, target: WebhookTarget, abort: AbortSignal): Promise<void> {
    const reason = await this.#send(delivery, target, abort);
    if (reason !== null && abort.aborted) return;
    try {
      await this.#record(delivery, reason);
      this.#writing.over("what became of events for the webhook is written again");
    } catch (error) {
      this.#writing.failed(
        "what became of an event for the webhook could not be written; it is sent again",
        error,
      );
      await sleep(this.#options.env, TROUBLE_PAUSE_MS, abort);
    }
  }

  async #record({ seq, attempt, createdAt, eventId }: Delivery, reason: string | null): Promise<void> {
    const { env, log, webhooks } = this.#options;
    const { giveUpAfterMs, triesMin, pauseFirstMs, pauseMaxMs } = this.#limits;
    if (reason === null) {
      this.#sending.over("the webhook takes events again");
      return webhooks.sent(seq);
    }
    this.#sending.failed("an event could not be sent to the webhook; trying again", reason);
    if (attempt + 1 >= triesMin && env.now() - createdAt >= giveUpAfterMs) {
      log.error("an event is not sent to the webhook any more", { event: eventId, reason });
      return webhooks.giveUp(seq, reason);
    }
    const doubled = Math.min(pauseMaxMs, WEBHOOK_PAUSE_MAX_MS, pauseFirstMs * 2 ** attempt);
    const pauseMs = Math.round(doubled * (0.75 + env.random() / 4)); // Not all hosts at the same moment.
    return webhooks.failed(seq, { reason, dueAt: env.now() + pauseMs });
  }

  /** Null when it was taken; otherwise why it was not. */
  async #send(
    delivery: Delivery,
    { url, secret }: WebhookTarget,
    abort: AbortSignal,
  ): Promise<string | null> {
    const { env } = this.#options;
    const late = new AbortController();
    const cancel = env.after(this.#limits.answerMs, () => late.abort());
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: this.#headers(delivery, secret),
        body: delivery.body,
        redirect: "manual",
        signal: AbortSignal.any([late.signal, abort]),
      });
      if (!answer.ok) return `it answered ${answer.status}${await beginningOf(answer)}`;
      await answer.body?.cancel(); // Whatever it says: it has taken it.
      return null;
    } catch (error) {
      return late.signal.aborted ? `it did not answer within ${this.#limits.answerMs} ms` : messageOf(error);
    } finally {
      cancel();
    }
  }

  /** As standardwebhooks.com has them, so that a library can check them. */
  #headers({ eventId, body }: Delivery, secret: string | null): Record<string, string> {
    const timestamp = String(Math.floor(this.#options.env.now() / 1_000));
    return {
      "content-type": "application/json",
      "user-agent": `qntx/${this.#options.version}`,
      "webhook-id": eventId,
      "webhook-timestamp": timestamp,
      ...(secret !== null && {
        "webhook-signature": `v1,${sign(secret, `${eventId}.${timestamp}.${body}`)}`,
      }),
    };
  }
}

const SECRET_PREFIX = "whsec_"; // What follows is the key in base 64; any other secret is the key itself.

/** HMAC-SHA256 in base 64. */
function sign(secret: string, text: string): string {
  const key = secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), "base64")
    : Buffer.from(secret);
  return new Bun.CryptoHasher("sha256", key).update(text).digest("base64");
}

/** The beginning of what it said, on one line; empty when it said nothing. */
async function beginningOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  const text = new TextDecoder().decode(first?.value?.slice(0, REASON_BYTES_MAX));
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line === "" ? "" : `: ${line}`;
}
