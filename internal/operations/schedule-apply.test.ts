/** Schedules as a document: what is written is read again, and applying it changes what is different and nothing else. */
import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import { POLICY_DEFAULT, type Policy, type Schedule } from "../schedule/schedule.ts";
import type { NewSchedule } from "../store/schedules.ts";
import { newSchedule } from "../store/storetest/fixture.ts";
import { Folder, pluginPrincipal } from "./fixture.ts";
import type { OutputOf } from "./operation.ts";
import { call, callOperation } from "./run.ts";
import { scheduleApply, scheduleExport, schedulePlan } from "./schedule-apply.ts";
import { DOCUMENT_SCHEDULES_MAX, writeDocument } from "./schedule-document.ts";

type Planned = OutputOf<typeof schedulePlan>;

/** A host's data folder, in memory. */
class Documents extends Folder {
  async export(input: object = {}): Promise<string> {
    return writeDocument((await call(this.context(), scheduleExport, input)).document);
  }

  plan(document: string, more: object = {}): Promise<Planned> {
    return call(this.context(), schedulePlan, { document, name: "x.yaml", ...more });
  }

  apply(document: string, more: object = {}): Promise<Planned> {
    return call(this.context(), scheduleApply, { document, name: "x.yaml", ...more });
  }

  async refusal(document: string, more: object = {}): Promise<Fault> {
    const fault = await this.apply(document, more).catch((error: unknown) => error);
    if (fault instanceof Fault) return fault;
    throw new Error(`It was not refused: ${JSON.stringify(fault)}`);
  }

  async make(change: Partial<NewSchedule>): Promise<Schedule> {
    const made = await this.store.schedules.create(newSchedule(this.env, change));
    if ("refused" in made) throw new Error(made.refused);
    return made;
  }

  async all(): Promise<Schedule[]> {
    const { items } = await this.store.schedules.list({}, { limit: 1_000 });
    const key = ({ name, owner, id }: Schedule) => `${name} ${owner.kind} ${owner.name} ${id}`;
    return items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)); // Ids of one millisecond have no order.
  }
}

const actions = ({ lines }: Planned) => lines.map(({ action, name }) => `${action} ${name}`);
const bytes = (text: string) => new TextEncoder().encode(text);

/** Every part of a policy, each other than its default. */
const POLICY: Policy = {
  overlap: "buffer-all",
  missed: "all",
  missedMax: 3,
  missedWindowMs: 3_600_000,
  latenessMaxMs: 7_200_001,
  jitterMs: 1_500,
  dstGap: "skip",
  dstFold: "both",
  startAt: Date.UTC(2026, 5, 1),
  endAt: Date.UTC(2036, 5, 1),
  runsMax: 9,
  retry: { kind: "linear", baseMs: 1_000, maxMs: 60_000 },
  timeoutMs: 30_000,
  maxAttempts: 2,
  priority: -3,
  blackouts: [{ from: Date.UTC(2027, 1, 1), to: Date.UTC(2027, 1, 2), note: "own: one" }],
  blackoutNames: ["holidays"],
  pauseAfterFailures: 4,
  mustStartWithinMs: 5_000,
  mustSucceedWithinMs: 60_000,
};

