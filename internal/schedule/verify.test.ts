/** A ledger is right when every planned occurrence has its row, once: rows as a table, and laws over random ledgers. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../base/fake-env.ts";
import { type Definition, planned } from "./planned.ts";
import { POLICY_DEFAULT, type Policy, type Spec } from "./schedule.ts";
import { everything, type Term } from "./terms.ts";
import { type LedgerRow, Verification, type Verdict } from "./verify.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);

const define = (
  change: Partial<Policy> = {},
  spec: Spec = { kind: "every", everyMs: MINUTE },
): Definition => ({
  spec,
  timezone: "Europe/Berlin",
  anchor: START,
  policy: { ...POLICY_DEFAULT, ...change },
});

const term = (since: number, definition: Definition | null, tzdata = "now"): Term => ({
  since: START + since * MINUTE,
  definition,
  tzdata,
});

/** Rows in minutes: [first, outcome, last, count]. */
type Row = readonly [number, LedgerRow["outcome"], number?, number?];

function verify(
  terms: readonly Term[],
  until: number,
  rows: readonly Row[],
  { from = Number.NEGATIVE_INFINITY } = {},
): Verdict {
  const verification = new Verification({
    terms,
    accountedUntil: START + until * MINUTE,
    from: START + from * MINUTE,
    tzdata: "now",
  });
  for (const [first, outcome, last = first, count = last - first + 1] of rows)
    verification.row({
      occurrence: START + first * MINUTE,
      outcome,
      lastOccurrence: START + last * MINUTE,
      count,
    });
  return verification.end();
}

describe("every minute, accounted for until the fifth", () => {
  const blackout = { blackouts: [{ from: START + 2 * MINUTE, to: START + 4 * MINUTE, note: "" }] };
  const cases: [string, readonly Row[], Partial<Policy>, { gap: number; dup: number }][] = [
    // is                             rows                                                  policy    verdict
    [
      "each once",
      [
        [1, "fired"],
        [2, "fired"],
        [3, "fired"],
        [4, "fired"],
        [5, "fired"],
      ],
      {},
      { gap: 0, dup: 0 },
    ],
    [
      "a pause",
      [
        [1, "fired"],
        [2, "paused", 5],
      ],
      {},
      { gap: 0, dup: 0 },
    ],
    [
      "one is lost",
      [
        [1, "fired"],
        [2, "fired"],
        [4, "fired"],
        [5, "fired"],
      ],
      {},
      { gap: 1, dup: 0 },
    ],
    ["the last is lost", [[1, "paused", 4]], {}, { gap: 1, dup: 0 }],
    ["none at all", [], {}, { gap: 5, dup: 0 }],
    [
      "one twice",
      [
        [1, "fired"],
        [2, "fired-late"],
        [2, "expired", 5],
      ],
      {},
      { gap: 0, dup: 1 },
    ],
    [
      "a range twice",
      [
        [1, "paused", 4],
        [2, "expired", 5],
      ],
      {},
      { gap: 0, dup: 3 },
    ],
    [
      "one that nobody planned",
      [
        [1, "fired"],
        [1.5, "fired"],
        [2, "paused", 5],
      ],
      {},
      { gap: 0, dup: 1 },
    ],
    [
      "one beyond the cursor",
      [
        [1, "paused", 5],
        [6, "fired"],
      ],
      {},
      { gap: 0, dup: 1 },
    ],
    ["a range that counts one too many", [[1, "paused", 5, 6]], {}, { gap: 0, dup: 1 }],
    ["a range that counts one less", [[1, "paused", 5, 4]], {}, { gap: 1, dup: 0 }],
    [
      "one at the wrong instant",
      [
        [1, "fired"],
        [2.5, "fired"],
        [3, "paused", 5],
      ],
      {},
      { gap: 1, dup: 1 },
    ],
    [
      "a blackout",
      [
        [1, "fired"],
        [2, "blackout", 3],
        [4, "fired"],
        [5, "fired"],
      ],
      blackout,
      { gap: 0, dup: 0 },
    ],
    [
      "a blackout inside an outage",
      [
        [1, "coalesced", 4, 2],
        [2, "blackout", 3],
        [5, "fired"],
      ],
      blackout,
      { gap: 0, dup: 0 },
    ],
    [
      "a blackout that was lost",
      [
        [1, "coalesced", 4, 2],
        [5, "fired"],
      ],
      blackout,
      { gap: 2, dup: 0 },
    ],
    [
      "half a blackout, then a pause",
      [
        [1, "fired"],
        [2, "blackout"],
        [3, "paused", 5],
      ],
      blackout,
      { gap: 0, dup: 0 },
    ],
    ["a pause over a blackout", [[1, "paused", 5]], blackout, { gap: 0, dup: 0 }],
    [
      "a blackout that nobody had",
      [
        [1, "fired"],
        [2, "blackout", 5],
      ],
      {},
      { gap: 4, dup: 4 },
    ],
    [
      "a blackout twice",
      [
        [1, "fired"],
        [2, "blackout", 3],
        [3, "blackout"],
        [4, "expired", 5],
      ],
      blackout,
      { gap: 0, dup: 1 },
    ],
    [
      "fired in a blackout",
      [
        [1, "fired"],
        [2, "fired"],
        [2, "blackout", 3],
        [4, "expired", 5],
      ],
      blackout,
      { gap: 0, dup: 1 },
    ],
    [
      "before its start",
      [
        [1, "fired"],
        [3, "paused", 5],
      ],
      { startAt: START + 3 * MINUTE },
      { gap: 0, dup: 1 },
    ],
    [
      "after its end",
      [
        [1, "fired"],
        [2, "fired"],
        [3, "fired"],
      ],
      { endAt: START + 2 * MINUTE },
      { gap: 0, dup: 1 },
    ],
  ];
  test.each(cases)("%s", (_, rows, policy, expected) => {
    expect(verify([term(0, define(policy))], 5, rows)).toMatchObject(expected);
  });
});

