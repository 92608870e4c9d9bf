/**
 * Line oracle: occurrences that wait, for the run before them or for a lock. A row
 * comes to its end once; who waits for a lock runs only with it, and is another node's
 * only if that has it; and nobody is left waiting when there is nothing to wait for.
 */
import type { Millis } from "../../internal/base/env.ts";
import { FIRED_OUTCOMES } from "../../internal/schedule/schedule.ts";
import type { JobOracle } from "./job-oracle.ts";
import type { OccurrenceRecord } from "./journal.ts";
import { type LockServer, RIVAL } from "./locks.ts";
import { keyOf } from "./schedule-record.ts";
import type { World } from "./world.ts";

/** A lock that nobody was given so long after its occurrence is forgotten. */
const OVERDUE_MS: Millis = 5_000;

interface Waiting {
  scheduleId: string;
  node: string;
  /** The lock that it waits for; null when it waits for the run before it. */
  lock: string | null;
  /** What its schedule was when it began to wait. */
  definition: string;
}

export class LineOracle {
  readonly #world: World;
  readonly #jobs: JobOracle;
  readonly #locks: LockServer | null;
  readonly #lines = new Map<string, Map<Millis, Waiting>>();

  constructor(world: World, jobs: JobOracle, locks: LockServer | null) {
    this.#world = world;
    this.#jobs = jobs;
    this.#locks = locks;
  }

  /** How many wait at a cursor. */
  sizeOf(key: string): number {
    return this.#lines.get(key)?.size ?? 0;
  }

  /** What the schedule of one that waits was when it began to; undefined for one that does not. */
  definitionOf(key: string, occurrence: Millis): string | undefined {
    return this.#lines.get(key)?.get(occurrence)?.definition;
  }

  /** One begins to wait. */
  begins({ scheduleId, node, occurrence, lockKey: lock }: OccurrenceRecord, definition: string): void {
    const key = keyOf(scheduleId, node);
    const line = this.#lines.get(key) ?? new Map<Millis, Waiting>();
    this.#lines.set(key, line.set(occurrence, { scheduleId, node, lock, definition }));
  }

  /** The row of one that waits has changed: it came to its end, or got its lock. True when it does not wait any more. */
  changed(row: OccurrenceRecord): boolean {
    const line = this.#lines.get(keyOf(row.scheduleId, row.node));
    const waiting = line?.get(row.occurrence);
    const name = `${keyOf(row.scheduleId, row.node)}@${row.occurrence} (${row.outcome})`;
    if (!waiting) {
      this.#world.violate("I3", `${name} was decided already`);
      return false;
    }
    if (waiting.lock !== null) this.#checkLock(row, waiting.lock, name);
    if (row.outcome !== "pending") return line?.delete(row.occurrence) === true;
    this.#expect(waiting.lock !== null && row.lockKey === null, "I3", `${name} was changed and waits`);
    waiting.lock = null;
    return false;
  }

  /** Occurrences that wait for a run to end while none is open, or for a lock that nobody gives. */
  stranded(): string[] {
    return [...this.#lines].flatMap(([key, line]) =>
      [...line].flatMap(([at, waiting]) => (this.#isStranded(at, waiting) ? [`${key}@${at}`] : [])),
    );
  }

  #isStranded(occurrence: Millis, { scheduleId, node, lock }: Waiting): boolean {
    const now = this.#world.wall();
    if (lock !== null) return occurrence <= now - OVERDUE_MS;
    return occurrence <= now && this.#jobs.openOf(scheduleId, node).size === 0;
  }

  #checkLock({ outcome, node }: OccurrenceRecord, key: string, name: string): void {
    const holder = this.#locks?.holderOf(key);
    const own = holder !== undefined && holder !== RIVAL;
    this.#expect(node === "", "promise", `${name} asks for a lock on node ${node}`);
    if (FIRED_OUTCOMES.includes(outcome) || outcome === "pending")
      this.#expect(own, "promise", `${name} without its lock, which ${holder ?? "nobody"} has`);
    if (outcome === "other-node")
      this.#expect(holder === RIVAL, "promise", `${name}, and ${holder ?? "nobody"} has its lock`);
  }

  #expect(holds: boolean, invariant: string, message: string): void {
    if (!holds) this.#world.violate(invariant, message);
  }
}
