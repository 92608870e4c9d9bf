/**
 * Verify ledger: reads the ledger of a schedule and holds it against everything that
 * was planned.
 *
 * It reads while the host writes: the cursors are read first, and only what lies
 * before them is judged, because that does not change any more. A row beyond its
 * cursor is judged by where the cursor stands afterwards.
 */
import { type Env, type Millis, turn } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import type { Occurrence, Schedule } from "../schedule/schedule.ts";
import { knownAfter } from "../schedule/terms.ts";
import { type Finding, pendingUntil, Verification } from "../schedule/verify.ts";
import type { CursorHistory } from "../store/ledger.ts";
import type { Store } from "../store/store.ts";

export const OVERDUE_MS: Millis = 60_000; // So long after its time anybody would have come by.

const PAGE_ROWS = 1_000; // Read and checked in some milliseconds; then others have their turn.
const TURN_MS: Millis = 5; // Within the start lateness that is promised for a job.

/** How the ledger of one schedule compares with what was planned. */
export interface LedgerVerdict {
  planned: number;
  dup: number;
  gap: number;
  unjudged: number;
  findings: (Finding & { node: string })[];
  /** Rows that wait beyond their time, and cursors that nobody has moved since they were due. */
  overdue: string[];
  /** Why nobody can say what was planned; null when somebody can. */
  broken: string | null;
}

/** Compares one ledger. `breathe` is awaited between pages. */
export async function verifyLedger(
  store: Store,
  schedule: Schedule,
  { now, breathe }: { now: Millis; breathe: () => Promise<void> },
): Promise<LedgerVerdict> {
  for (;;) {
    const from = await store.ledger.horizon();
    const reading = new Reading(store, schedule, { from: from ?? Number.MIN_SAFE_INTEGER, now });
    const verdict = await reading.verdict(breathe);
    if ((await store.ledger.horizon()) === from) return verdict; // Otherwise old rows went while we read.
  }
}

/** A turn for others, when some milliseconds have passed since the last one. */
export function breather(env: Env): () => Promise<void> {
  let since = env.mono();
  return async () => {
    if (env.mono() - since < TURN_MS) return;
    await turn(env);
    since = env.mono();
  };
}

/** One reading of one ledger. */
class Reading {
  readonly #store: Store;
  readonly #schedule: Schedule;
  readonly #from: Millis;
  readonly #now: Millis;
  readonly #verdict: LedgerVerdict = {
    planned: 0,
    dup: 0,
    gap: 0,
    unjudged: 0,
    findings: [],
    overdue: [],
    broken: null,
  };
  /** Rows beyond their cursor, as it was when we began. */
  readonly #beyond: Occurrence[] = [];

  constructor(store: Store, schedule: Schedule, { from, now }: { from: Millis; now: Millis }) {
    this.#store = store;
    this.#schedule = schedule;
    this.#from = from;
    this.#now = now;
  }

  async verdict(breathe: () => Promise<void>): Promise<LedgerVerdict> {
    const histories = await this.#store.ledger.history(this.#schedule.id);
    if (histories.some(({ accountedUntil }) => accountedUntil === null)) {
      this.#verdict.broken = "where it stands is gone. Repair that first: qntx doctor --repair";
      return this.#verdict;
    }
    const cursors = new Map(histories.map((history) => [history.node, this.#cursor(history)]));
    try {
      for await (const row of this.#rows(breathe)) {
        const cursor = cursors.get(row.node);
        if (row.outcome === "pending") this.#look(row);
        if (cursor && row.occurrence <= cursor.until) cursor.verification.row(row);
        else this.#beyond.push(row);
      }
      for (const [node, { verification }] of cursors) this.#take(node, verification.end());
    } catch (error) {
      this.#verdict.broken = messageOf(error);
      return this.#verdict;
    }
    await this.#judgeBeyond();
    return this.#verdict;
  }

  #cursor({ node, accountedUntil, dueAt, terms }: CursorHistory) {
    const until = accountedUntil ?? this.#from;
    const from = Math.max(this.#from, knownAfter(terms) ?? this.#from);
    if (dueAt !== null && dueAt < this.#now - OVERDUE_MS)
      this.#verdict.overdue.push(`cursor@${node} due ${dueAt}`);
    const { tzdata } = this.#store.ledger;
    return {
      until,
      verification: new Verification({ terms, accountedUntil: until, from, tzdata }),
    };
  }

  async *#rows(breathe: () => Promise<void>): AsyncGenerator<Occurrence> {
    const { schedules } = this.#store;
    for (let cursor: string | undefined; ;) {
      const page = await schedules.ledger(
        this.#schedule.id,
        { from: this.#from },
        { limit: PAGE_ROWS, cursor },
      );
      yield* page.items;
      await breathe();
      if (page.cursor === null) return;
      cursor = page.cursor;
    }
  }

  #look({ occurrence, node }: Occurrence): void {
    if (pendingUntil(occurrence, this.#schedule.policy) < this.#now - OVERDUE_MS)
      this.#verdict.overdue.push(`${occurrence}@${node}`);
  }

  #take(node: string, { planned, dup, gap, unjudged, findings }: ReturnType<Verification["end"]>): void {
    this.#verdict.planned += planned;
    this.#verdict.dup += dup;
    this.#verdict.gap += gap;
    this.#verdict.unjudged += unjudged;
    this.#verdict.findings.push(...findings.map((finding) => ({ ...finding, node })));
  }

  /** What was beyond its cursor when we began may have been written since; the cursor has moved with it then. */
  async #judgeBeyond(): Promise<void> {
    if (this.#beyond.length === 0) return;
    const histories = await this.#store.ledger.history(this.#schedule.id);
    const until = new Map(histories.map(({ node, accountedUntil }) => [node, accountedUntil]));
    for (const { node, occurrence, count } of this.#beyond) {
      if (occurrence <= (until.get(node) ?? Number.NEGATIVE_INFINITY)) continue;
      this.#verdict.dup += count;
      this.#verdict.findings.push({ kind: "unplanned", at: occurrence, count, node });
    }
  }
}
