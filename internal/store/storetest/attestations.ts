/** What every engine promises about attestations, logs, nodes and the audit trail. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Metered, usualQuota } from "../../access/quota.ts";
import type { AttestationFilter } from "../../ats/attestation.ts";
import { newAttestation, type Opened, type OpenStore } from "./fixture.ts";

export function attestationSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: attestations, logs, audit`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    test("what was attested is given back, and once", async () => {
      const attestation = newAttestation(at.env, { attributes: { deep: [1, { ü: null }] }, timestamp: 5 });
      expect(await at.store.attestations.create([attestation])).toHaveLength(1);
      expect(await at.store.attestations.create([attestation])).toEqual([]);
      expect(await at.store.attestations.get(attestation.id, "")).toMatchObject({
        ...attestation,
        createdAt: at.env.now(),
      });
      expect(await at.store.attestations.count()).toBe(1);
    });

    test("a tenant has statements and ids of its own", async () => {
      const { attestations } = at.store;
      const own = newAttestation(at.env, { source: "own" });
      const acme = { ...own, tenant: "acme", source: "acme" };
      expect(await attestations.create([own, acme, acme])).toHaveLength(2);
      expect((await attestations.get(own.id, "acme"))?.source).toBe("acme");
      expect(await attestations.get(own.id, "globex")).toBeNull();
      for (const subjects of [undefined, ["thing"], ["thing", "other"]]) {
        const found = async (tenant?: string) =>
          (await attestations.query({ subjects, tenant })).map(({ source }) => source);
        expect([await found(""), await found("acme"), await found("globex")]).toEqual([
          ["own"],
          ["acme"],
          [],
        ]);
        expect(await found()).toEqual(["acme", "own"]);
      }
    });

    test("a plugin writes as many, and as much, as its quota allows; what it said already costs nothing", async () => {
      const { attestations } = at.store;
      const metered = (quota: Partial<Metered["quota"]>, tenant = "acme"): Metered => ({
        plugin: "demo",
        tenant,
        quota: { ...usualQuota("guest"), ...quota },
      });
      const some = (count: number, source = "é") =>
        Array.from({ length: count }, () => newAttestation(at.env, { tenant: "acme", source }));
      const use = (tenant = "acme") => attestations.quotaUse({ plugin: "demo", tenant });
      const three = metered({ attestations: 3 });
      const [first, second] = some(2);
      if (!first || !second) throw new Error("there are two");
      expect(await attestations.createWithin(three, [first, second])).toHaveLength(2);
      // ["thing"], ["is"], ["_"], ["somebody"], é and {}.
      const each = 9 + 6 + 5 + 12 + 2 + 2;
      expect(await use()).toEqual({ attestations: 2, attestationBytes: 2 * each });
      expect(await attestations.createWithin(three, some(2))).toEqual({
        exceeded: { limit: "attestations", allows: 3, used: 4 },
      });
      expect(await attestations.createWithin(three, [first, ...some(1), second])).toHaveLength(1);
      expect(await attestations.createWithin(three, [first, second])).toEqual([]);
      const room = metered({ attestationBytes: 4 * each });
      expect(await attestations.createWithin(room, some(1, "long"))).toEqual({
        exceeded: { limit: "attestationBytes", allows: 4 * each, used: 4 * each + 2 },
      });
      expect(await attestations.createWithin(room, some(1))).toHaveLength(1);
      expect(await use()).toEqual({ attestations: 4, attestationBytes: 4 * each });
      const own = { ...newAttestation(at.env), tenant: "globex" };
      expect(await attestations.createWithin(metered({ attestations: 1 }, "globex"), [own])).toHaveLength(1);
      expect(await use("globex")).toMatchObject({ attestations: 1 });
      await attestations.create(some(1)); // By people: nobody's quota.
      expect(await use()).toMatchObject({ attestations: 4 });
      expect(await attestations.count()).toBe(6);
    });

    test("of two hundred writes of a plugin at once, exactly fifty are made", async () => {
      const quota = { ...usualQuota("guest"), attestations: 50 };
      const write = () =>
        at.store.attestations.createWithin({ plugin: "demo", tenant: "", quota }, [newAttestation(at.env)]);
      const answers = await Promise.all(Array.from({ length: 200 }, write));
      expect(answers.filter((answer) => !("exceeded" in answer))).toHaveLength(50);
      expect(await at.store.attestations.count()).toBe(50);
    });

    test.each([
      // filter                                                   found, last written first
      [{}, ["c", "b", "a"]],
      [{ limit: 2 }, ["c", "b"]],
      [{ subjects: ["x"] }, ["b", "a"]],
      [{ subjects: ["x", "z"] }, ["c", "b", "a"]],
      [{ subjects: ["x"], predicates: ["p2"] }, ["b"]],
      [{ predicates: ["p1"], contexts: ["ctx"] }, ["a"]],
      [{ subjects: ["x"], predicates: ["p1"], contexts: ["ctx"], actors: ["me"] }, ["a"]],
      [{ subjects: ["x"], predicates: ["p1"], contexts: ["ctx"], actors: ["you"] }, []],
      [{ timeStart: 20, timeEnd: 20 }, ["b"]],
      [{ subjects: ["X"] }, []],
    ] as [AttestationFilter, string[]][])("the filter %p", async (filter, found) => {
      const rows = [
        {
          source: "a",
          subjects: ["x", "y"],
          predicates: ["p1"],
          contexts: ["ctx"],
          actors: ["me"],
          timestamp: 10,
        },
        { source: "b", subjects: ["x"], predicates: ["p2"], timestamp: 20 },
        { source: "c", subjects: ["z"], predicates: ["p1"], timestamp: 30 },
      ];
      for (const row of rows) await at.store.attestations.create([newAttestation(at.env, row)]);
      expect((await at.store.attestations.query(filter)).map(({ source }) => source)).toEqual(found);
    });

    test("log lines are numbered, and read from where one stopped", async () => {
      const line = { at: 1, attempt: 1, level: "info", message: "m", stage: "", fields: "" };
      at.store.logs.append("JB_a", [line, { ...line, message: "n" }]);
      at.store.logs.append("JB_b", [line]);
      at.store.logs.append("JB_a", [{ ...line, message: "o" }]);
      expect((await at.store.logs.read("JB_a", {})).map(({ seq, message }) => [seq, message])).toEqual([
        [1, "m"],
        [2, "n"],
        [3, "o"],
      ]);
      expect(await at.store.logs.read("JB_a", { after: 2 })).toHaveLength(1);
    });

    test("a log that is full says so in one line", async () => {
      const line = {
        at: 1,
        attempt: 1,
        level: "info",
        message: "x".repeat(2_500_000),
        stage: "",
        fields: "",
      };
      for (let i = 0; i < 6; i++) at.store.logs.append("JB_a", [line]);
      const lines = await at.store.logs.read("JB_a", {});
      expect(lines.map(({ message }) => message.length > 1000)).toEqual([true, true, true, false]);
      expect(lines.at(-1)?.message).toContain("full");
    });

    test("the audit trail is read newest first", async () => {
      for (const operation of ["a", "b", "c"]) {
        await at.store.audit.add({
          id: operation,
          principal: "me",
          operation,
          subject: "s",
          allowed: operation !== "b",
          detail: "",
        });
      }
      const first = await at.store.audit.list({ limit: 2 });
      expect(first.items.map(({ operation, allowed }) => [operation, allowed])).toEqual([
        ["c", true],
        ["b", false],
      ]);
      expect((await at.store.audit.list({ limit: 2, cursor: first.cursor ?? "" })).items).toHaveLength(1);
    });

    test("a node has one id, and its leases can be renewed and released", async () => {
      const nodeId = await at.store.nodes.nodeId();
      expect(await at.store.nodes.nodeId()).toBe(nodeId);
      const boot = { bootId: "BT_a", nodeId, version: "1", leaseMs: 10_000, seen: true };
      expect(await at.store.nodes.renew(boot)).toBe(true);
      expect(await at.store.nodes.renew(boot)).toBe(true);
      await at.store.nodes.release("BT_a");
    });

    test("the time that was believed last is kept for the next boot; one that was not is not", async () => {
      const nodeId = await at.store.nodes.nodeId();
      const renew = (seen: boolean) =>
        at.store.nodes.renew({ bootId: "BT_a", nodeId, version: "1", leaseMs: 1, seen });
      expect(await at.store.nodes.lastSeenAt()).toBeNull();
      await renew(true);
      const seenAt = at.env.now();
      at.env.jump(1_000_000);
      await renew(false);
      expect(await at.store.nodes.lastSeenAt()).toBe(seenAt);
    });
  });
}
