/**
 * Whatever is put into whichever field of whichever operation: it is refused with a
 * Fault or taken for what it says, and never a mistake of ours, a changed prototype or a
 * sentence without end. The operations come from the table, and their fields from their
 * schemas, so that what is new is asked, too.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { silentLog } from "../base/log.ts";
import { migrate } from "../store/sqlite/migrate.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import type { Context } from "./operation.ts";
import { callOperation } from "./run.ts";
import { OPERATIONS } from "./table.ts";

const NAMES = [
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "a\\b",
  "/etc/passwd",
  "a\0b",
  "a\nb",
  "-rf",
  "--help",
  "CON",
  "a.",
  " a",
  "ａ",
  "а",
  "%2e%2e%2f",
  "..%c0%af",
  "__proto__",
  "constructor",
  "toString",
  "con;id",
  "$(id)",
  "`id`",
  "~root",
  "\u202egnp",
  "' OR 1=1--",
  '"; DROP TABLE job; --',
  "%",
  "_",
  "*",
  "<img src=x onerror=1>",
];
const NUMBERS = [
  -1,
  0,
  1.5,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  Number.MAX_VALUE,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];
const TEXTS = ["1e3", "0x10", "9".repeat(400), "\ud800", "e\u0301".repeat(10_000), "\u001b]52;c;aGk=\u0007"];
const INSTANTS = [
  "0000-01-01T00:00:00Z",
  "+275760-09-13T00:00:00.001Z",
  "2026-02-30T00:00:00Z",
  "10000-01-01",
];
const SPECS = ["* * * * *,".repeat(2_000), "*/0 * * * *", "0 0 31 2 *", "1-".repeat(5_000), "@".repeat(999)];
const OBJECTS = [
  null,
  true,
  [],
  {},
  [[]],
  [null],
  JSON.parse('{"__proto__":{"polluted":1}}'),
  nested(2_000),
  nested(100_000),
];
const BAD: readonly unknown[] = [...NAMES, ...NUMBERS, ...TEXTS, ...INSTANTS, ...SPECS, ...OBJECTS];
const LONG = "x".repeat(1_048_576);
const MESSAGE_CHARS_MAX = 4_000; // A sentence quotes a part of what was wrong, and not a megabyte.

/** What else an operation needs, so that a field is looked at for itself. */
const VALID: Readonly<Record<string, Record<string, unknown>>> = {
  "schedule.create": { handler: "a.b", every: "5m" },
  "schedule.update": { id: "it" },
  "schedule.pause": { id: "it" },
  "schedule.ledger": { id: "it" },
  "schedule.explain": { id: "it" },
  "schedule.backfill": { id: "it", from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z" },
  "job.enqueue": { handler: "a.b" },
  "job.batch": { jobs: [{ handler: "a.b" }], completion: { handler: "a.b" } },
  "job.logs": { id: "job" },
  "job.pause": { id: "job" },
  "handler.create": { name: "x", code: "1", lang: "py" },
  "plugin.grant": { name: "p", capabilities: [] },
};

/** Deeper than any parser of ours follows by calling itself. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

let env: FakeEnv;
let store: SqliteStore;
let home: string;

beforeAll(async () => {
  env = new FakeEnv();
  home = mkdtempSync(join(tmpdir(), "qntx-bad-"));
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "test" });
  await callOperation(context(), "schedule.create", { name: "it", handler: "a.b", every: "5m" });
  await store.jobs.enqueue([
    { id: "job", handler: "a.b", payload: new Uint8Array(), owner: "person:operator" },
  ]);
});
afterAll(async () => {
  await store.close();
  rmSync(home, { recursive: true });
});

function context(): Context {
  return { env, log: silentLog, store, principal: { kind: "operator", name: "operator" }, host: null, home };
}

/** Throws what is neither an answer nor a Fault with a sentence. */
async function put(operation: string, input: unknown): Promise<void> {
  try {
    await callOperation(context(), operation, input);
  } catch (error) {
    if (!(error instanceof Fault)) throw new Error(`${operation} ${said(input)}: ${error}`, { cause: error });
    const { message, hint = "" } = error;
    if (message.length + hint.length > MESSAGE_CHARS_MAX)
      throw new Error(
        `${operation} ${said(input)}: a sentence of ${message.length + hint.length} characters`,
        { cause: error },
      );
    expect(message).not.toMatch(/undefined|\[object|Invalid |Expected /);
  }
}

const said = (input: unknown) => Bun.inspect(input, { depth: 3 }).slice(0, 200);

function fieldsOf(input: z.ZodType): string[] {
  const { properties = {} } = z.toJSONSchema(input, { io: "input", unrepresentable: "any" });
  return Object.keys(properties);
}

const STARTS_A_PROCESS = ["schedule.simulate"]; // For each call; simulation.test.ts asks it.

test.each(
  OPERATIONS.filter(({ name }) => !STARTS_A_PROCESS.includes(name)).map(
    ({ name, input }) => [name, input] as const,
  ),
)(
  "%s answers or refuses, whatever it is given",
  async (name, input) => {
    for (const whole of BAD) if (typeof whole !== "object" || whole === null) await put(name, whole);
    for (const field of fieldsOf(input)) {
      for (const value of BAD) await put(name, { ...VALID[name], [field]: value });
      for (const value of [LONG, [LONG], { [LONG]: 1 }]) await put(name, { ...VALID[name], [field]: value });
    }
    await expect(callOperation(context(), name, { ...VALID[name], nobodysField: 1 })).rejects.toBeInstanceOf(
      Fault,
    );
    const polluting = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    await put(name, { ...VALID[name], ...polluting });
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  },
  30_000,
);

const LISTS = OPERATIONS.filter(({ name }) => /[.](list|query|logs|ledger)$/.test(name));

test.each(LISTS.map(({ name, input }) => [name, input] as const))(
  "%s finds nothing by what is a pattern or a statement elsewhere",
  async (name, input) => {
    for (const field of fieldsOf(input)) {
      if (field === "cursor") continue; // A place in a list; behind which there may be something.
      for (const value of ["' OR 1=1--", '" OR ""="', "%", "a_b", "a.%", "*", "it' --"]) {
        const found = await callOperation(context(), name, { [field]: value }).catch(String);
        expect([field, value, /"id":"(job|SC_)/.test(JSON.stringify(found))]).toEqual([field, value, false]);
      }
    }
  },
);
