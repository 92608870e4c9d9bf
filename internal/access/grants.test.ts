import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import type { Trust } from "./capability.ts";
import { usualQuota } from "./quota.ts";
import { type Grant, Grants } from "./grants.ts";
import { Tokens } from "./tokens.ts";

const FETCH = "cap:http.fetch";
const said = (granted: boolean, by = "operator:me"): Grant => ({
  plugin: "demo",
  capability: FETCH,
  granted,
  by,
  at: 1,
});

test.each([
  // trust     config  said            has    by
  ["trusted", false, [], true, "usual"],
  ["guest", false, [], false, "usual"],
  ["guest", true, [], true, "config"],
  ["guest", false, [said(true)], true, "operator:me"],
  ["guest", true, [said(false)], false, "operator:me"],
  ["trusted", false, [said(false)], false, "operator:me"],
  ["trusted", false, [said(false), said(true, "operator:you")], true, "operator:you"],
] as [Trust, boolean, Grant[], boolean, string][])(
  "a %s plugin, config %p, said %p: %p by %s",
  (trust, config, grants, has, by) => {
    const all = new Grants({ trustOf: () => trust, configured: () => (config ? [FETCH] : []), said: grants });
    expect(all.of("demo").has(FETCH)).toBe(has);
    expect(all.standings("demo")).toContainEqual({ capability: FETCH, granted: has, by });
  },
);

test("what is said holds at once for tokens that are out, and for that plugin alone", () => {
  const grants = new Grants({ trustOf: () => "guest", configured: () => [], said: [] });
  const tokens = new Tokens(new FakeEnv(), { grants, quotas: { of: () => usualQuota("guest") } });
  const token = tokens.issue({ plugin: "demo", tenant: "acme" });
  const other = tokens.issue({ plugin: "other", tenant: "" });
  const may = (bearer: string) => {
    const principal = tokens.principal(bearer);
    return principal?.kind === "plugin" && principal.capabilities.has(FETCH);
  };
  expect(tokens.principal(token)).toMatchObject({ plugin: "demo", tenant: "acme" });
  expect(may(token)).toBe(false);
  grants.say(said(true));
  expect([may(token), may(other)]).toEqual([true, false]);
  grants.say(said(false));
  expect(may(token)).toBe(false);
  tokens.revoke(token);
  expect([tokens.principal(token), tokens.principal(""), tokens.principal("x")]).toEqual([null, null, null]);
});
