/**
 * Storage by real plugins of both SDKs, installed as guests: what it was answered for
 * outlives a host that is killed, and a plugin that is removed unless somebody asks.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Place } from "./host.ts";
import { PYTHON_PATH, TESTDATA } from "./python.ts";

const LIMIT_MS = 120_000;
const KEEPERS = [
  { language: "TypeScript", file: join(TESTDATA, "keeper.ts") },
  { language: "Python", file: join(TESTDATA, "keeper.py") },
];
const WRITERS = 8; // At once, each one key after the other.
const ANSWERED = 200; // Then the host is killed.

interface Key {
  key: string;
  version: number;
  size: number;
  expiresAt: string;
}

interface Refusal {
  code: string;
  message: string;
  fieldErrors: Record<string, string>;
  limit: object | null;
}

test.each(KEEPERS)(
  "what a plugin in $language was told is stored is there after kill -9, and after it was removed unless that was asked for",
  async ({ file }) => {
    await using place = new Place("[plugin]\nbundled = false\n[quota.keeper]\nstorageBytes = 2000000\n");
    const install = ["plugin", "install", file, "--tenant", "acme"];
    const installed = await place.json<{ install: { digest: string } }>(...install);
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    const post = (asked: object) =>
      place.post<{ said: unknown; refused?: Refusal }>("/api/keeper/ask", asked);
    const ask = async <T = Key>(way: string, asked: object = {}): Promise<T> => {
      const { said, refused } = await post({ way, ...asked });
      if (refused) throw new Error(refused.message);
      return said as T;
    };
    const refused = async (way: string, asked: object) => (await post({ way, ...asked })).refused;

    // A guest is told which capability it lacks, and knows what it has.
    const lacks = await refused("get", { key: "k" });
    expect(lacks?.code).toBe("denied");
    expect(lacks?.message).toContain("Grant it with: qntx plugin grant keeper cap:storage.kv");
    type Told = { capabilities: string[] };
    const before = await ask<Told>("context");
    const { digest } = installed.install;
    expect(before).toMatchObject({ plugin: "keeper", tenant: "acme", version: "1.2.3", digest });
    expect(before.capabilities).not.toContain("cap:storage.kv");
    await place.json("plugin", "grant", "keeper", "cap:storage.kv");
    expect((await ask<Told>("context")).capabilities).toContain("cap:storage.kv");

    // Values, versions, lists.
    expect(await ask("get", { key: "k" })).toBeNull();
    const first = await ask("set", { key: "k", value: { deep: ["é", 1] }, version: 0 });
    expect(first).toMatchObject({ key: "k", expiresAt: "" });
    expect(await ask("get", { key: "k" })).toMatchObject({ ...first, value: { deep: ["é", 1] } });
    const bytes = [0, 255, 128, 10];
    const second = await ask("set", { key: "k", bytes, version: first.version });
    expect(await ask("get", { key: "k" })).toMatchObject({ ...second, bytes, size: 4 });
    const late = await refused("set", { key: "k", value: 1, version: first.version });
    expect(late).toMatchObject({ code: "conflict", fieldErrors: {}, limit: null });
    expect(late?.message).toContain(
      `"k" has version ${second.version}, and was to have version ${first.version}.`,
    );
    const wrong = await refused("set", { key: "k", value: 1, ttlMs: 0 });
    expect(wrong).toMatchObject({ code: "validation", fieldErrors: { ttlMs: "must be at least 1." } });
    for (const key of ["p/2", "p/1", "p/3"]) await ask("set", { key, value: key, ttlMs: 3_600_000 });
    const page = await ask<{ keys: Key[]; cursor: string }>("list", { prefix: "p/", limit: 2 });
    expect(page.keys.map(({ key }) => key)).toEqual(["p/1", "p/2"]);
    expect(Date.parse(page.keys[0]?.expiresAt ?? "")).toBeGreaterThan(Date.now() + 3_500_000);
    const rest = await ask<{ keys: Key[]; cursor: string }>("list", { prefix: "p/", cursor: page.cursor });
    expect([rest.keys.map(({ key }) => key), rest.cursor]).toEqual([["p/3"], ""]);
    expect([
      await ask<boolean>("delete", { key: "p/1" }),
      await ask<boolean>("delete", { key: "p/1" }),
    ]).toEqual([true, false]);
    await ask("set", { key: "big", value: "x".repeat(1_000_000) });
    const full = await refused("set", { key: "big/2", value: "x".repeat(1_000_000) });
    expect(full).toMatchObject({ code: "quota", limit: { name: "storageBytes", allows: 2_000_000 } });

    // Killed while it writes.
    const answered = new Map<string, number>();
    const enough = Promise.withResolvers<void>();
    const write = async (writer: number) => {
      for (let turn = 0; ; turn++) {
        const { key, version } = await ask("set", { key: `w/${writer}`, value: turn });
        answered.set(`${key} ${version}`, turn);
        if (answered.size === ANSWERED) enough.resolve();
      }
    };
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(writer).catch(() => {}));
    await enough.promise;
    await place.host.crash();
    await Promise.all(writers);
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    for (let writer = 0; writer < WRITERS; writer++) {
      const said = [...answered].filter(([about]) => about.startsWith(`w/${writer} `));
      const { value, version } = await ask<Key & { value: number }>("get", { key: `w/${writer}` });
      expect(value).toBeGreaterThanOrEqual(Math.max(...said.map(([, turn]) => turn)));
      expect(version).toBeGreaterThanOrEqual(Math.max(...said.map(([about]) => Number(about.split(" ")[1]))));
    }
    expect(await ask("get", { key: "k" })).toMatchObject({ ...second, bytes });

    // It is counted, and removed when somebody asks.
    const count = 1 + 2 + 1 + WRITERS;
    const { quotas } = await place.json<{ quotas: { limits: object[] }[] }>("quota", "show", "keeper");
    expect(quotas[0]?.limits).toContainEqual({
      limit: "storageKeys",
      allows: 1_000,
      used: count,
      setBy: "usual",
    });
    const removed = await place.cli(["plugin", "remove", "keeper", "--yes"]);
    expect(removed.stdout).toBe(`Plugin keeper is removed. What it stored is kept: ${count} keys.\n`);
    await place.json(...install, "--grant", "cap:storage.kv");
    expect(await ask("get", { key: "k" })).toMatchObject(second);
    const cleared = await place.cli(["plugin", "remove", "keeper", "--delete-storage", "--yes"]);
    expect(cleared.stdout).toBe("Plugin keeper is removed.\n");
    await place.json(...install, "--grant", "cap:storage.kv");
    expect(await ask("list")).toEqual({ keys: [], cursor: "" } as never);
  },
  LIMIT_MS,
);
