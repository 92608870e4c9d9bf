/** What may be asked about times to come. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { previewNext } from "./schedule-next.ts";

const env = new FakeEnv({ now: Date.UTC(2026, 0, 1) });

test("a span is counted, and its first occurrences are shown", () => {
  const answer = previewNext(env, {
    cron: "0 12 * * *",
    from: "2026-01-01T00:00:00Z",
    to: "2036-01-01T00:00:00Z",
    count: 2,
  });
  expect(answer).toEqual({
    instants: ["2026-01-01T12:00:00.000Z", "2026-01-02T12:00:00.000Z"],
    timezone: "UTC",
    total: 3_652,
  });
});

test.each([
  // A host that counts until the year 9999 does nothing else for half a minute.
  ["9999-01-01T00:00:00Z", /^to: the span is longer than ten years/],
  ["2026-01-01T00:00:00Z", /^to: .* is not after its beginning/],
  ["2027-01-01", /^to: .* is not an instant/],
])("a span to %s is refused", (to, sentence) => {
  expect(() => previewNext(env, { cron: "0 12 * * *", from: "2026-01-01T00:00:00Z", to })).toThrow(sentence);
});
