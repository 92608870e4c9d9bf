/**
 * Who reaches what through the services, on a real host with real processes: every
 * method of the protocol, for the owner, another plugin of its tenant, the same plugin
 * of another tenant, the owner's former process, and whoever has no token. And every
 * operation over HTTP, for all who are not the operator.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OPERATIONS } from "../../operations/table.ts";
import {
  Access,
  type Keyholder,
  type Method,
  methods,
  NOTHING,
  type Row,
  ROWS,
  type Things,
} from "./access.ts";

setDefaultTimeout(60_000);

const ALL = await methods();
const rowsOf = (kind: "names" | "lists") =>
  Object.entries(ROWS).flatMap(([name, row]) => {
    const method = ALL.find((each) => each.name === name);
    return method && kind in row ? [[name, method, row] as const] : [];
  });

const access = new Access();
let formerly: Keyholder;
let owner: Keyholder;
let others: Record<string, Keyholder>;

beforeAll(async () => {
  await access.start();
  formerly = access.keyholder("keys-acme");
  await access.place.call("plugin.restart", { name: "keys-acme" });
  owner = access.keyholder("keys-acme");
  others = {
    "another plugin of the tenant": access.keyholder("bystander"),
    "the same plugin of another tenant": access.keyholder("keys-globex"),
  };
});
afterAll(() => access[Symbol.asyncDispose]());

const TENANTS_OWN = "another plugin of the tenant"; // What is a tenant's is seen by all its plugins.

test("every method that plugins can call has a row", () => {
  const missing = ALL.filter(({ name }) => !ROWS[name]).map(
    ({ name }) => `${name} is new: say in ROWS (internal/serve/e2e/access.ts) what of others it could reach.`,
  );
  const stale = Object.keys(ROWS).filter((name) => !ALL.some((method) => method.name === name));
  expect([...missing, ...stale.map((name) => `${name} is in no .proto file: take its row out.`)]).toEqual([]);
});

test("the former process of a plugin, and whoever has no token or a wrong one, get nothing from any method", async () => {
  expect(formerly.token).not.toBe(owner.token);
  const asking = new Uint8Array();
  const tokens = { "of its former process": formerly.token, none: "", wrong: "0".repeat(64) };
  for (const method of ALL) {
    const row: Row | undefined = ROWS[method.name];
    const ask = row && ("ask" in row ? row.ask : "makes" in row ? row.makes : row.follows);
    for (const [which, token] of Object.entries(tokens)) {
      const { ok, text } = await access.ask(method, { ...owner, token }, ask ?? (() => asking), NOTHING);
      expect([method.name, which, ok]).toEqual([method.name, which, false]);
      if (method.name !== "ATSStoreService.AttestationExists")
        expect(text).toContain("invalid authentication token");
    }
  }
});

const withoutIds = (text: string, things: Things) =>
  Object.values(things).reduce((rest, id) => rest.replaceAll(id, "ID"), text);

const all = async ({ job, schedule }: Things) =>
  JSON.stringify([
    await access.place.call("job.show", { id: job }),
    await access.place.call("schedule.show", { id: schedule }),
  ]);

test.each(rowsOf("names"))(
  "%s: another's is missing, in the same words, and stays as it is",
  async (_, method, row) => {
    if (!("names" in row)) return;
    const things = await access.things(owner);
    const before = await all(things);
    for (const [who, other] of Object.entries(others)) {
      const theirs = await access.ask(method, other, row.ask, things);
      if (row.tenant && who === TENANTS_OWN) {
        expect([who, theirs.ok]).toEqual([who, true]);
        continue;
      }
      const missing = await access.ask(method, other, row.ask, NOTHING);
      expect([who, theirs.ok, withoutIds(theirs.text, things)]).toEqual([
        who,
        false,
        withoutIds(missing.text, NOTHING),
      ]);
    }
    expect(await all(things)).toBe(before);
    expect(await access.ask(method, owner, row.ask, things)).toMatchObject({ ok: true }); // So it can be done at all.
  },
);

test.each(rowsOf("lists"))("%s lists what is one's own", async (_, method: Method, row) => {
  if (!("lists" in row)) return;
  const things = await access.things(owner);
  for (const [who, asks] of Object.entries({ owner, ...others })) {
    const { text } = await access.ask(method, asks, row.ask, NOTHING);
    const sees = who === "owner" || (row.tenant === true && who === TENANTS_OWN);
    expect([who, text.includes(things[row.lists])]).toEqual([who, sees]);
  }
});

test("what each makes is its own: statements that are followed, locks of one key, names of schedules", async () => {
  const heard: string[] = [];
  const end = await access.follow(others["the same plugin of another tenant"]?.token ?? "", (text) =>
    heard.push(text),
  );
  await access.things(owner);
  const own = await access.things(access.keyholder("keys-globex"));
  await access.place.until("one's own statement", async () => heard.length > 0);
  end();
  expect(heard).toHaveLength(1);
  expect(heard[0]).toContain(own.attestation);
  for (const name of ["LockService.TryLock", "HostService.CreateSchedule", "StorageService.Set"]) {
    const method = ALL.find((each) => each.name === name);
    const row = ROWS[name];
    if (!method || !row || !("makes" in row)) throw new Error(name);
    const asking = row.makes;
    const once: typeof asking = (call) => asking({ ...call, turn: 0 });
    for (const asks of [owner, ...Object.values(others)]) {
      const { ok, text } = await access.ask(method, asks, once, NOTHING);
      expect([name, asks.name, ok, text.includes('contention":{')]).toEqual([name, asks.name, true, false]);
    }
  }
});

test("over HTTP, only the operator's token opens an operation, and no other name of this host", async () => {
  const operator = readFileSync(join(access.place.home, "operator.token"), "utf8").trim();
  const { address } = access.place.host;
  const call = async (name: string, headers: Record<string, string>) => {
    const answer = await fetch(`${address}/api/v1/call/${name}`, {
      method: "POST",
      body: "{}",
      headers: { "content-type": "application/json", ...headers },
    });
    return [name, answer.status, await answer.text()];
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  for (const { name } of OPERATIONS) {
    for (const headers of [
      {},
      bearer(owner.token),
      bearer(formerly.token),
      { ...bearer(operator), host: "evil.example" },
      { ...bearer(operator), origin: "http://evil.example" },
      { ...bearer(operator), "sec-fetch-site": "cross-site" },
    ])
      expect(await call(name, headers)).toEqual([name, 403, expect.stringContaining('"code":"denied"')]);
  }
});
