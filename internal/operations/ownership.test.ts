/** Who may change what: each kind of schedule, each who asks, each verb. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import type { FakeEnv } from "../base/fake-env.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { Folder, OPERATOR, pluginPrincipal } from "./fixture.ts";
import { callOperation } from "./run.ts";

const ASKING = { person: OPERATOR, p: pluginPrincipal(), q: pluginPrincipal({ plugin: "q" }) } as const;

/** Whose it is, and the id under which it is declared. */
const KINDS = {
  "made by a person": { owner: { kind: "person", name: "operator" }, declaredId: "" },
  "of a document": { owner: { kind: "file", name: "prod" }, declaredId: "" },
  "of qntx.toml": { owner: { kind: "file", name: "qntx.toml" }, declaredId: "it" },
  "made by p at run time": { owner: { kind: "plugin", name: "p" }, declaredId: "" },
  "declared by p": { owner: { kind: "plugin", name: "p" }, declaredId: "it" },
} as const;

const VERBS = {
  show: ["schedule.show", {}],
  change: ["schedule.update", { description: "changed" }],
  pause: ["schedule.pause", {}],
  resume: ["schedule.resume", {}],
  run: ["schedule.run", { evenPaused: true }],
  delete: ["schedule.delete", {}],
} as const;

let folder: Folder;
let env: FakeEnv;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ env, store } = folder);
});
afterEach(() => store.close());

const ask = (who: keyof typeof ASKING, operation: string, input: object) => {
  const principal = ASKING[who];
  const context = folder.context(principal);
  return callOperation(context, operation, input).then(
    () => "done",
    (error: unknown) => {
      if (error instanceof Fault) return error.code;
      throw error;
    },
  );
};
const make = async (kind: keyof typeof KINDS): Promise<Schedule> => {
  const made = await store.schedules.create(newSchedule(env, { name: "it", ...KINDS[kind] }));
  if ("refused" in made) throw new Error(made.refused);
  return made;
};

const ALL = Object.keys(VERBS) as (keyof typeof VERBS)[];
const SHOWN = ["show", "pause", "resume", "delete"] as const; // Of what a plugin itself declared.

test.each([
  // whose                        who asks   may
  ["made by a person", "person", ALL],
  ["made by a person", "p", []],
  ["of a document", "person", ALL.filter((verb) => verb !== "change")],
  ["of a document", "p", []],
  ["of qntx.toml", "person", ALL.filter((verb) => verb !== "change")],
  ["of qntx.toml", "p", []],
  ["made by p at run time", "person", ALL],
  ["made by p at run time", "p", ALL.filter((verb) => verb !== "run")],
  ["made by p at run time", "q", []],
  ["declared by p", "person", ALL.filter((verb) => verb !== "change")],
  ["declared by p", "p", SHOWN],
  ["declared by p", "q", []],
] as const)("a schedule %s: %s may %j, and nothing else", async (kind, who, may) => {
  const before = await make(kind);
  const allowed: readonly string[] = may;
  for (const verb of ALL) {
    const [operation, input] = VERBS[verb];
    for (const id of [before.id, "it"]) {
      if (verb === "delete" && id === "it") continue; // It is deleted by then.
      const answer = await ask(who, operation, { id, ...input });
      expect(`${verb} ${answer === "done"}`).toBe(`${verb} ${allowed.includes(verb)}`);
    }
  }
  const after = await store.schedules.get(before.id);
  expect(after?.owner).toEqual(before.owner);
  expect(after?.description === "changed").toBe(allowed.includes("change"));
  if (allowed.length === 0) expect(after).toEqual(before);
});

test("an upsert by a plugin does not change what that plugin declared", async () => {
  const before = await make("declared by p");
  const input = { name: "it", handler: "p.other", every: "9m", upsert: true };
  expect(await ask("p", "schedule.create", input)).toBe("conflict");
  expect(await store.schedules.get(before.id)).toEqual(before);
});

test("an upsert makes a schedule of one's own beside that of another owner", async () => {
  for (const kind of ["of qntx.toml", "made by a person"] as const) {
    const before = await make(kind);
    expect(await ask("p", "schedule.create", { name: "it", handler: "p.x", every: "9m", upsert: true })).toBe(
      "done",
    );
    expect(await store.schedules.get(before.id)).toEqual(before);
  }
});

test.each([
  ["of a document", 'belongs to the document "prod"', "qntx schedule apply -f FILE"],
  ["of qntx.toml", "is declared in qntx.toml", "Change it in qntx.toml"],
  ["declared by p", "is declared by plugin p", "Change its declaration in the plugin."],
] as const)("the refusal for one %s says whose it is and what to do", async (kind, whose, wayOut) => {
  const { id } = await make(kind);
  const context = folder.context(ASKING.person);
  const fault = await callOperation(context, "schedule.update", { id, description: "x" }).catch(
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(Fault);
  expect(String(fault)).toContain(`Schedule it (${id}) ${whose} and would be set back.`);
  expect(fault instanceof Fault && fault.hint).toContain(wayOut);
});
