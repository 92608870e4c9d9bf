/** `[[schedule]]` in qntx.toml takes what `schedule create` takes, and says where a mistake stands. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { FakeEnv } from "../base/fake-env.ts";
import { FILE_SCHEDULE_FIELDS, readSchedules } from "../config/file-schedule.ts";
import type { Problem } from "../config/problems.ts";
import { readToml } from "../config/toml.ts";
import type { SqliteStore } from "../store/sqlite/store.ts";
import { checkDeclarations, declarationsOf, declareSchedules, FILE_OWNER } from "./declare.ts";
import { Folder, refusal } from "./fixture.ts";
import { createInput } from "./schedule-input.ts";

let folder: Folder;
let env: FakeEnv;
let store: SqliteStore;
beforeEach(() => {
  folder = new Folder();
  ({ env, store } = folder);
});
afterEach(() => store.close());

const read = (toml: string) => {
  const problems: Problem[] = [];
  const file = readToml(toml, { name: "qntx.toml", folder: "/" });
  const declarations = declarationsOf(readSchedules(file, problems));
  expect(problems).toEqual([]);
  return declarations;
};
const declare = (toml: string) => {
  return declareSchedules(folder.context({ kind: "host" }), FILE_OWNER, read(toml));
};

const START = '[[schedule]]\nid = "a"\nhandler = "x.y"\n';

test("the file takes every field that schedule create takes", () => {
  const notOfAFile = ["name", "upsert", "ifNotExists"]; // Its id is its name, and it is always made so.
  const fields: string[] = [...FILE_SCHEDULE_FIELDS];
  const expected = Object.keys(createInput.shape).filter((field) => !notOfAFile.includes(field));
  expect(fields.toSorted()).toEqual([...expected, "id"].toSorted());
});

test("every field has its effect", async () => {
  await store.blackouts.set({ name: "holidays", timezone: "UTC", description: "", ranges: [] });
  await declare(`${START}cron = ["*/5 * * * *", "@daily"]
timezone = "Europe/Paris"
description = "d"
payload = { a = 1 }
metadata = { team = "web" }
paused = true
note = "not yet"
overlap = "allow"
missed = "all"
missedMax = 3
missedWindow = "1h"
maxLateness = "2h"
jitter = "10s"
dstGap = "skip"
dstFold = "both"
startAt = 2027-01-01T00:00:00Z
endAt = "2028-01-01T00:00:00Z"
runsMax = 9
timeout = "30s"
maxAttempts = 2
priority = -3
blackouts = ["holidays", { from = 2027-02-01T00:00:00Z, to = 2027-02-02T00:00:00Z, note = "own" }]
pauseAfterFailures = 4
locking = "node-local"
mustStartWithin = "5s"
mustSucceedWithin = "1m"
`);
  expect(await store.schedules.declaredAs(FILE_OWNER, "a", "")).toMatchObject({
    name: "a",
    spec: { kind: "cron", cron: ["*/5 * * * *", "@daily"] },
    timezone: "Europe/Paris",
    description: "d",
    metadata: { team: "web" },
    pause: { note: "not yet", by: "file:qntx.toml" },
    locking: "node-local",
    policy: {
      overlap: "allow",
      missed: "all",
      missedMax: 3,
      missedWindowMs: 3_600_000,
      latenessMaxMs: 7_200_000,
      jitterMs: 10_000,
      dstGap: "skip",
      dstFold: "both",
      startAt: Date.UTC(2027, 0, 1),
      endAt: Date.UTC(2028, 0, 1),
      runsMax: 9,
      timeoutMs: 30_000,
      maxAttempts: 2,
      priority: -3,
      blackoutNames: ["holidays"],
      blackouts: [{ from: Date.UTC(2027, 1, 1), to: Date.UTC(2027, 1, 2), note: "own" }],
      pauseAfterFailures: 4,
      mustStartWithinMs: 5_000,
      mustSucceedWithinMs: 60_000,
    },
  });
});

test.each([
  ['cron = "61 * * * *"', "qntx.toml:4", 'cron: the minute "61"'],
  ['cron = "0 0 30 2 *"', "qntx.toml:4", "never fires"],
  ['every = "10ms"', "qntx.toml:4", 'every: "10ms" is too short.'],
  ['every = "5m"\noverlap = "both"', "qntx.toml:5", "overlap: must be one of skip"],
  ['every = "5m"\n\njitter = "soon"', "qntx.toml:6", 'jitter: "soon" is not a duration.'],
  ['every = "5m"\njitter = "6m"', "qntx.toml:5", "jitter: 6m is not shorter than the 5m between two runs."],
  [
    'every = "5m"\ntimezone = "Europe/Paris"',
    "qntx.toml:5",
    'timezone: "Europe/Paris" has no effect on every.',
  ],
  ['every = "5m"\nnote = "n"', "qntx.toml:5", "note: has no effect on a schedule that is not paused."],
  ['every = "5m"\nmetadata = { a = 5 }', "qntx.toml:5", "metadata.a: "],
  ['every = "5m"\nstartAt = 2027-01-01T00:00:00', "qntx.toml:5", "startAt: "],
  [
    'every = "5m"\nblackouts = [{ from = "x", to = "y" }]',
    "qntx.toml:5",
    'blackouts.0.from: "x" is not an instant.',
  ],
  ['every = "5m"\nlocking = "maybe"', "qntx.toml:5", 'locking: "maybe" is none of'],
])("%j is refused at %s", async (lines, place, sentence) => {
  for (const attempt of [declare, (toml: string) => checkDeclarations(env, FILE_OWNER, read(toml))]) {
    const { code, message } = await refusal(attempt(START + lines));
    expect(code).toBe("config");
    expect(message).toStartWith(`${place}: Schedule "a": `);
    expect(message).toContain(sentence);
  }
  expect(await store.schedules.list({ deleted: true }, {})).toMatchObject({ items: [] });
});

test("all that is wrong is said together, and nothing is declared", async () => {
  const { message, fields } = await refusal(
    declare(`${START}every = "5m"
overlap = "both"
missedMax = 3.5
[[schedule]]
id = "b"
handler = "x.y"
every = "5m"
blackouts = ["nothing"]
[[schedule]]
id = "c"
handler = "x.y"
every = "5m"
`),
  );
  expect(message).toBe("The schedules have 3 mistakes.");
  expect(fields).toMatchObject([
    { field: "qntx.toml:5", message: expect.stringContaining('Schedule "a": overlap: must be one of') },
    { field: "qntx.toml:6", message: 'Schedule "a": missedMax: must be a whole number.' },
    { field: "qntx.toml:11", message: expect.stringContaining('there is no blackout "nothing".') },
  ]);
  expect(await store.schedules.list({}, {})).toMatchObject({ items: [] });
});