/** Payloads that a document must give back byte for byte. */
const PAYLOADS: Uint8Array[] = [
  ...[
    '{"a":[1,2.5,"x",null,{"b":{}}],"c":[]}',
    '{"n":12345678901234567890}',
    '{"10":1,"9":2}',
    '{ "spaces": 1 }',
    '"12:30:45"',
    '["yes","no","on","~","null","","0x1f","1e3","- x","#","a: b","*a","&a","@b","line\\n  two\\n\\n"," x "]',
    '{"__proto__":1,"<<":2,"":3,"a b":4}',
    '"\\ud800"',
    "null",
    "0",
    "false",
    "not json",
    "\ufeffmark",
    "-0",
    "1e400",
    `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
  ].map(bytes),
  new Uint8Array([0, 255, 254]),
  new Uint8Array(),
];

async function everyKind(folder: Documents): Promise<void> {
  const ranges = [{ from: "2026-12-24", to: "2026-12-26", note: "Christmas" }];
  await folder.store.blackouts.set({
    name: "holidays",
    timezone: "Europe/Amsterdam",
    description: "ours: all",
    ranges,
  });
  const cron = {
    spec: { kind: "cron", cron: ["*/5 * * * *", "0 9 * * MON#1"] },
    timezone: "Asia/Kolkata",
  } as const;
  const until = folder.env.now() + 86_400_000;
  const metadata = { team: "web: one", "a key": "", when: "2026-01-01" };
  await folder.make({ name: "plain" });
  await folder.env.advance(1_234);
  await folder.make({
    name: "full",
    ...cron,
    policy: POLICY,
    metadata,
    description: "two\nlines # no comment",
  });
  await folder.make({
    name: "at",
    spec: { kind: "at", instants: [Date.UTC(2040, 0, 1), Date.UTC(2041, 0, 1)] },
  });
  await folder.make({
    name: "grid",
    spec: { kind: "every", everyMs: 90_000 },
    anchor: Date.UTC(2025, 0, 1) + 7,
  });
  await folder.make({
    name: "paused",
    paused: { note: "why: not", by: "person:ann", until },
    locking: "node-local",
  });
  await folder.make({ owner: { kind: "plugin", name: "poller" }, spec: cron.spec });
  await folder.make({ owner: { kind: "plugin", name: "poller" }, declaredId: "sync", name: "sync" });
  await folder.make({ owner: { kind: "file", name: "qntx.toml" }, declaredId: "nightly", name: "plain" });
  await folder.make({ owner: { kind: "file", name: "prod" }, name: "plain" });
  for (const [i, payload] of PAYLOADS.entries()) await folder.make({ name: `payload-${i}`, payload });
}

/** What makes a schedule fire as it does. */
const essence = ({ createdAt: _c, updatedAt: _u, revision: _r, pause, ...rest }: Schedule) => ({
  ...rest,
  anchor: rest.spec.kind === "every" ? rest.anchor : 0,
  payload: Buffer.from(rest.payload).toString("base64"),
  pause: pause && { note: pause.note, by: pause.by, until: pause.until },
});

test("what is exported and applied again changes nothing, whatever the schedule is", async () => {
  await using folder = new Documents();
  await everyKind(folder);
  await folder.env.advance(600_000);
  const before = await folder.all();
  const text = await folder.export();
  for (const document of [text, JSON.stringify(Bun.YAML.parse(text))]) {
    const plan = await folder.plan(document);
    expect(plan.lines.filter(({ action }) => action !== "unchanged")).toEqual([]);
    expect(plan.lines).toHaveLength(before.length + 1);
    expect(await folder.apply(document)).toMatchObject({ changes: 0, refused: 0 });
  }
  expect(await folder.all()).toEqual(before);
  expect((await folder.store.audit.list({})).items.map(({ operation }) => operation)).toEqual([
    "schedule.apply",
    "schedule.apply",
  ]);
});

test("applied where there is nothing, it makes the same schedules, and the same document again", async () => {
  await using here = new Documents();
  await using there = new Documents();
  await everyKind(here);
  await there.env.advance(500_000);
  const text = await here.export();
  const made = await there.apply(text);
  expect(made.lines.filter(({ action }) => action !== "create")).toEqual([]);
  const [before, after] = [await here.all(), await there.all()];
  const anyTime = (schedule: Schedule) => essence({ ...schedule, nextRunAt: null }); // The clock there is another.
  expect(after.map(anyTime)).toEqual(before.map(anyTime));
  expect(await there.export()).toBe(text);
  expect(await there.apply(text)).toMatchObject({ changes: 0 });
});

test("where a plugin keeps locks, an interval has the grid of all such hosts, wherever it comes from", async () => {
  await using here = new Documents();
  await using there = new Documents({ locksBy: { plugin: "locks" } });
  await here.make({ name: "grid", spec: { kind: "every", everyMs: 90_000 } });
  const text = await here.export();
  expect(actions(await there.apply(text))).toEqual(["create grid"]);
  expect(await there.all()).toMatchObject([{ anchor: 0 }]);
  expect(await there.apply(text)).toMatchObject({ changes: 0 });
});

test("runs that it had are not given again, and a finished one is not made again", async () => {
  await using here = new Documents();
  await using there = new Documents();
  await here.make({ name: "thrice", policy: { ...POLICY_DEFAULT, runsMax: 3, overlap: "allow" } });
  await here.env.advance(1);
  await here.make({ name: "once", spec: { kind: "at", instants: [here.env.now() + 60_000] } });
  const nodeId = await here.store.nodes.nodeId();
  for (let i = 0; i < 2; i++) {
    await here.env.advance(60_000);
    await here.store.schedules.fire({ nodeId, limit: 10 });
  }
  await there.env.advance(120_000);
  const text = await here.export();
  expect(actions(await here.plan(text))).toEqual(["unchanged once", "unchanged thrice"]);
  expect(actions(await there.apply(text))).toEqual(["unchanged once", "create thrice"]);
  expect(await there.all()).toMatchObject([{ name: "thrice", runCount: 2 }]);
});

const PROD = `
source: prod
schedules:
  - name: a
    handler: x.y
    every: 5m
  - name: b
    handler: x.y
    cron: "0 9 * * *"
`;

test("only what is different is changed, and keeps what it is silent about", async () => {
  await using folder = new Documents();
  expect(actions(await folder.apply(PROD))).toEqual(["create a", "create b"]);
  const [a, b] = await folder.all();
  await folder.env.advance(61_000);
  await folder.store.schedules.pause(a?.id ?? "", { note: "by hand", by: "person:ann", until: null });
  expect(await folder.apply(PROD)).toMatchObject({ changes: 0 });

  const changed = PROD.replace("0 9 * * *", "30 9 * * *").replace(
    "every: 5m",
    "every: 5m\n    description: new",
  );
  const plan = await folder.plan(changed);
  expect(plan.lines.map(({ changes }) => changes)).toEqual([
    [{ field: "description", from: null, to: "new" }],
    [{ field: "cron", from: "0 9 * * *", to: "30 9 * * *" }],
  ]);
  expect((await folder.all()).map(({ revision }) => revision)).toEqual([1, 1]);
  await folder.apply(changed);
  expect(await folder.all()).toMatchObject([
    { id: a?.id, revision: 2, anchor: a?.anchor, state: "paused", description: "new" },
    { id: b?.id, revision: 2, spec: { cron: ["30 9 * * *"] } },
  ]);
});

test.each([
  // said            it was      it is        changes
  ["", "paused", "paused", 0],
  ["paused: false", "paused", "active", 1],
  ["paused: true", "paused", "paused", 0],
  ["paused: {note: new}", "paused", "paused", 1],
  ["paused: {note: by hand}", "paused", "paused", 0],
  ["", "active", "active", 0],
  ["paused: true", "active", "paused", 1],
  ["paused: false", "active", "active", 0],
  ["paused: {until: '2020-01-01T00:00:00Z'}", "active", "active", 0],
  ["paused: {until: '2100-01-01T00:00:00Z'}", "active", "paused", 1],
])("%j on a schedule that is %s leaves it %s, and its definition alone", async (said, was, is, changes) => {
  await using folder = new Documents();
  const text = `source: prod\nschedules:\n  - name: a\n    handler: x.y\n    every: 5m\n`;
  await folder.apply(text);
  const [a] = await folder.all();
  if (was === "paused")
    await folder.store.schedules.pause(a?.id ?? "", { note: "by hand", by: "person:operator", until: null });
  const document = `${text}    ${said}\n`;
  expect(await folder.apply(document)).toMatchObject({ changes });
  expect(await folder.all()).toMatchObject([{ state: is, revision: 1 }]);
  expect(await folder.apply(document)).toMatchObject({ changes: 0 });
});

test("prune deletes what the same source made and no longer states, and nothing else", async () => {
  await using folder = new Documents();
  await everyKind(folder);
  await folder.apply(PROD);
  const others = (await folder.all()).filter(({ owner }) => owner.name !== "prod");
  const less = PROD.slice(0, PROD.indexOf("  - name: b"));
  expect(actions(await folder.plan(less))).toEqual(["unchanged a"]);
  expect(actions(await folder.plan(less, { prune: true })).toSorted()).toEqual([
    "delete b",
    "delete plain",
    "unchanged a",
  ]);
  await folder.apply(less, { prune: true });
  const all = await folder.all();
  expect(all.filter(({ owner }) => owner.name === "prod").map(({ name }) => name)).toEqual(["a"]);
  expect(all.filter(({ owner }) => owner.name !== "prod")).toEqual(others);
  expect(await folder.apply(less, { prune: true })).toMatchObject({ changes: 0 });
  const fault = await folder.refusal("schedules: []", { prune: true });
  expect([fault.code, fault.message]).toEqual([
    "config",
    "x.yaml does not say whose schedules it states, so nothing can be pruned.",
  ]);
});

test.each([
  [{ owner: { kind: "person", name: "operator" }, declaredId: "" }, "belongs to person:operator"],
  [{ owner: { kind: "plugin", name: "p" }, declaredId: "" }, "belongs to plugin:p"],
  [{ owner: { kind: "plugin", name: "p" }, declaredId: "it" }, "is declared by plugin p"],
  [{ owner: { kind: "file", name: "qntx.toml" }, declaredId: "it" }, "is declared in qntx.toml"],
  [{ owner: { kind: "file", name: "other" }, declaredId: "" }, 'belongs to the document "other"'],
] as const)("a document does not change a schedule of %j", async (whose, sentence) => {
  await using folder = new Documents();
  await folder.make({ name: "it", ...whose });
  const exported = await folder.export();
  const foreign = { ...whose.owner, text: `${whose.owner.kind}:${whose.owner.name}` };
  const entry = exported
    .replace(/^source:.*\n/m, "")
    .replace("    name: it", `    name: it\n    owner: ${foreign.text}`);
  const once = entry.replace(/(\n    owner: .*)(\n    owner: .*)/, "$1");
  const document = `source: prod\n${once.replace(/every: 1m/, "every: 2m")}  - name: new\n    handler: x.y\n    every: 5m\n`;
  const before = await folder.all();
  expect(actions(await folder.plan(`source: prod\n${once}`))).toEqual(["unchanged it"]);
  expect(actions(await folder.plan(document))).toEqual(["refused it", "create new"]);
  const fault = await folder.refusal(document);
  expect(fault.code).toBe("conflict");
  expect(fault.message).toMatch(/^x\.yaml:\d+: schedule "it": It /);
  expect(fault.message).toContain(`${sentence}, and not to file:prod.`);
  expect(await folder.all()).toEqual(before);
});

test("a schedule changes no owner by being stated under another", async () => {
  await using folder = new Documents();
  const { id } = await folder.make({ name: "it", owner: { kind: "plugin", name: "p" } });
  const document = `schedules:\n  - id: ${id}\n    name: it\n    handler: test.work\n    every: 1m\n`;
  const { lines } = await folder.plan(document);
  expect(lines).toMatchObject([
    { action: "refused", changes: [{ field: "owner", from: "plugin:p", to: "person:operator" }] },
  ]);
});

test("an id that is known means that schedule, and may give it another name", async () => {
  await using folder = new Documents();
  const { id } = await folder.make({ name: "old", owner: { kind: "file", name: "prod" } });
  const document = `source: prod\nschedules:\n  - id: ${id}\n    name: new\n    handler: test.work\n    every: 1m\n`;
  expect((await folder.apply(document)).lines).toMatchObject([
    { action: "change", changes: [{ field: "name", from: "old", to: "new" }] },
  ]);
  expect(await folder.all()).toMatchObject([{ id, name: "new" }]);
});

test("what somebody deleted is made anew by its name, and stays deleted where it was declared", async () => {
  await using folder = new Documents();
  const mine = await folder.make({ name: "mine" });
  const owner = { kind: "plugin", name: "p" } as const;
  const declared = await folder.make({ name: "sync", owner, declaredId: "sync" });
  const nameless = await folder.make({ owner });
  const text = await folder.export();
  for (const { id } of [mine, declared]) await folder.store.schedules.delete(id, "me");
  expect(actions(await folder.apply(text)).toSorted()).toEqual([
    "create mine",
    "unchanged ",
    "unchanged sync",
  ]);
  expect(await folder.apply(text)).toMatchObject({ changes: 0 });
  await folder.store.schedules.delete(nameless.id, "me");
  expect((await folder.refusal(text)).message).toContain(`Schedule ${nameless.id} was deleted and stays so.`);
});

test("two that are applied at once end as if one had come after the other", async () => {
  await using folder = new Documents();
  await folder.apply(PROD);
  const variant = (handler: string, name: string) =>
    PROD.replaceAll("x.y", handler).replace("name: b", `name: ${name}`);
  await Promise.all([folder.apply(variant("one.x", "c")), folder.apply(variant("two.x", "d"))]);
  const all = await folder.all();
  const handlerOf = (name: string) =>
    all.filter((schedule) => schedule.name === name).map(({ target }) => target);
  expect(all.map(({ name }) => name).toSorted()).toEqual(["a", "b", "c", "d"]);
  expect(handlerOf("a")).toEqual([{ kind: "handler", handler: "two.x" }]);
  expect(handlerOf("c")).toEqual([{ kind: "handler", handler: "one.x" }]);
});

test("one entry that is wrong keeps all others from being made", async () => {
  await using folder = new Documents();
  const never = `${PROD}  - name: never\n    handler: x.y\n    at: 2020-01-01T00:00:00Z\n`;
  const fault = await folder.refusal(never);
  expect(fault.message).toBe('x.yaml:12: schedule "never": at: never fires from now on.');
  expect(await folder.all()).toEqual([]);
});

test("a blackout of the document is made before who observes it, and changed for all", async () => {
  await using folder = new Documents();
  const text = (from: string) => `
blackouts:
  fair: {timezone: Europe/Paris, ranges: [{from: ${from}, to: 2090-02-02, note: opening}]}
schedules:
  - {name: a, handler: x.y, cron: "@daily", blackouts: [fair]}
`;
  expect(actions(await folder.apply(text("2090-02-01")))).toEqual(["create fair", "create a"]);
  expect(await folder.apply(text("2090-02-01"))).toMatchObject({ changes: 0 });
  const { lines } = await folder.apply(text("2090-02-02"));
  expect(lines.map(({ action, noun }) => `${action} ${noun}`)).toEqual([
    "change blackout",
    "unchanged schedule",
  ]);
  expect(await folder.all()).toMatchObject([
    { revision: 2, policy: { blackouts: [{ note: "fair: opening" }] } },
  ]);
});

test.each([
  ["", "x.yaml: is not a document of schedules."],
  ["schedules: 5", "x.yaml:1: schedules: is not a list."],
  ["a: 1\n---\nb: 2", "x.yaml: is not a document of schedules."],
  ["schedules:\n  - name: a\n    cron: */5 * * * *", "x.yaml:3: is not YAML: Unresolved alias."],
  ["schedules: &a [*a]", "x.yaml: schedule 1 is not a mapping."],
  ["schedules:\n  - &a {name: a, handler: x.y, every: 5m, payload: *a}", "is nested too deep"],
  [`schedules: [${"{},".repeat(DOCUMENT_SCHEDULES_MAX + 1)}]`, "x.yaml:1: schedules: has 5001 entries."],
  ["source: qntx.toml", 'x.yaml:1: source: "qntx.toml" is the configuration file.'],
  ["schedules: [{name: a, handler: x.y, every: 5m, owner: 'file:qntx.toml'}]", "owns only what it declares"],
  ["schedules: [{name: a, handler: x.y, every: 5m, declaredId: b}]", "person:operator declares nothing"],
  ["schedules: [{id: JB_01KDVDNA00RM5YX17J9Z6SK03C, handler: x.y, every: 5m}]", "is not a schedule's id."],
  ["sources: a", 'x.yaml:1: "sources" is not a key of a document.'],
  ["x".repeat(4_194_305), "x.yaml: has 4194305 bytes; at most 4194304 are read."],
  [`${"[".repeat(100_000)}`, "is not YAML"],
])("document %# is none, and is refused", async (document, sentence) => {
  await using folder = new Documents();
  const fault = await folder.refusal(document);
  expect(fault.code).toBe("config");
  expect(fault.message).toContain(sentence);
});

test("everything that is wrong is said at once, each with its line", async () => {
  await using folder = new Documents();
  const fault = await folder.refusal(`
schedules:
  - name: a
    handler: a.b
    cron: 61 * * * *
    overlap: both
  - every: 0s
    timout: 5
    metadata: {a: 5}
  - name: b
    handler: x y
    every: 5m
    every: 6m
    payload: {n: 12345678901234567890}
  - name: b
    handler: x.y
    every: 5m
    payload: 1
    payloadText: "1"
`);
  expect(fault.message).toBe("x.yaml has 11 mistakes; nothing was changed.");
  expect(fault.fields.map(({ field, message }) => `${field}: ${message}`.slice(0, 66))).toEqual([
    'x.yaml:5: schedule "a": cron: the minute "61" in "61 * * * *" is o',
    'x.yaml:6: schedule "a": overlap: "both" must be one of skip, buffe',
    "x.yaml:7: schedule 2: handler: is missing: the handler that runs, ",
    'x.yaml:7: schedule 2: every: "0s" is too short. The shortest inter',
    "x.yaml:7: schedule 2: name: is missing. By it, the schedule is fou",
    "x.yaml:8: schedule 2: timout: is not a field here. Did you mean ti",
    "x.yaml:9: schedule 2: metadata.a: 5 is not a text. Put it in quote",
    'x.yaml:10: schedule "b": has the number 12345678901234567000, whic',
    'x.yaml:11: schedule "b": handler: "x y" is not the name of a handl',
    'x.yaml:13: schedule "b": every: is written twice, in lines 12 and ',
    'x.yaml:19: schedule "b": payloadText: cannot be given together wit',
  ]);
});

test("a plugin cannot export or apply", async () => {
  await using folder = new Documents();
  const context = folder.context(pluginPrincipal());
  for (const name of ["schedule.export", "schedule.plan", "schedule.apply"]) {
    const fault = await callOperation(context, name, { document: PROD }).catch((error: unknown) => error);
    expect(fault).toMatchObject({ code: "denied", message: `Plugins may not call ${name}.` });
  }
});
