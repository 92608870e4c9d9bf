import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import {
  CAPABILITIES,
  CAPABILITY_NAMES,
  isCapability,
  parseCapability,
  usualCapabilities,
} from "./capability.ts";

test("a guest has nothing that a trusted plugin has not, and may neither schedule nor reach other plugins' handlers", () => {
  const trusted = usualCapabilities("trusted");
  const guest = usualCapabilities("guest");
  expect(trusted).toEqual(expect.arrayContaining(guest));
  expect(trusted).toEqual(expect.arrayContaining(["cap:scheduler.manage", "cap:queue.enqueue-any"]));
  for (const name of ["cap:scheduler.manage", "cap:queue.enqueue-any", "cap:http.fetch"] as const)
    expect(guest).not.toContain(name);
});

test("every name is well formed and says what it is for", () => {
  for (const name of CAPABILITY_NAMES) {
    expect(name).toMatch(/^cap:[a-z]+\.[a-z-]+$/);
    expect(CAPABILITIES[name].may.length).toBeGreaterThan(8);
  }
});

test.each([
  ["cap:http.fecth", "Did you mean cap:http.fetch?"],
  ["http.fetch", "Did you mean cap:http.fetch?"],
  ["fetch", "There are: cap:queue.enqueue, "],
  ["__proto__", "There are: cap:queue.enqueue, "],
  ["toString", "There are: cap:queue.enqueue, "],
])("%p is no capability", (name, hint) => {
  expect(isCapability(name)).toBe(false);
  const fault = (() => {
    try {
      return parseCapability(name);
    } catch (error) {
      return error;
    }
  })();
  if (!(fault instanceof Fault)) throw new Error("it was taken");
  expect(fault.code).toBe("usage");
  expect(fault.hint).toContain(hint);
});
