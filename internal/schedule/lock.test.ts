/** Holds what hosts that know nothing of each other must agree on: keys, times to live, grids. */
import { expect, test } from "bun:test";
import { asksForLocks, gridAnchor, lockKey, type LocksBy, lockTtlMs } from "./lock.ts";
import { type Locking, POLICY_DEFAULT, type Schedule } from "./schedule.ts";

const PLUGIN: LocksBy = { plugin: "p" };
const AT = Date.UTC(2026, 0, 31, 9);

type Named = Parameters<typeof lockKey>[0];

function named(change: Partial<Named> = {}): Named {
  return {
    id: "SC_1",
    tenant: "",
    owner: { kind: "plugin", name: "p" },
    declaredId: "d",
    name: "n",
    ...change,
  };
}

test.each([
  // who keeps locks   require-global  prefer-global  node-local
  ["store", [false, false, false]],
  [PLUGIN, [true, true, false]],
  ["none", [true, false, false]],
] as [LocksBy, boolean[]][])("who asks for locks of %j", (by, expected) => {
  const hints: Locking[] = ["require-global", "prefer-global", "node-local"];
  expect(hints.map((locking) => asksForLocks(by, { locking }))).toEqual(expected);
});

test("a key is the same in every store, whatever the id", () => {
  expect(lockKey(named(), AT)).toBe("schedule//plugin:p/@d/2026-01-31T09:00:00.000Z");
  expect(lockKey(named({ id: "SC_2", name: "other" }), AT)).toBe(lockKey(named(), AT));
});

test.each([
  ["another instant", named(), AT + 1],
  ["another declared id", named({ declaredId: "e" }), AT],
  ["a name that is the declared id of another", named({ declaredId: "", name: "d" }), AT],
  ["another owner", named({ owner: { kind: "person", name: "p" } }), AT],
  ["another tenant", named({ tenant: "t" }), AT],
  ["a slash that moves a border", named({ tenant: "/plugin:p", owner: { kind: "plugin", name: "" } }), AT],
  ["an id where nothing else tells them apart", named({ declaredId: "", name: "" }), AT],
])("a key of its own has %s", (_, schedule, at) => {
  expect(lockKey(schedule, at)).not.toBe(lockKey(named(), AT));
});

test("a slash in a part is not the one between parts", () => {
  expect(lockKey(named({ tenant: "a/b", declaredId: "c" }), AT)).not.toBe(
    lockKey(named({ tenant: "a", declaredId: "c" }), AT),
  );
  expect(lockKey(named({ declaredId: "a%2Fb" }), AT)).not.toBe(lockKey(named({ declaredId: "a/b" }), AT));
});

test("a lock outlives the moment after which nobody starts the occurrence", () => {
  for (const change of [{}, { missedWindowMs: 1 }, { latenessMaxMs: 1 }, { jitterMs: 600_000 }]) {
    const policy = { ...POLICY_DEFAULT, ...change };
    expect(lockTtlMs(policy)).toBeGreaterThan(policy.latenessMaxMs + policy.jitterMs);
    expect(lockTtlMs(policy)).toBeGreaterThan(policy.missedWindowMs);
  }
});

test.each([
  [PLUGIN, { kind: "every", everyMs: 1_000 }, "require-global", 0],
  [PLUGIN, { kind: "every", everyMs: 1_000 }, "node-local", AT],
  [PLUGIN, { kind: "cron", cron: ["* * * * *"] }, "require-global", AT],
  ["store", { kind: "every", everyMs: 1_000 }, "require-global", AT],
] as [LocksBy, Schedule["spec"], Locking, number][])(
  "the grid with %j, %j, %s",
  (by, spec, locking, anchor) => {
    expect(gridAnchor(by, { spec, locking }, AT)).toBe(anchor);
  },
);
