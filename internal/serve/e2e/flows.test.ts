/** Flows of a thousand jobs on the real program: one that fails under each policy, a cancelled parent, and a host that is killed. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";

const CHILDREN = 1_000;
const LIMIT_MS = 60_000; // Generous: the machine may be busy with other tests.

interface Shown {
  id: string;
  state: string;
  waits: number;
  error: { message: string; kind: string } | null;
}

class Flow extends Place {
  readonly out: string;

  constructor() {
    super("");
    this.out = join(this.home, "out");
    this.write(
      "qntx.toml",
      `[plugin]\nenabled = ["crowd"]\npaths = ["${this.home}/plugins"]\nbundled = false\n\n[crowd]\nout = "${this.out}"\n`,
    );
    this.write("plugins/crowd.ts", readFileSync(join(import.meta.dir, "testdata/crowd.ts"), "utf8"));
  }

  /** A batch of a thousand, of which one fails when it is said which. */
  batch({
    failing,
    ms = 0,
    waitPolicy,
  }: {
    failing?: number;
    ms?: number;
    waitPolicy?: string;
  }): Promise<Shown> {
    const jobs = Array.from({ length: CHILDREN }, (_, n) => ({
      handler: "crowd.child",
      payload: { fails: n === failing, ms },
    }));
    return this.call<Shown>("job.batch", { jobs, completion: { handler: "crowd.last" }, waitPolicy });
  }

  end(id: string): Promise<Shown> {
    return this.call<Shown>("job.wait", { id, timeout: "60s" });
  }

  /** How many children of a job are in each state, once nothing more is open. */
  async children(parentId: string, { settled = true } = {}): Promise<Record<string, number>> {
    for (const until = Date.now() + LIMIT_MS; ;) {
      const states = await this.#states(parentId);
      const open = Object.keys(states).filter(
        (state) => !["completed", "failed", "cancelled"].includes(state),
      );
      if (!settled || open.length === 0) return states;
      if (Date.now() > until) throw new Error(`children are still open: ${JSON.stringify(states)}`);
      await Bun.sleep(50);
    }
  }

  async #states(parentId: string): Promise<Record<string, number>> {
    const states: Record<string, number> = {};
    let cursor: string | undefined;
    do {
      const page: { jobs: Shown[]; cursor: string | null } = await this.call("job.list", {
        parentId,
        limit: 500,
        cursor,
      });
      for (const { state } of page.jobs) states[state] = (states[state] ?? 0) + 1;
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return states;
  }

  /** How often the last job of a batch has run. */
  lasts(): number {
    return existsSync(this.out) ? readFileSync(this.out, "utf8").split("\n").length - 1 : 0;
  }
}

test(
  "of a batch of 1,000, one fails: the last job does as its policy says, and the others end as it says",
  async () => {
    await using place = new Flow();
    await place.start();
    const well = await place.batch({});
    expect(await place.end(well.id)).toMatchObject({ state: "completed" });
    expect(await place.children(well.id)).toEqual({ completed: 1_000 });

    const fail = await place.batch({ failing: 500, waitPolicy: "fail" });
    expect(await place.end(fail.id)).toMatchObject({ state: "failed", error: { kind: "awaited" } });
    expect(await place.children(fail.id)).toEqual({ completed: 999, failed: 1 });

    const goesOn = await place.batch({ failing: 500, waitPolicy: "continue" });
    expect(await place.end(goesOn.id)).toMatchObject({ state: "completed" });
    expect(await place.children(goesOn.id)).toEqual({ completed: 999, failed: 1 });
    expect(place.lasts()).toBe(2);

    const cancel = await place.batch({ failing: 0, ms: 20, waitPolicy: "cancel" });
    expect(await place.end(cancel.id)).toMatchObject({ state: "failed", error: { kind: "awaited" } });
    const { failed, cancelled = 0, completed = 0 } = await place.children(cancel.id);
    expect(failed).toBe(1);
    expect(cancelled).toBeGreaterThan(0);
    expect(cancelled + completed).toBe(999);
  },
  4 * LIMIT_MS,
);

test(
  "a job whose process is killed goes on behind its checkpoint",
  async () => {
    await using place = new Flow();
    await place.start();
    const { id } = await place.call<Shown>("job.enqueue", { handler: "crowd.steps" });
    expect(await place.end(id)).toMatchObject({ state: "completed", lost: 1, result: { from: 5 } });
  },
  LIMIT_MS,
);

test(
  "cancelling a running parent cancels its children, those that run and those that wait",
  async () => {
    await using place = new Flow();
    await place.start();
    const { id } = await place.call<Shown>("job.enqueue", {
      handler: "crowd.parent",
      payload: { children: CHILDREN },
    });
    while (((await place.children(id, { settled: false }))["scheduled"] ?? 0) < CHILDREN - 10)
      await Bun.sleep(25);
    const { jobs } = await place.call<{ jobs: Shown[] }>("job.list", { parentId: id, limit: 1 });
    expect(jobs[0]).toMatchObject({ costEstimate: 0.25 });
    await place.call("job.cancel", { id });
    expect(await place.end(id)).toMatchObject({ state: "cancelled" });
    expect(await place.children(id)).toEqual({ cancelled: CHILDREN });
  },
  2 * LIMIT_MS,
);

test(
  "a batch and a cancellation go on where they stood when the host was killed",
  async () => {
    await using place = new Flow();
    await place.start();
    const { id } = await place.batch({ ms: 40 });
    for (let kills = 0; kills < 3; kills++) {
      while (((await place.children(id, { settled: false }))["completed"] ?? 0) < (kills + 1) * 150)
        await Bun.sleep(25);
      await place.host.crash();
      await place.start();
    }
    expect(await place.end(id)).toMatchObject({ state: "completed", waits: 0 });
    expect(await place.children(id)).toEqual({ completed: CHILDREN });
    expect(place.lasts()).toBe(1);

    const stopped = await place.batch({ ms: 60 });
    await place.call("job.cancel", { id: stopped.id });
    await place.host.crash();
    await place.start();
    const { completed = 0, cancelled = 0 } = await place.children(stopped.id);
    expect(completed + cancelled).toBe(CHILDREN);
    expect(cancelled).toBeGreaterThan(CHILDREN / 2);
  },
  4 * LIMIT_MS,
);
