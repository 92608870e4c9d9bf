/** What every engine promises about what plugins store by key. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type Metered, usualQuota } from "../../access/quota.ts";
import type { NewValue, StorageRefusal, StoredKey } from "../storage.ts";
import type { Opened, OpenStore } from "./fixture.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Runs the suite against an engine. */
export function storageSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: storage`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const metered = (change: Partial<Metered["quota"]> = {}, who: Partial<Metered> = {}): Metered => ({
      plugin: "demo",
      tenant: "acme",
      quota: { ...usualQuota("guest"), ...change },
      ...who,
    });
    const ROOM = { plugin: "demo", tenant: "acme" };
    const set = (key: string, text: string, more: Partial<NewValue> = {}, who = metered()) =>
      at.store.storage.set(who, { key, value: bytes(text), ...more });
    const many = (count: number, more: Partial<NewValue> = {}) =>
      Promise.all(Array.from({ length: count }, (_, index) => set(`many/${index}`, "x", more)));
    const stored = async (key: string) => {
      const found = await at.store.storage.get(ROOM, key);
      return found && Buffer.from(found.value).toString();
    };
    const use = () => at.store.storage.quotaUse(ROOM);

    test("what was set is there, also as bytes that are no text and as none at all", async () => {
      const { storage } = at.store;
      expect(await storage.get(ROOM, "k")).toBeNull();
      const value = new Uint8Array([0, 255, 128]);
      const made = { key: "k", version: 1, size: 3, expiresAt: null };
      expect(await storage.set(metered(), { key: "k", value })).toEqual(made);
      const found = await storage.get(ROOM, "k");
      expect({ ...found, value: [...(found?.value ?? [])] }).toEqual({ ...made, value: [0, 255, 128] });
      await set("k", "");
      expect(await storage.get(ROOM, "k")).toMatchObject({ version: 2, size: 0 });
      expect(await storage.delete(ROOM, "k")).toBe(true);
      expect(await storage.delete(ROOM, "k")).toBe(false);
      expect(await storage.get(ROOM, "k")).toBeNull();
    });

    test("each plugin of each tenant has keys of its own", async () => {
      const rooms = [ROOM, { ...ROOM, plugin: "other" }, { ...ROOM, tenant: "" }];
      for (const room of rooms) await set("k", JSON.stringify(room), {}, metered({}, room));
      for (const room of rooms) {
        const found = await at.store.storage.get(room, "k");
        expect(Buffer.from(found?.value ?? []).toString()).toBe(JSON.stringify(room));
        expect((await at.store.storage.list(room, "", {})).items).toHaveLength(1);
      }
      expect(await at.store.storage.delete(ROOM, "k")).toBe(true);
      expect(await at.store.storage.get({ ...ROOM, tenant: "" }, "k")).not.toBeNull();
    });

    test("of many who mean to replace the same version, one does; a version never comes back", async () => {
      const first = ok(await set("k", "0", { version: 0 }));
      expect(await set("k", "0", { version: 0 })).toEqual({ refused: "version", version: first.version });
      const tries = ["a", "b", "c", "d"].map((text) => set("k", text, { version: first.version }));
      const answers = await Promise.all(tries);
      const winners = answers.filter((answer) => !("refused" in answer));
      expect(winners).toHaveLength(1);
      const { version } = ok(winners[0] ?? { refused: "version", version: 0 });
      expect(answers.filter((answer) => "refused" in answer)).toEqual(
        Array.from({ length: 3 }, () => ({ refused: "version", version })),
      );
      await at.store.storage.delete(ROOM, "k");
      expect(await set("k", "e", { version })).toEqual({ refused: "version", version: 0 });
      expect(ok(await set("k", "f", { version: 0 })).version).toBeGreaterThan(version);
    });

    test("a list has the keys that begin so, in the order of their bytes, page by page", async () => {
      const keys = ["a", "b/", "b/1", "b/2", "b/\u{10ffff}z", "b/é", "b0", "c"];
      for (const key of keys.toReversed()) await set(key, key);
      const list = (prefix: string, page = {}) => at.store.storage.list(ROOM, prefix, page);
      const found = async (prefix: string) => (await list(prefix)).items.map(({ key }) => key);
      expect(await found("b/")).toEqual(["b/", "b/1", "b/2", "b/é", "b/\u{10ffff}z"]);
      expect(await found("")).toHaveLength(keys.length);
      expect(await found("b%")).toEqual([]);
      expect(await found("d")).toEqual([]);
      const pages: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await list("b/", { limit: 2, cursor });
        pages.push(page.items.map(({ key }) => key));
        cursor = page.cursor ?? undefined;
      } while (cursor !== undefined);
      expect(pages).toEqual([["b/", "b/1"], ["b/2", "b/é"], ["b/\u{10ffff}z"]]);
      expect((await list("b/1")).items).toMatchObject([{ key: "b/1", size: 3, expiresAt: null }]);
    });

    test("a key is there until its time is over; setting it again says anew how long", async () => {
      const { expiresAt } = ok(await set("k", "1", { ttlMs: 1_000 }));
      expect(expiresAt).toBe(at.env.now() + 1_000);
      await set("kept", "2", { ttlMs: 1_000 });
      await set("kept", "3");
      await at.env.advance(999);
      expect(await stored("k")).toBe("1");
      await at.env.advance(1);
      expect(await stored("k")).toBeNull();
      expect(await stored("kept")).toBe("3");
      expect((await at.store.storage.list(ROOM, "", {})).items).toMatchObject([{ key: "kept" }]);
      expect(await at.store.storage.delete(ROOM, "k")).toBe(false);
      await set("k", "1", { ttlMs: 1 });
      await at.env.advance(1);
      expect(await set("k", "4", { version: 0 })).toMatchObject({ key: "k" });
    });

    test("of fifty new keys at once, as many are set as there may be; others of the room can still change", async () => {
      const who = metered({ storageKeys: 10 });
      const sets = Array.from({ length: 50 }, (_, index) => set(`k${index}`, "x", {}, who));
      const answers = await Promise.all(sets);
      expect(answers.filter((answer) => !("refused" in answer))).toHaveLength(10);
      const exceeded = { limit: "storageKeys", allows: 10, used: 11 } as const;
      expect(answers.at(-1)).toEqual({ refused: "quota", exceeded });
      expect(await use()).toEqual({ storageKeys: 10, storageBytes: 30 });
      ok(await set("k1", "longer", {}, who));
      await at.store.storage.delete(ROOM, "k2");
      ok(await set("new", "x", {}, who));
      expect(await set("another", "x", {}, metered({ storageKeys: 10 }))).toHaveProperty("refused");
      ok(await set("another", "x", {}, metered({ storageKeys: 10 }, { tenant: "globex" })));
    });

    test("bytes are those of keys and values, and what takes no more than before is taken where there is no room", async () => {
      const who = metered({ storageBytes: 10 });
      ok(await set("é", "12345678", {}, who)); // Two of the key, eight of the value.
      expect(await use()).toEqual({ storageKeys: 1, storageBytes: 10 });
      const exceeded = { limit: "storageBytes", allows: 10, used: 11 } as const;
      expect(await set("k", "", {}, who)).toEqual({ refused: "quota", exceeded });
      expect(await set("é", "123456789", {}, who)).toEqual({ refused: "quota", exceeded });
      const smaller = metered({ storageBytes: 5 });
      ok(await set("é", "87654321", {}, smaller));
      ok(await set("é", "1", {}, smaller));
      expect(await use()).toEqual({ storageKeys: 1, storageBytes: 3 });
      await at.store.storage.delete(ROOM, "é");
      expect(await use()).toEqual({ storageKeys: 0, storageBytes: 0 });
    });

    test("keys whose time is over make room for others, and are removed some day", async () => {
      const who = metered({ storageKeys: 2 });
      for (const key of ["a", "b"]) ok(await set(key, "x", { ttlMs: 10 }, who));
      expect(await set("c", "x", {}, who)).toHaveProperty("refused");
      await at.env.advance(10);
      ok(await set("c", "x", {}, who));
      expect(await use()).toEqual({ storageKeys: 1, storageBytes: 2 });
      await many(150, { ttlMs: 10 });
      const { storage } = at.store;
      const now = at.env.now();
      expect(await storage.prune({ before: now })).toEqual({ removed: 0, cursor: null });
      const step = await storage.prune({ before: now + 10 });
      expect(step).toEqual({ removed: 100, cursor: "" });
      expect(await storage.prune({ before: now + 10, cursor: "" })).toEqual({ removed: 50, cursor: null });
      expect(await use()).toEqual({ storageKeys: 1, storageBytes: 2 });
    });

    test("a room is cleared of everything, and of nobody else's", async () => {
      await many(250);
      await set("k", "x", {}, metered({}, { tenant: "" }));
      expect(await at.store.storage.clear(ROOM)).toBe(250);
      expect(await use()).toEqual({ storageKeys: 0, storageBytes: 0 });
      expect(await at.store.storage.clear(ROOM)).toBe(0);
      expect((await at.store.storage.rooms()).filter(({ tenant }) => tenant === ROOM.tenant)).toEqual([]);
      expect(await at.store.storage.rooms()).toContainEqual({
        plugin: "demo",
        tenant: "",
        ...(await at.store.storage.quotaUse({ ...ROOM, tenant: "" })),
      });
      expect(await at.store.storage.quotaUse({ ...ROOM, tenant: "" })).toMatchObject({ storageKeys: 1 });
    });
  });
}

function ok(answer: StoredKey | StorageRefusal): StoredKey {
  if ("refused" in answer) throw new Error(`It was refused: ${JSON.stringify(answer)}`);
  return answer;
}