test("each occurrence is held against the term in which it lies", () => {
  const terms = [
    term(0, define()),
    term(3, null),
    term(10, define({}, { kind: "every", everyMs: 2 * MINUTE })),
  ];
  expect(
    verify(terms, 14, [
      [1, "paused", 3],
      [12, "fired"],
      [14, "fired"],
    ]),
  ).toMatchObject({
    planned: 5,
    gap: 0,
    dup: 0,
  });
  expect(
    verify(terms, 14, [
      [1, "paused", 3],
      [5, "fired"],
      [12, "fired"],
    ]),
  ).toMatchObject({
    gap: 1,
    dup: 1,
    findings: [
      { kind: "unplanned", at: START + 5 * MINUTE },
      { kind: "missing", at: START + 14 * MINUTE },
    ],
  });
});

test("what other time zone data decided is not judged, unless no zone matters", () => {
  const cron: Spec = { kind: "cron", cron: ["*/10 * * * *"] };
  expect(verify([term(0, define({}, cron), "old")], 60, [])).toMatchObject({ gap: 0, unjudged: 6 });
  expect(verify([term(0, define({}, cron))], 60, [])).toMatchObject({ gap: 6, unjudged: 0 });
  expect(verify([term(0, define(), "old")], 5, [])).toMatchObject({ gap: 5, unjudged: 0 });
});

test("before the horizon nothing is expected, and behind a row that reaches over it everything is", () => {
  const terms = [term(0, define())];
  expect(
    verify(
      terms,
      9,
      [
        [8, "fired"],
        [9, "fired"],
      ],
      { from: 7 },
    ),
  ).toMatchObject({ gap: 0, dup: 0 });
  expect(
    verify(
      terms,
      9,
      [
        [2, "pending"],
        [5, "paused", 8],
        [9, "fired"],
      ],
      { from: 7 },
    ),
  ).toMatchObject({ gap: 0, dup: 0 });
  expect(verify(terms, 9, [[5, "paused", 8]], { from: 7 })).toMatchObject({ gap: 1, dup: 0 });
});

