/** Whoever has a schedule's job made, it is the same job. */
import { expect, test } from "bun:test";
import { runOf } from "./run.ts";
import { POLICY_DEFAULT } from "./schedule.ts";

const SCHEDULE = {
  id: "SC_x",
  payload: new Uint8Array([1]),
  tenant: "t",
  owner: { kind: "plugin", name: "p" },
  declaredId: "d",
  policy: POLICY_DEFAULT,
} as const;

// target, plugin, handler
test.each([
  ["a.b", "", "a.b"],
  ["p/a.b", "p", "a.b"],
])("a run of %s", (handler, plugin, named) => {
  const retry = { kind: "fixed", baseMs: 1, maxMs: 1 } as const;
  const policy = { ...POLICY_DEFAULT, priority: 7, maxAttempts: 4, retry, timeoutMs: 9 };
  const run = runOf({ ...SCHEDULE, target: { kind: "handler", handler }, policy });
  const { payload, tenant, declaredId } = SCHEDULE;
  const same = { payload, tenant, declaredId, owner: "plugin:p" };
  expect(run).toEqual({ handler: named, plugin, ...same, priority: 7, maxAttempts: 4, retry, timeoutMs: 9 });
});

test("what the schedule leaves to its handler, the run leaves to it too", () => {
  const { maxAttempts, retry, timeoutMs } = runOf({
    ...SCHEDULE,
    target: { kind: "handler", handler: "a.b" },
  });
  expect([maxAttempts, retry, timeoutMs]).toEqual([undefined, undefined, undefined]);
});
