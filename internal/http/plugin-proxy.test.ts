/** What of a request reaches a plugin. */
import { expect, test } from "bun:test";
import { headersFor } from "./plugin-proxy.ts";

test("a request says nothing that only the host may say, and hands on no token", () => {
  const headers = {
    authorization: "Bearer operator",
    "Qntx-Trigger": "schedule",
    "qntx-tenant": "acme",
    "idempotency-key": "of-the-page",
    "x-page": "1",
  };
  expect(headersFor(new Request("http://localhost/", { headers }))).toEqual([
    { name: "idempotency-key", values: ["of-the-page"] },
    { name: "x-page", values: ["1"] },
  ]);
});
