/** Raw: bun:sqlite alone, with one table of three columns and one index, as durable as ours. The floor of every write. */
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callsPerSecond } from "./measure.ts";

const BATCH = 1_000;
const CLAIM = 256; // As many as a plugin with a stream is given at once.

/** A table of jobs with nothing around it. */
export class RawQueue implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  readonly #db = new Database(join(this.#folder, "raw.db"), { create: true, strict: true });

  constructor() {
    for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"])
      this.#db.run(`PRAGMA ${pragma}`);
    this.#db.run(SCHEMA);
  }

  /** Jobs a second, one to a commit. */
  inserts(ms: number): Promise<number> {
    const insert = this.#db.prepare(INSERT);
    return callsPerSecond({ callers: 1, ms }, async () => insert.run("{}"));
  }

  /** Jobs a second, a thousand to a commit. */
  async batches(ms: number): Promise<number> {
    return BATCH * (await callsPerSecond({ callers: 1, ms }, async () => this.fill(BATCH)));
  }

  /** Milliseconds of each of so many durable inserts. */
  insertTimes(count: number): number[] {
    const insert = this.#db.prepare(INSERT);
    return Array.from({ length: count }, () => {
      const startedAt = performance.now();
      insert.run("{}");
      return performance.now() - startedAt;
    });
  }

  fill(count: number): void {
    const insert = this.#db.prepare(INSERT);
    this.#db.transaction(() => {
      for (let n = 0; n < count; n++) insert.run("{}");
    })();
  }

  /** Jobs a second when each commit completes what the last one claimed and claims the next, with nothing in between. */
  drain(count: number): number {
    const claim = this.#db.prepare<{ id: number }, [number]>(CLAIM_SQL);
    const complete = this.#db.prepare("UPDATE job SET state = 2 WHERE id = ? AND state = 1");
    const round = this.#db.transaction((held: readonly { id: number }[]) => {
      for (const { id } of held) complete.run(id);
      return claim.all(CLAIM);
    });
    this.fill(count);
    const startedAt = performance.now();
    for (let held = round([]); held.length > 0;) held = round(held);
    return count / ((performance.now() - startedAt) / 1_000);
  }

  [Symbol.dispose](): void {
    this.#db.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const SCHEMA = `
  CREATE TABLE job (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, payload TEXT NOT NULL);
  CREATE INDEX job_queued ON job (id) WHERE state = 0`;

const INSERT = "INSERT INTO job (payload) VALUES (?)";

const CLAIM_SQL = `
  UPDATE job
     SET state = 1
   WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?)
  RETURNING id, payload`;
