/** What every engine promises about many jobs at once. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { JOB_STATES, type NewJob } from "../../job/job.ts";
import type { BulkFilter } from "../bulk.ts";
import { COMPLETED, end, failed, newJob, type Opened, type OpenStore } from "./fixture.ts";

const BOOT = "BT_x";

export function bulkSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: bulk`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const matching = async (filter: Partial<BulkFilter>) => {
      const ids: string[] = [];
      for (
        let from: { after: number; upTo: number } | null = null, first = true;
        first || from;
        first = false
      ) {
        const { found, next } = await at.store.bulk.match({ states: JOB_STATES, ...filter }, from);
        ids.push(...found.map(({ id }) => id));
        from = next;
      }
      return ids;
    };
    const retryOf = (id: string): NewJob & { retryOf: string } => ({
      ...newJob(at.env, { trigger: "retry" }),
      retryOf: id,
    });

    /** Jobs a (failed: Offline), b (failed: Timeout), c (completed), d (queued), a second between their ends. */
    const make = async () => {
      const names = ["a", "b", "c", "d"];
      await at.store.jobs.enqueue(
        names.map((id) => newJob(at.env, { id, handler: id === "d" ? "other" : "test.work" })),
      );
      const jobs = await at.store.jobs.claim({ bootId: BOOT, lanes: [{ lane: "test.work", limit: 3 }] });
      const endings = [
        failed({ permanent: true, errorKind: "Offline" }),
        failed({ permanent: true, errorKind: "Timeout" }),
        COMPLETED,
      ];
      for (const [index, job] of jobs.entries()) {
        await at.env.advance(1_000);
        await end(at.store, at.env, job, endings[index] ?? COMPLETED);
      }
    };

    test.each([
      // filter                                             finds
      [{}, ["a", "b", "c", "d"]],
      [{ states: ["failed"] }, ["a", "b"]],
      [{ states: ["failed", "completed"] }, ["a", "b", "c"]],
      [{ handler: "other" }, ["d"]],
      [{ handler: "test.work", states: ["completed"] }, ["c"]],
      [{ states: ["failed"], errorKind: "Timeout" }, ["b"]],
      [{ states: ["failed"], handler: "other" }, []],
      [{ scheduleId: "SC_none" }, []],
    ] as [Partial<BulkFilter>, string[]][])("%j finds %j", async (filter, found) => {
      await make();
      expect(await matching(filter)).toEqual(found);
    });

    test.each([
      // handler            finds
      ["test.work", ["none"]],
      ["acme@test.work", ["acme", "acme-p"]],
      ["acme@p/test.work", ["acme-p"]],
      ["p/test.work", []],
      ["beta@test.work", []],
    ])("%s names the jobs of one tenant, or of none", async (handler, found) => {
      const address = { handler: "test.work", tenant: "acme" };
      await at.store.jobs.enqueue([
        newJob(at.env, { id: "none", handler: "test.work" }),
        newJob(at.env, { id: "acme", ...address }),
        newJob(at.env, { id: "acme-p", ...address, plugin: "p" }),
      ]);
      expect(await matching({ handler })).toEqual(found);
      expect(await matching({ handler, states: ["queued"] })).toEqual(found);
    });

    test("a span is of the ends", async () => {
      const start = at.env.now();
      await make();
      const states = ["failed", "completed"] as const;
      expect(await matching({ states, since: start + 2_000 })).toEqual(["b", "c"]);
      expect(await matching({ states, until: start + 2_000 })).toEqual(["a"]);
    });

    test("stretch by stretch everything is found once, and nothing that came later", async () => {
      const ids = Array.from({ length: 4_321 }, (_, index) => `job-${index}`);
      await at.store.jobs.enqueue(ids.map((id) => newJob(at.env, { id })));
      const { found, next } = await at.store.bulk.match({ states: ["queued"] }, null);
      await at.store.jobs.enqueue([newJob(at.env)]);
      const rest: string[] = [];
      for (let from = next; from;) {
        const stretch = await at.store.bulk.match({ states: ["queued"] }, from);
        rest.push(...stretch.found.map(({ id }) => id));
        from = stretch.next;
      }
      expect([...found.map(({ id }) => id), ...rest]).toEqual(ids);
    });

    test("a job is retried once by bulk, however often it is asked", async () => {
      await make();
      const [first] = await at.store.bulk.retry([retryOf("a")]);
      expect(first).toMatchObject({ state: "queued", created: true });
      expect(await at.store.bulk.retry([retryOf("a"), retryOf("b")])).toMatchObject([
        { id: first?.id, created: false },
        { created: true },
      ]);
      expect(await matching({ states: ["failed"], notRetried: true })).toEqual([]);
      expect(await matching({ states: ["failed"] })).toEqual(["a", "b"]);
    });

    test("cancel says in which state each was, and leaves alone what has ended", async () => {
      await make();
      expect(await at.store.bulk.cancel(["d", "c", "nobody"], "me")).toEqual(["queued", "completed", null]);
      expect(await at.store.bulk.cancel(["d"], "me")).toEqual(["cancelled"]);
    });
  });
}
