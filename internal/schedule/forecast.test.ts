/** Forecasts: the table of the documentation, and what is quick beside what is thorough. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { forecast, type ForecastRow } from "./forecast.ts";
import { OVERLAP_POLICIES, type Policy, POLICY_DEFAULT, type Spec } from "./schedule.ts";

const SECOND = 1_000;
const DAY = 86_400_000;

interface Asked {
  spec?: Spec;
  policy?: Partial<Policy>;
  to: number;
  tookMs: number;
  /** As the past is played: nothing is skipped over. */
  thorough?: boolean;
}

function rowsOf({
  spec = { kind: "every", everyMs: 20 * SECOND },
  policy = {},
  to,
  tookMs,
  thorough,
}: Asked) {
  const rows: ForecastRow[] = [];
  const definition = {
    spec,
    timezone: "Europe/Amsterdam",
    anchor: 0,
    policy: { ...POLICY_DEFAULT, ...policy },
  };
  forecast(
    {
      scheduleId: "SC_x",
      terms: [{ since: -1, definition }],
      from: 0,
      to,
      endsAt: (_, startsAt) => startsAt + tookMs,
      runCount: 0,
      open: [],
      waiting: [],
      past: thorough ? { until: Number.MAX_SAFE_INTEGER, absences: [], quiet: [], closed: [] } : null,
    },
    (row) => void rows.push(row),
  );
  return rows.filter(({ occurrence }) => occurrence < to).toSorted((a, b) => a.occurrence - b.occurrence);
}

test("a run of 50 s on an interval of 20 s is what the documentation says, in all six modes", () => {
  const byMode = OVERLAP_POLICIES.map((overlap) =>
    rowsOf({ policy: { overlap }, to: 141 * SECOND, tookMs: 50 * SECOND }),
  );
  const seconds = (at: number | null) => String((at ?? 0) / SECOND);
  const cell = (row: ForecastRow | undefined) => {
    if (row?.startsAt !== undefined && row.startsAt !== null)
      return `${seconds(row.startsAt)}–${seconds(row.endsAt)}`;
    return row?.outcome.replace("skipped-overlap", "skipped") ?? "";
  };
  const occurrences = [20, 40, 60, 80, 100, 120, 140];
  const lines = occurrences.map(
    (at, index) => `| ${[String(at), ...byMode.map((rows) => cell(rows[index]))].join(" | ")} |`,
  );
  const page = readFileSync(join(import.meta.dir, "../../docs/schedules.md"), "utf8").replace(/ +/g, " ");
  for (const line of lines) expect(page).toContain(line);
});

test.each([
  // what                        policy                              runs take (s)
  ["nothing meets", {}, 5],
  ["everything meets", {}, 50],
  ["all run beside each other", { overlap: "allow" }, 50],
  ["they wait in line", { overlap: "buffer-all" }, 30],
  ["with jitter", { jitterMs: 15 * SECOND }, 10],
] as [string, Partial<Policy>, number][])(
  "what is quick says the same as what is thorough: %s",
  (_, policy, took) => {
    const asked = { policy, to: 3_600 * SECOND, tookMs: took * SECOND };
    expect(rowsOf(asked)).toEqual(rowsOf({ ...asked, thorough: true }));
  },
);

test("the same over a change of the clocks", () => {
  const spec: Spec = { kind: "cron", cron: ["*/20 1-3 * * *", "30 2 * * *"] };
  const asked = { spec, to: 100 * DAY, tookMs: 25 * 60 * SECOND };
  const quick = rowsOf(asked);
  expect(quick).toEqual(rowsOf({ ...asked, thorough: true }));
  expect(quick.length).toBeGreaterThan(900);
});
