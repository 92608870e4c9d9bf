/** What every engine promises about watchers: nothing that matches is left out, nothing twice, and nothing faster than it may. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { UNLIMITED } from "../../access/quota.ts";
import { type Watcher, WATCHER_AHEAD_MS } from "../../ats/watcher.ts";
import type { NewAttestation } from "../attestations.ts";
import { newAttestation, type Opened, type OpenStore } from "./fixture.ts";

const STEP = 4; // Attestations that are looked at at once: few, so that there are several steps.

export function watcherSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: watchers`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const watcher = (more: Partial<Watcher> = {}): Omit<Watcher, "plugin"> => ({
      id: "news",
      tenant: "",
      handler: "p.read",
      subjects: [],
      predicates: ["is"],
      contexts: [],
      actors: [],
      firesPerSecondMax: 10,
      queueDepth: UNLIMITED,
      ...more,
    });
    const attest = (...attestations: Partial<NewAttestation>[]) =>
      at.store.attestations.create(attestations.map((one) => newAttestation(at.env, one)));
    const jobs = async () => (await at.store.jobs.list({}, { limit: 1_000 })).items.toReversed();

    test.each<[what: string, filter: Partial<Watcher>, attestation: Partial<NewAttestation>, jobs: number]>([
      ["any value of a field", { subjects: ["x", "thing"] }, { subjects: ["y", "thing"] }, 1],
      ["all fields together", { contexts: ["news"] }, { contexts: ["sports"] }, 0],
      ["a field that is empty", { predicates: [], actors: ["somebody"] }, {}, 1],
      ["exactly", {}, { predicates: ["IS"] }, 0],
      ["of its own tenant", { tenant: "acme" }, { tenant: "acme" }, 1],
      ["not of another tenant", { tenant: "acme" }, {}, 0],
      ["not of a tenant, for the host's own", {}, { tenant: "acme" }, 0],
    ])("what matches becomes a job: %s", async (_, filter, attestation, count) => {
      await at.store.watchers.declare("p", [watcher(filter)]);
      const [written] = await attest(attestation);
      const made = await jobs();
      expect(made).toHaveLength(count);
      if (!made[0]) return;
      expect(made[0]).toMatchObject({
        tenant: filter.tenant ?? "",
        plugin: "p",
        handler: "p.read",
        trigger: "watcher",
        owner: "plugin:p",
        state: "queued",
      });
      const payload = JSON.parse(new TextDecoder().decode(made[0].payload)) as Record<string, unknown>;
      const time = new Date(at.env.now()).toISOString();
      expect(payload).toMatchObject({
        id: written?.id,
        predicates: ["is"],
        timestamp: time,
        created_at: time,
      });
    });

    test("an attestation that is refused, or was there, makes no job", async () => {
      await at.store.watchers.declare("p", [watcher()]);
      const one = newAttestation(at.env);
      await at.store.attestations.create([one, one]);
      await at.store.attestations.create([one]);
      const broken = { ...newAttestation(at.env), attributes: { n: 1n as unknown as number } };
      await expect(at.store.attestations.create([newAttestation(at.env), broken])).rejects.toThrow("BigInt");
      expect(await jobs()).toHaveLength(1);
    });

    test("a declaration replaces the one before: who stays goes on, who is new begins now, who is gone watches no more", async () => {
      const { watchers } = at.store;
      await watchers.declare("p", [watcher(), watcher({ id: "old" })]);
      await watchers.declare("other", [watcher({ handler: "other.read" })]);
      await attest({});
      await watchers.declare("p", [watcher({ handler: "p.again" }), watcher({ id: "new" })]);
      expect(await watchers.of("p")).toMatchObject([
        { id: "new", fires: 0, lastFiredAt: null },
        { id: "news", fires: 1, lastFiredAt: at.env.now(), handler: "p.again", behind: false },
      ]);
      await watchers.declare("p", []);
      expect([await watchers.of("p"), watchers.any]).toEqual([[], true]);
      await watchers.keep(["p"]);
      expect(watchers.any).toBe(false);
      await attest({});
      expect(await jobs()).toHaveLength(3);
    });

    test("its jobs begin no faster than it may, and what is too much for a minute is come to later: all of it, in order, once", async () => {
      const { watchers, attestations } = at.store;
      await watchers.declare("p", [watcher({ firesPerSecondMax: 1 })]);
      const minute = WATCHER_AHEAD_MS / 1_000 + 1;
      const subjects = Array.from({ length: minute + 10 }, (_, n) => [`n${n}`, n % 2 === 0 ? "even" : "odd"]);
      await attest(...subjects.slice(0, minute + 5).map((of) => ({ subjects: of })));
      expect(await jobs()).toHaveLength(minute);
      expect(await watchers.of("p")).toMatchObject([{ behind: true, fires: minute }]);
      await attest(...subjects.slice(minute + 5).map((of) => ({ subjects: of })));
      expect(await watchers.catchUp(STEP)).toEqual({ made: 0, more: false });

      await at.env.advance(8_000);
      expect(await watchers.catchUp(STEP)).toEqual({ made: STEP, more: true });
      expect(await watchers.catchUp(STEP)).toEqual({ made: STEP, more: true });
      expect(await watchers.catchUp(STEP)).toEqual({ made: 0, more: false });
      await at.env.advance(WATCHER_AHEAD_MS);
      expect(await watchers.catchUp(STEP)).toEqual({ made: 2, more: false });
      expect(await watchers.of("p")).toMatchObject([{ behind: false }]);
      await attest({ subjects: ["last"] });

      const made = await jobs();
      const seen = made.map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)).subjects[0]);
      expect(seen).toEqual([...subjects.map(([name]) => name), "last"]);
      expect(made).toHaveLength(await attestations.count());
      const gaps = made.slice(1).map(({ runAt }, i) => runAt - (made[i]?.runAt ?? 0));
      expect(Math.min(...gaps)).toBe(1_000);
      const events = await at.store.events.list({}, { limit: 10 });
      expect(events.items.map(({ kind }) => kind)).toEqual(["watcher.behind"]);
    });

    test("while its plugin's queue is full it makes no jobs, and comes to the rest when there is room", async () => {
      const { watchers } = at.store;
      await watchers.declare("p", [watcher({ queueDepth: 2 }), watcher({ id: "other", queueDepth: 2 })]);
      await attest({ subjects: ["first"] }, { subjects: ["second"] });
      const [one, two] = await jobs();
      expect(await jobs()).toHaveLength(2);
      expect(await watchers.of("p")).toMatchObject([{ behind: true }, { behind: true }]);
      expect(await at.store.jobs.quotaUse({ plugin: "p", tenant: "" })).toMatchObject({ queueDepth: 2 });
      const events = await at.store.events.list({}, { limit: 10 });
      expect(events.items.map(({ message }) => message)).toEqual([
        "Watcher news of plugin p makes no more jobs while its plugin has 2 that have not ended: the rest waits.",
      ]);
      for (const job of [one, two]) await at.store.jobs.cancel(job?.id ?? "", "operator");
      await at.env.advance(1_000);
      expect(await watchers.catchUp(STEP)).toEqual({ made: 2, more: false });
      expect(await jobs()).toHaveLength(4);
      expect(await watchers.of("p")).toMatchObject([{ behind: false }, { behind: false }]);
    });

    test("one that falls behind every second is an event every ten minutes", async () => {
      await at.store.watchers.declare("p", [watcher({ queueDepth: 0 })]);
      const said = async () => (await at.store.events.list({}, { limit: 10 })).items.length;
      const again = async () => {
        await at.store.watchers.declare("p", []);
        await at.store.watchers.declare("p", [watcher({ queueDepth: 0 })]);
        await attest({});
        expect(await at.store.watchers.of("p")).toMatchObject([{ behind: true }]);
      };
      await again();
      await at.env.advance(599_999);
      await again();
      expect(await said()).toBe(1);
      await at.env.advance(1);
      await again();
      expect(await said()).toBe(2);
    });

    test("a clock that was set back does not stop it", async () => {
      await at.store.watchers.declare("p", [watcher({ firesPerSecondMax: 1 })]);
      await attest({}, {});
      at.env.jump(-86_400_000);
      await attest({});
      expect((await jobs()).at(-1)).toMatchObject({ state: "queued", runAt: at.env.now() });
    });
  });
}
