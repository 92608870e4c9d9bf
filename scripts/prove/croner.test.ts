/** docs/croner.md is true: every example in it is answered by both as it says, and what qntx refuses croner takes. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Cron } from "croner";
import { parseCron } from "../../internal/schedule/cron.ts";
import { CLOCK_CHANGE_DEFAULT } from "../../internal/schedule/oracle.ts";
import { recurrence } from "../../internal/schedule/recurrence.ts";

const PAGE = readFileSync(join(import.meta.dir, "../../docs/croner.md"), "utf8");

function nextOfBoth(text: string, timezone: string, after: string): { qntx: string; croner: string } {
  const plan = recurrence({
    spec: { kind: "cron", cron: [text] },
    timezone,
    anchor: 0,
    ...CLOCK_CHANGE_DEFAULT,
  });
  const qntx = new Date(plan.next(Date.parse(after)) ?? 0);
  const croner = new Cron(text, { timezone, paused: true }).nextRun(new Date(after));
  const shown = (instant: Date | null) => instant?.toISOString().slice(0, 16) ?? "never";
  return { qntx: shown(qntx), croner: shown(croner) };
}

test.each([
  // expression        zone                after                   qntx, in UTC        croner, in UTC
  ["0 0 1 * MON", "UTC", "2026-02-23T00:00Z", "2026-03-01T00:00", "2026-03-02T00:00"],
  ["0 0 */15 * *", "UTC", "2026-02-23T00:00Z", "2026-03-01T00:00", "2026-03-16T00:00"],
  ["0 0 1,16,31 * *", "UTC", "2026-02-23T00:00Z", "2026-03-01T00:00", "2026-03-16T00:00"],
  ["0,30 2 * * *", "America/New_York", "2026-03-08T05:00Z", "2026-03-08T07:00", "2026-03-09T06:00"],
  ["0 0-3 * * *", "America/New_York", "2026-11-01T05:00Z", "2026-11-01T07:00", "2026-11-01T06:00"],
  ["45 23 * * *", "Asia/Pyongyang", "2018-05-04T00:00Z", "2018-05-04T15:00", "2018-05-05T14:45"],
  ["0 0 */2 * MON", "UTC", "2026-06-01T00:00Z", "2026-06-15T00:00", "2026-06-03T00:00"],
])("%s in %s after %s: qntx says %s, croner %s", (text, zone, after, qntx, croner) => {
  expect(PAGE).toContain(`\`${text}\``);
  expect(nextOfBoth(text, zone, after)).toEqual({ qntx, croner });
});

test("croner's own match says that it lost the first of March", () => {
  expect(new Cron("0 0 1 * MON", { timezone: "UTC", paused: true }).match("2026-03-01T00:00:00Z")).toBe(true);
});

test.each(["2040-01-01T00:00:00", "0 0 0 1 1 * 2040", "? * * * *", "0 0 1 * +MON"])(
  "croner takes %s, and qntx refuses it",
  (text) => {
    expect(new Cron(text, { timezone: "UTC", paused: true }).nextRun()).not.toBeNull();
    expect(() => parseCron(text, "cron")).toThrow(/^cron: /);
  },
);
