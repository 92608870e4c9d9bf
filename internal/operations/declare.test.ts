/** Every way in which a declared schedule can be wrong, and the sentence that quotes it. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Fault, messageOf } from "../base/fault.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { DECLARED_MAX, type Declaration, declareSchedules } from "./declare.ts";

import { Folder } from "./fixture.ts";

let folder: Folder;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ store } = folder);
});
afterEach(() => store.close());

const declaration = (change: Partial<Declaration> = {}): Declaration => ({
  id: "nightly",
  description: "",
  handler: "p.work",
  when: "30 2 * * *",
  timezone: "",
  jitterMs: 0,
  mustStartWithinMs: 0,
  mustSucceedWithinMs: 0,
  missed: "",
  locking: "",
  payload: new Uint8Array(),
  paused: false,
  priority: 0,
  timeoutMs: 0,
  ...change,
});

const declare = (...list: Declaration[]) => {
  return declareSchedules(folder.context({ kind: "host" }), { kind: "plugin", name: "p" }, list);
};

const refusal = async (...list: Declaration[]) => {
  const fault = await declare(...list).catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(Fault);
  expect((fault as Fault).code).toBe("config"); // Trying again cannot help.
  return messageOf(fault);
};

const WHEN = 'Schedule "nightly" ("30 2 * * *"): ';
const BAD: [Partial<Declaration>, string][] = [
  // declared                          refused with
  [{ id: "" }, 'Schedule "" ("30 2 * * *"): id: is missing.'],
  [{ id: "a b" }, 'Schedule "a b" ("30 2 * * *"): id: "a b" cannot be a schedule\'s id.'],
  [{ id: "a\nb" }, "cannot be a schedule's id."],
  [{ id: "é" }, "cannot be a schedule's id."],
  [{ id: "x".repeat(129) }, "… (131 characters) cannot be a schedule's id."],
  [{ when: "" }, 'Schedule "nightly" (""): when: "" does not say when.'],
  [{ when: "soon" }, 'when: "soon" does not say when.'],
  [{ when: "5 min" }, 'when: "5 min" is not a duration.'],
  [{ when: "61 * * * *" }, 'Schedule "nightly" ("61 * * * *"): when: '],
  [{ when: "@fortnightly" }, 'Schedule "nightly" ("@fortnightly"): when: '],
  [{ when: "0 0 30 2 *" }, 'when: "0 0 30 2 *" never fires: no month has such a day.'],
  [{ when: "* ".repeat(200) }, "… ("],
  [{ when: "0s" }, 'when: "0s" is too short.'],
  [{ when: "999ms" }, 'when: "999ms" is too short.'],
  [{ when: "-5m" }, 'when: "-5m" does not say when.'],
  [{ timezone: "Mars/Olympus" }, `${WHEN}timezone: "Mars/Olympus"`],
  [{ when: "5m", timezone: "Europe/Berlin" }, 'timezone: "Europe/Berlin" has no effect on every.'],
  [{ missed: "never" }, `${WHEN}missed: must be one of latest, skip, earliest, all.`],
  [{ locking: "cluster" }, `${WHEN}locking: "cluster" is none of require-global, prefer-global, node-local.`],
  [{ jitterMs: -1 }, `${WHEN}jitter: -1 ms is out of range.`],
  [{ when: "5m", jitterMs: 300_000 }, "jitter: 5m is not shorter than the 5m between two runs."],
  [{ when: "0 0 1 * MON", jitterMs: 172_800_000 }, "jitter: 2d is not shorter than the 1d between two runs."],
  [{ handler: "" }, `${WHEN}handler: "" is not the name of a handler.`],
  [{ handler: "no such" }, `${WHEN}handler: "no such" is not the name of a handler.`],
  [{ description: "x".repeat(1_001) }, `${WHEN}description: has more than 1000 characters.`],
  [{ payload: new Uint8Array(100_001) }, `${WHEN}payload: `],
  [{ priority: 1_000_001 }, `${WHEN}priority: must be at most 1000000.`],
  [{ mustStartWithinMs: 999 }, `${WHEN}mustStartWithin: "999ms" is out of range.`],
  [{ mustSucceedWithinMs: -1 }, `${WHEN}mustSucceedWithin: `],
  [
    { mustStartWithinMs: 5_000, mustSucceedWithinMs: 4_000 },
    `${WHEN}mustSucceedWithin: 4s is less than the 5s`,
  ],
  [{ timeoutMs: -1 }, `${WHEN}timeout: -1 ms is out of range.`],
  [{ timeoutMs: 8 * 86_400_000 }, `${WHEN}timeout: 691200000 ms is out of range.`],
];

test.each(BAD.map(([change, sentence]) => ({ change, sentence })))("refused: $sentence", async (row) => {
  const { change, sentence } = row;
  expect(await refusal(declaration({ id: "good" }), declaration(change))).toContain(sentence);
  expect((await store.schedules.list({}, {})).items).toEqual([]); // The good one neither: a list is taken as a whole.
});

test("two of one id, and more than anybody reads, are refused", async () => {
  expect(await refusal(declaration(), declaration())).toBe(
    'Two schedules are declared with the id "nightly".',
  );
  const many = Array.from({ length: DECLARED_MAX + 1 }, (_, i) => declaration({ id: `s${i}` }));
  expect(await refusal(...many)).toBe("1001 schedules are declared; there may be 1000.");
});

test("what is right is made as it was said, for an interval, an expression and a shortcut", async () => {
  await declare(
    declaration({ id: "a", when: "90s", jitterMs: 89_999, missed: "all", priority: -5, timeoutMs: 4_000 }),
    declaration({ id: "b", when: "30 2 * * MON-FRI", timezone: "Europe/Berlin", locking: "node-local" }),
    declaration({ id: "c", when: "@hourly", missed: "skip", paused: true, mustStartWithinMs: 30_000 }),
  );
  const { items: found } = await store.schedules.list({}, {});
  const items = found.toSorted((one, other) => one.declaredId.localeCompare(other.declaredId));
  expect(items.map(({ declaredId, spec, timezone }) => [declaredId, spec, timezone])).toEqual([
    ["a", { kind: "every", everyMs: 90_000 }, "UTC"],
    ["b", { kind: "cron", cron: ["30 2 * * MON-FRI"] }, "Europe/Berlin"],
    ["c", { kind: "cron", cron: ["@hourly"] }, "UTC"],
  ]);
  expect(
    items.map(({ policy }) => [policy.jitterMs, policy.missed, policy.priority, policy.timeoutMs]),
  ).toEqual([
    [89_999, "all", -5, 4_000],
    [0, "latest", 0, null],
    [0, "skip", 0, null],
  ]);
  expect(items.map(({ policy }) => policy.mustStartWithinMs)).toEqual([null, null, 30_000]);
  expect(items.map(({ locking, state }) => [locking, state])).toEqual([
    ["require-global", "active"],
    ["node-local", "active"],
    ["require-global", "paused"],
  ]);
});