const SPECS: readonly Spec[] = [
  { kind: "every", everyMs: 7 * MINUTE },
  { kind: "cron", cron: ["*/20 * * * *", "30 2 * * *"] },
  { kind: "cron", cron: ["0 9 * * MON-FRI"] },
  { kind: "at", instants: Array.from({ length: 40 }, (_, i) => START + i * 11 * MINUTE + (i % 3)) },
];

/** A right ledger: everything planned in singles and ranges of random length, blackouts apart. */
function ledgerOf(definition: Definition, until: number, random: () => number): LedgerRow[] {
  const plan = everything(definition);
  const light = planned(definition);
  const rows: LedgerRow[] = [];
  for (let at = START; at < until;) {
    const end = Math.min(until, at + Math.floor(random() ** 3 * 20 * DAY));
    const first = light.next(at);
    if (first !== null && first <= end) {
      const lastOccurrence = light.latest(at, end) ?? first;
      rows.push({ occurrence: first, lastOccurrence, count: light.count(at, end), outcome: "coalesced" });
    }
    at = Math.max(end, at + 1);
  }
  for (const { from, to } of definition.policy.blackouts) {
    const [after, last] = [Math.max(START, from - 1), Math.min(to - 1, until)];
    const first = plan.next(after);
    if (first === null || first > last) continue;
    const lastOccurrence = plan.latest(after, last) ?? first;
    rows.push({ occurrence: first, lastOccurrence, count: plan.count(after, last), outcome: "blackout" });
  }
  return rows.toSorted((a, b) => a.occurrence - b.occurrence);
}

const judge = (definition: Definition, accountedUntil: number, rows: readonly LedgerRow[]): Verdict => {
  const verification = new Verification({
    terms: [{ since: START, definition, tzdata: "now" }],
    accountedUntil,
    from: Number.NEGATIVE_INFINITY,
    tzdata: "now",
  });
  for (const row of rows) verification.row(row);
  return verification.end();
};

test("a right ledger is right however it is cut into rows; one row less is a gap of its count, one again a dup", () => {
  const random = seededRandom(7);
  for (let round = 0; round < 200; round++) {
    const until = START + Math.floor(random() * 120 * DAY);
    const from = START + Math.floor(random() * 60 * DAY);
    const blackouts =
      random() < 0.5 ? [{ from, to: from + Math.floor(random() * 9 * DAY) + 1, note: "" }] : [];
    const spec = SPECS[round % SPECS.length] ?? { kind: "every", everyMs: DAY };
    const definition = define({ blackouts }, spec);
    const rows = ledgerOf(definition, until, random);
    const expected = everything(definition).count(START, until);
    expect(judge(definition, until, rows)).toEqual({
      planned: expected,
      gap: 0,
      dup: 0,
      unjudged: 0,
      findings: [],
    });
    const index = Math.floor(random() * rows.length);
    const row = rows[index];
    if (!row) continue;
    expect(judge(definition, until, rows.toSpliced(index, 1))).toMatchObject({ gap: row.count, dup: 0 });
    expect(judge(definition, until, rows.toSpliced(index, 0, row))).toMatchObject({ gap: 0, dup: row.count });
  }
});

test("a year of seconds is counted, not walked", () => {
  const definition = define({}, { kind: "cron", cron: ["* * * * * *"] });
  const until = START + 365 * DAY;
  const before = performance.now();
  expect(judge(definition, until, [])).toMatchObject({ planned: 31_536_000, gap: 31_536_000 });
  const half = { occurrence: START + 1_000, lastOccurrence: START + 100 * DAY, count: 8_640_000 };
  expect(judge(definition, until, [{ ...half, outcome: "paused" }])).toMatchObject({
    gap: 31_536_000 - 8_640_000,
    dup: 0,
    findings: [{ kind: "missing", at: START + 100 * DAY + 1_000, count: 31_536_000 - 8_640_000 }],
  });
  expect(performance.now() - before).toBeLessThan(1_000);
});
