/** Fetching for a plugin: who may, what is written down, and what becomes an attestation. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Capability, usualCapabilities } from "../access/capability.ts";
import { Fault } from "../base/fault.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { Folder, pluginPrincipal, refusal } from "./fixture.ts";
import { httpFetch } from "./http-fetch.ts";
import type { Context, Host } from "./operation.ts";
import { call } from "./run.ts";

let folder: Folder;
let store: SqliteStore;
let asked: string[];
let status: number;

beforeEach(() => {
  folder = new Folder();
  ({ store } = folder);
  asked = [];
  status = 200;
});
afterEach(() => store.close());

function context(capabilities: Iterable<Capability> = usualCapabilities("trusted"), tenant = ""): Context {
  const web: Host["web"] = {
    async fetch(url, { caller }) {
      asked.push(`${caller} ${url}`);
      if (url.includes("inside")) throw new Fault("denied", "http://inside is 127.0.0.1.");
      return { status, body: `page ${asked.length}` };
    },
  };
  const principal = pluginPrincipal({ plugin: "demo", tenant, capabilities: new Set(capabilities) });
  const host = { web, attested() {} } as unknown as Host;
  return folder.context(principal, host);
}

const url = "http://example.org/page?id=7";
const about = { url, subjects: ["example"], predicate: "seen" };

test("a page is fetched in the plugin's name; without subjects nothing is attested", async () => {
  expect(await call(context(), httpFetch, { url })).toEqual({
    status: 200,
    body: "page 1",
    attestationId: "",
  });
  expect(asked).toEqual([`demo ${url}`]);
  expect(await store.attestations.query({})).toEqual([]);
});

test("an answer about subjects is attested, and given again until somebody wants it fresh", async () => {
  const first = await call(context(), httpFetch, about);
  const [attestation] = await store.attestations.query({});
  expect(attestation).toMatchObject({
    id: first.attestationId,
    subjects: ["example"],
    predicates: ["http:get", "seen"],
    contexts: [url],
    attributes: { url, response: "page 1", status_code: 200 },
  });
  expect(await call(context(), httpFetch, about)).toEqual(first);
  expect((await call(context(), httpFetch, { ...about, url: "http://example.org/other" })).body).toBe(
    "page 2",
  );
  expect((await call(context(), httpFetch, { ...about, fresh: true })).body).toBe("page 3");
  expect((await call(context(usualCapabilities("trusted"), "acme"), httpFetch, about)).body).toBe("page 4");
});

test("an answer that was an error is not given again", async () => {
  status = 503;
  await call(context(), httpFetch, about);
  status = 200;
  expect(await call(context(), httpFetch, about)).toMatchObject({ status: 200, body: "page 2" });
});

test("who lacks what it takes is refused before anybody is asked, and all refusals are written down", async () => {
  const guest = usualCapabilities("guest");
  expect((await refusal(call(context(guest), httpFetch, { url }))).message).toContain("lacks cap:http.fetch");
  const mute = context(["cap:http.fetch"]);
  expect(await refusal(call(mute, httpFetch, about))).toMatchObject({
    code: "denied",
    hint: "Grant it with: qntx plugin grant demo cap:ats.write",
  });
  expect(asked).toEqual([]);
  expect((await refusal(call(context(), httpFetch, { url: "http://inside/" }))).code).toBe("denied");
  const { items: entries } = await store.audit.list({ limit: 10 });
  expect(
    entries.map(({ operation, principal, allowed, detail }) => [operation, principal, allowed, detail]),
  ).toEqual([
    ["http.fetch", "plugin:demo", false, "http://inside is 127.0.0.1."],
    ["http.fetch", "plugin:demo", false, expect.stringContaining("lacks cap:ats.write")],
    ["http.fetch", "plugin:demo", false, expect.stringContaining("lacks cap:http.fetch")],
  ]);
});
