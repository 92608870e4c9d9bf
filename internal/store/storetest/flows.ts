/** What every engine promises about flows: jobs that wait for others, children, and what the end of one means for them. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { NewJob, WaitPolicy } from "../../job/job.ts";
import { COMPLETED, end, failed, newJob, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_one";

export function flowSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: flows`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const enqueue = (...jobs: Partial<NewJob>[]) =>
      at.store.jobs.enqueue(jobs.map((job) => newJob(at.env, job)));
    const claim = (limit = 1_000) =>
      at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane: "test.work", limit }] });
    /** Does what is to be done, in steps; gives the running jobs that were asked to end. */
    const follow = async (limit = 500) => {
      const stopped: string[] = [];
      for (let more = true; more;) {
        const step = await at.store.flows.step(limit);
        stopped.push(...step.stopped);
        ({ more } = step);
      }
      await at.store.jobs.promote(1_000);
      return stopped;
    };
    const states = async (...ids: string[]) =>
      Promise.all(ids.map(async (id) => (await at.store.jobs.get(id))?.state));

    test("a job that waits for others is due when the last of them has ended", async () => {
      await enqueue({ id: "a" }, { id: "b" }, { id: "w", waitFor: ["a", "b", "a"] });
      expect(await at.store.jobs.get("w")).toMatchObject({
        state: "scheduled",
        waits: 2,
        waitPolicy: "fail",
      });
      await at.store.jobs.promote(10);
      const [a, b] = await claim();
      if (!a || !b) throw new Error("a and b were not claimed");
      await end(at.store, at.env, a, COMPLETED);
      await follow();
      expect(await at.store.jobs.get("w")).toMatchObject({ state: "scheduled", waits: 1 });
      await end(at.store, at.env, b, COMPLETED);
      await follow();
      expect(await at.store.jobs.get("w")).toMatchObject({ state: "queued", waits: 0 });
    });

    test("it waits for its own time as well", async () => {
      await enqueue({ id: "a" }, { id: "w", waitFor: ["a"], runAt: at.env.now() + 5_000 });
      for (const job of await claim()) await end(at.store, at.env, job, COMPLETED);
      await follow();
      expect(await states("w")).toEqual(["scheduled"]);
      await at.env.advance(5_000);
      await at.store.jobs.promote(10);
      expect(await states("w")).toEqual(["queued"]);
    });

    test("what has ended already is not waited for, and what ran already is", async () => {
      await enqueue({ id: "done" });
      for (const job of await claim()) await end(at.store, at.env, job, COMPLETED);
      await enqueue({ id: "running" });
      const [running] = await claim();
      await enqueue(
        { id: "w", waitFor: ["done"] },
        { id: "v", waitFor: ["running"] },
        { id: "u", waitFor: ["gone"] },
      );
      await follow();
      expect(await states("w", "v", "u")).toEqual(["queued", "scheduled", "queued"]);
      if (running) await end(at.store, at.env, running, COMPLETED);
      await follow();
      expect(await states("v")).toEqual(["queued"]);
    });

    test("an end that was told in a step that was undone is told again", async () => {
      await enqueue({ id: "a" }, { id: "b" }, { id: "taken", tenant: "other" }, { id: "w", waitFor: ["a"] });
      const [a, b] = await claim(2);
      if (a?.id !== "a" || b?.id !== "b") throw new Error("a and b were not claimed");
      await enqueue({ id: "late", waitFor: ["b"] });
      await end(at.store, at.env, a, COMPLETED);
      // All in one transaction, which is undone because of the last.
      const ended = end(at.store, at.env, b, COMPLETED);
      const step = at.store.flows.step(10);
      await expect(enqueue({ id: "taken" })).rejects.toThrow("is taken");
      expect(await ended).toBe(true);
      await step;
      await follow();
      expect(await states("w", "late")).toEqual(["queued", "queued"]);
    });

    test("who waits for one that is gone waits for the job that takes its id before that is told", async () => {
      await enqueue({ id: "w", waitFor: ["again"] });
      await enqueue({ id: "again" });
      await follow();
      expect(await states("w")).toEqual(["scheduled"]);
      for (const job of await claim()) await end(at.store, at.env, job, COMPLETED);
      await follow();
      expect(await states("w")).toEqual(["queued"]);
    });

    test.each([
      // policy      the one who waits   the other that it waits for
      ["fail", "failed", "queued"],
      ["continue", "scheduled", "queued"],
      ["cancel", "failed", "cancelled"],
    ] as [WaitPolicy, string, string][])(
      "when one of those fails, and it says %s, it is %s and the other %s",
      async (waitPolicy, waiting, other) => {
        await enqueue({ id: "a" }, { id: "b" }, { id: "w", waitFor: ["a", "b"], waitPolicy });
        const [a] = await claim(1);
        if (!a) throw new Error("a was not claimed");
        await end(at.store, at.env, a, failed({ permanent: true, message: "no paper" }));
        await follow();
        expect(await states("w", "b")).toEqual([waiting, other] as never);
        if (waiting !== "failed") return;
        const message = "it waited for job a, which failed: no paper";
        expect((await at.store.jobs.get("w"))?.error).toEqual({ message, kind: "awaited", attempt: 0 });
      },
    );

    test("who waits for one that failed by waiting fails too", async () => {
      await enqueue({ id: "a" }, { id: "w", waitFor: ["a"] }, { id: "v", waitFor: ["w"] });
      const [a] = await claim(1);
      if (a) await end(at.store, at.env, a, failed({ permanent: true }));
      await follow();
      expect(await states("w", "v")).toEqual(["failed", "failed"]);
    });

    test("a paused job that waits is not let go by its resumption", async () => {
      await enqueue({ id: "a" }, { id: "w", waitFor: ["a"] });
      await at.store.jobs.pause("w", { by: "me", note: "" });
      await at.store.jobs.resume("w");
      expect(await states("w")).toEqual(["scheduled"]);
    });

    test("cancel reaches the children of a job, and theirs, whether they wait or run", async () => {
      await enqueue({ id: "p" });
      await claim();
      await enqueue({ id: "c1", parentId: "p" }, { id: "c2", parentId: "p" });
      await claim(1);
      await enqueue({ id: "g", parentId: "c1" }, { id: "other" });
      expect((await at.store.jobs.cancel("p", "me"))?.before).toBe("running");
      expect(await follow()).toEqual(["c1"]);
      expect(await states("p", "c1", "c2", "g", "other")).toEqual([
        "running",
        "running",
        "cancelled",
        "cancelled",
        "queued",
      ]);
      expect((await at.store.jobs.get("c2"))?.error?.message).toBe("cancelled by the end of its parent p");
    });

    test("cancel of a job that waits for its children reaches them", async () => {
      await enqueue(
        { id: "c1", parentId: "p" },
        { id: "c2", parentId: "p" },
        { id: "p", waitFor: ["c1", "c2"] },
      );
      await at.store.jobs.cancel("p", "me");
      await follow();
      expect(await states("p", "c1", "c2")).toEqual(["cancelled", "cancelled", "cancelled"]);
    });

    test.each([
      // what the parent says   its child, when it fails
      [undefined, "queued"],
      ["keep", "queued"],
      ["cancel", "cancelled"],
    ] as const)("a parent that fails and says %s leaves its child %s", async (childPolicy, child) => {
      await enqueue({ id: "p", childPolicy });
      const [parent] = await claim();
      await enqueue({ id: "c", parentId: "p" });
      if (parent) await end(at.store, at.env, parent, failed({ permanent: true }));
      await follow();
      expect(await states("c")).toEqual([child] as never);
    });

    test("a flow of many jobs is followed a few at a time, and what is left is done later", async () => {
      const ids = Array.from({ length: 50 }, (_, index) => `c${index}`);
      await enqueue(...ids.map((id) => ({ id, parentId: "p" })), {
        id: "p",
        waitFor: ids,
        waitPolicy: "cancel" as const,
      });
      const [first] = await claim(1);
      if (first) await end(at.store, at.env, first, failed({ permanent: true }));
      const { more } = await at.store.flows.step(7);
      expect(more).toBe(true);
      const cancelled = async () => (await at.store.jobs.counts()).cancelled;
      expect(await cancelled()).toBeLessThan(8);
      await follow(7);
      expect(await cancelled()).toBe(49);
      expect(await at.store.flows.step(7)).toEqual({ stopped: [], released: false, more: false });
    });

    test("an end that is refused by its fence concerns nobody", async () => {
      await enqueue({ id: "a" }, { id: "w", waitFor: ["a"] });
      const [a] = await claim();
      if (!a) throw new Error("a was not claimed");
      await end(at.store, at.env, a, { kind: "returned" });
      await claim();
      await end(at.store, at.env, a, COMPLETED);
      await follow();
      expect(await states("w")).toEqual(["scheduled"]);
    });
  });
}
