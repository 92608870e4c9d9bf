/** What every engine promises about locks. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { LockAnswer, LockHandle } from "../locks.ts";
import type { Opened, OpenStore } from "./fixture.ts";

const TTL_MS = 10_000;

export function lockSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: locks`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const ask = (holder: string, key = "key") => at.store.locks.tryLock({ key, holder, ttlMs: TTL_MS });
    const take = async (holder: string, key?: string) => handleOf(await ask(holder, key));

    test("of all who ask at once, one is given the lock, and the others are told who has it", async () => {
      const holders = Array.from({ length: 50 }, (_, index) => `holder-${index}`);
      const answers = await Promise.all(holders.map((holder) => ask(holder)));
      const winners = holders.filter((_, index) => "handle" in (answers[index] ?? {}));
      expect(winners).toHaveLength(1);
      const others = answers.flatMap((answer) => ("contention" in answer ? [answer.contention] : []));
      expect(others).toHaveLength(49);
      for (const other of others) expect(other).toEqual({ holder: winners[0] ?? "", leftMs: TTL_MS });
    });

    test("keys do not know each other", async () => {
      await take("one", "first");
      expect(await ask("other", "second")).toHaveProperty("handle");
    });

    test("a lock that ran out is free, and not a moment before", async () => {
      await take("one");
      await at.env.advance(TTL_MS - 1);
      expect(await ask("other")).toEqual({ contention: { holder: "one", leftMs: 1 } });
      await at.env.advance(1);
      expect(await ask("other")).toHaveProperty("handle");
    });

    test("the fence grows with every lock, over expiry, release and the same holder's return", async () => {
      const fences: number[] = [];
      const note = (handle: LockHandle) => void fences.push(handle.fence);
      note(await take("one"));
      note(await take("one"));
      await at.env.advance(TTL_MS);
      note(await take("other"));
      const handle = await take("other");
      note(handle);
      await at.store.locks.release(handle.token);
      await take("somebody", "another key");
      await at.env.advance(TTL_MS * 2);
      note(await take("one"));
      expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b));
    });

    test("the same holder is given its lock again, for the whole time, and its old token is worth nothing", async () => {
      const before = await take("one");
      await at.env.advance(TTL_MS / 2);
      const after = await take("one");
      expect(after.token).not.toBe(before.token);
      expect(await at.store.locks.renew(before.token, TTL_MS)).toBe(false);
      expect(await at.store.locks.release(before.token)).toBe(false);
      expect(await ask("other")).toEqual({ contention: { holder: "one", leftMs: TTL_MS } });
    });

    test("renewing keeps it, with its token, as long as it was held", async () => {
      const { token } = await take("one");
      expect(await at.store.locks.renew("another token", TTL_MS)).toBe(false);
      await at.env.advance(TTL_MS - 1);
      expect(await at.store.locks.renew(token, TTL_MS)).toBe(true);
      await at.env.advance(TTL_MS - 1);
      expect(await ask("other")).toHaveProperty("contention");
      await at.env.advance(1);
      expect(await at.store.locks.renew(token, TTL_MS)).toBe(false);
    });

    test("releasing frees it, with its token, once", async () => {
      const { token } = await take("one");
      expect(await at.store.locks.release("another token")).toBe(false);
      expect(await ask("other")).toHaveProperty("contention");
      expect(await at.store.locks.release(token)).toBe(true);
      expect(await at.store.locks.release(token)).toBe(false);
      expect(await ask("other")).toHaveProperty("handle");
    });
  });
}

function handleOf(answer: LockAnswer): LockHandle {
  if ("handle" in answer) return answer.handle;
  throw new Error(`${answer.contention.holder} has it`);
}
