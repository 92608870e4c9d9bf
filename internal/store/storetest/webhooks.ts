/** What every engine promises about events on their way out: none is lost, none overtakes another of its subject. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { WEBHOOKS_WAITING_MAX } from "../webhooks.ts";
import type { Opened, OpenStore } from "./fixture.ts";

const MINUTE = 60_000;

export function webhookSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: webhooks`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
      await at.store.webhooks.enable(true);
    });
    afterEach(() => at.close());

    const add = (subject: string, message = "") =>
      at.store.events.add({ kind: "plugin.failed", subject, message, data: {} });
    const due = async () => (await at.store.webhooks.due(100)).map(({ subject, seq }) => `${subject}${seq}`);
    const givenUp = async () => {
      const { items } = await at.store.events.list({ kind: "webhook.given-up", after: 0 }, { limit: 1_000 });
      return items;
    };

    test("an event waits as what it is, and goes when it is taken", async () => {
      const event = await add("a", "It fell.");
      const [delivery] = await at.store.webhooks.due(1);
      expect(delivery).toMatchObject({ eventId: event.id, subject: "a", attempt: 0, createdAt: event.at });
      const at_ = new Date(event.at).toISOString();
      expect(JSON.parse(delivery?.body ?? "")).toEqual({ ...event, at: at_ });
      await at.store.webhooks.sent(event.seq);
      expect(await due()).toEqual([]);
    });

    test("of a subject only the first is due; others do not wait for it", async () => {
      for (const subject of ["a", "b", "a", "b", "a"]) await add(subject);
      expect(await due()).toEqual(["a1", "b2"]);
      await at.store.webhooks.failed(1, { reason: "no", dueAt: at.env.now() + MINUTE });
      expect(await due()).toEqual(["b2"]);
      await at.store.webhooks.sent(2);
      expect(await due()).toEqual(["b4"]);
      await at.env.advance(MINUTE);
      expect(await due()).toEqual(["b4", "a1"]);
      await at.store.webhooks.sent(1);
      expect((await due()).toSorted()).toEqual(["a3", "b4"]);
    });

    test("what failed keeps its tries and the reason, and a clock that goes back does not hold it up", async () => {
      const { seq } = await add("a");
      await at.store.webhooks.failed(seq, { reason: "it answered 500", dueAt: at.env.now() + MINUTE });
      expect(await at.store.webhooks.waiting()).toEqual({ count: 1, reason: "it answered 500" });
      expect(await due()).toEqual([]);
      at.env.jump(-2 * 60 * MINUTE);
      expect(await at.store.webhooks.due(1)).toMatchObject([{ seq, attempt: 1 }]);
    });

    test("what is given up is said, and the next one is due", async () => {
      const first = await add("a");
      await add("a");
      await at.store.webhooks.failed(first.seq, { reason: "no", dueAt: at.env.now() });
      await at.store.webhooks.giveUp(first.seq, "it answered 500");
      expect(await due()).toEqual(["a2"]);
      expect(await givenUp()).toMatchObject([
        { subject: "a", data: { eventId: first.id, attempts: 1, reason: "it answered 500" } },
      ]);
    });

    test("taking or giving up twice does nothing twice", async () => {
      const { seq } = await add("a");
      await at.store.webhooks.sent(seq);
      await at.store.webhooks.giveUp(seq, "late");
      await at.store.webhooks.failed(seq, { reason: "late", dueAt: at.env.now() });
      expect(await givenUp()).toEqual([]);
      expect(await due()).toEqual([]);
    });

    test("nothing waits while none is wanted, and what waited is given up aloud", async () => {
      await add("a");
      expect(await at.store.webhooks.enable(false)).toBe(1);
      await add("a");
      expect(await givenUp()).toMatchObject([{ subject: "", data: { events: 1 } }]);
      expect(await at.store.webhooks.enable(true)).toBe(0);
      expect(await due()).toEqual([]);
    });

    test("the oldest makes room when too many wait", async () => {
      const first = await add("a");
      await Promise.all(Array.from({ length: WEBHOOKS_WAITING_MAX }, () => add("a")));
      expect(await at.store.webhooks.waiting()).toMatchObject({ count: WEBHOOKS_WAITING_MAX });
      expect(await givenUp()).toMatchObject([{ data: { eventId: first.id } }]);
      expect(await due()).toEqual(["a2"]);
    }, 30_000);
  });
}
