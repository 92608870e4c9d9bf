/**
 * Today's schema is a file, so that what a migration really does is a diff that
 * people read. `UPDATE=1 bun test` writes it.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/fault.ts";
import { ATTESTATION_SQL, NEWEST_OF_TENANT_SQL } from "./attestations.ts";
import { EVENT_FOLLOW_SQL, EVENT_LIST_SQL } from "./events.ts";
import { OBJECTIVES_DUE_SQL } from "./objectives.ts";
import { WEBHOOKS_DUE_SQL } from "./webhooks.ts";
import { COUNT_SQL, JOB_LIST_SQL } from "./job-lists.ts";
import { migrate } from "./migrate.ts";
import { SCHEDULE_LIST_SQL } from "./schedule-lists.ts";
import { MISSED_SQL } from "./watchers.ts";

const PATH = join(import.meta.dir, "schema.sql");

function migrated(): Database {
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  return db;
}

function dump(db: Database): string {
  const rows = db
    .query<{ sql: string }, []>(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence' ORDER BY tbl_name, type DESC, name",
    )
    .all();
  return `-- What the migrations add up to. Written by schema.test.ts; never by hand.\n\n${rows.map(({ sql }) => `${sql};`).join("\n\n")}\n`;
}

test("the schema is the one that is checked in", () => {
  const now = dump(migrated());
  if (process.env["UPDATE"]) writeFileSync(PATH, now);
  expect(now).toBe(readFileSync(PATH, "utf8"));
});

test("migrating again changes nothing", () => {
  const db = migrated();
  const before = dump(db);
  expect(migrate(db)).toEqual([]);
  expect(dump(db)).toBe(before);
});

test("a database of a newer qntx is refused, and says so", () => {
  const db = migrated();
  db.run("PRAGMA user_version = 999");
  expect(() => migrate(db)).toThrow(Fault);
  expect(() => migrate(db)).toThrow(/newer qntx \(schema 999/);
});

test("a database of an earlier build is refused with what is different; what somebody added is theirs", () => {
  const db = migrated();
  db.run("CREATE INDEX mine ON job (created_at)");
  expect(migrate(db)).toEqual([]);
  db.run("ALTER TABLE meta ADD COLUMN other TEXT");
  expect(() => migrate(db)).toThrow(/made by an earlier build of qntx: in its database, meta is different\./);
  db.run("DROP TABLE meta");
  expect(() => migrate(db)).toThrow(/in its database, meta is missing\./);
});

test("every look-up that is made while jobs run uses an index", () => {
  const db = migrated();
  const plan = (sql: string) =>
    db
      .query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => detail)
      .join("; ");
  const rows: [string, RegExp][] = [
    [
      "SELECT seq FROM job WHERE state = 'queued' AND lane = 'a' AND crowded = 0 ORDER BY priority, seq LIMIT 1",
      /job_lane/,
    ],
    [
      "SELECT seq FROM job WHERE state IN ('scheduled', 'retrying') AND waits = 0 AND run_at <= 1 ORDER BY run_at LIMIT 1",
      /job_due/,
    ],
    [
      "SELECT id FROM job INDEXED BY job_schedule_open WHERE schedule_id = 'a' AND node = '' AND trigger = 'schedule' AND finished_at IS NULL",
      /job_schedule_open/,
    ],
    ["SELECT id FROM job WHERE boot_id IS NOT NULL AND boot_id <> 'a'", /job_held/],
    ["SELECT MIN(due_at) FROM schedule_cursor WHERE node = '' AND due_at IS NOT NULL", /schedule_cursor_due/],
    [
      "SELECT * FROM occurrence WHERE schedule_id = 'a' AND occurrence < 5 ORDER BY occurrence, node",
      /PRIMARY KEY/,
    ],
  ];
  for (const [sql, index] of rows) {
    expect(plan(sql)).toMatch(index);
    expect(plan(sql)).not.toMatch(/\bSCAN (job|schedule|occurrence)\b(?! USING)|TEMP B-TREE/);
  }
});

test.each(Object.entries(JOB_LIST_SQL))("the list of jobs by %s reads an index", (by, sql) => {
  const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
  const details = plan.map(({ detail }) => detail).join("; ");
  const walksAll = by === "all";
  expect(details.includes("INTEGER PRIMARY KEY (rowid>? AND rowid<?)")).toBe(walksAll);
  expect(details).toContain(walksAll ? "SEARCH job" : "USING INDEX job_");
});

test.each(Object.entries(COUNT_SQL))("jobs are counted along an index of their %s", (_, { jump, rest }) => {
  for (const sql of [jump, rest]) {
    const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
    expect(plan).toHaveLength(1);
    expect(plan[0]?.detail).toMatch(/^SEARCH job USING COVERING INDEX job_\w+ \(.*(seq|rowid)\b.*\)$/);
  }
});

test.each(Object.entries(SCHEDULE_LIST_SQL))("the list of schedules by %s reads an index", (by, sql) => {
  const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
  const details = plan.map(({ detail }) => detail).join("; ");
  expect(details).toContain(by === "all" ? "USING PRIMARY KEY (id>?)" : "USING INDEX schedule_");
  expect(details).not.toContain("TEMP B-TREE");
});

test.each([
  [
    "objectives",
    OBJECTIVES_DUE_SQL,
    /^SEARCH w USING (COVERING )?INDEX objective_watch_due \(node=\? AND due_at<\?\)/,
  ],
  ["webhooks", WEBHOOKS_DUE_SQL, /^(SCAN|SEARCH) webhook USING INDEX webhook_due/],
])("what is due of %s is found by its time, however many there are", (_, sql, first) => {
  const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
  expect(plan[0]?.detail).toMatch(first);
  expect(plan.map(({ detail }) => detail).join("; ")).not.toMatch(/TEMP B-TREE|SCAN (?!webhook)/);
});

test.each([...Object.entries(EVENT_LIST_SQL), ...Object.entries(EVENT_FOLLOW_SQL)])(
  "the list of events by %s reads an index",
  (by, sql) => {
    const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
    const details = plan.map(({ detail }) => detail).join("; ");
    expect(details).toContain(by === "all" ? "INTEGER PRIMARY KEY (rowid" : `event_${by} (${by}=? AND seq`);
    expect(details).not.toContain("TEMP B-TREE");
  },
);

test.each(Object.entries(ATTESTATION_SQL))(
  "a query of attestations by %s looks the other fields up",
  (_, sql) => {
    const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
    const lookUps = plan.filter(({ detail }) => detail.startsWith("SEARCH v USING PRIMARY KEY"));
    expect(lookUps.filter(({ detail }) => detail.includes("value=? AND seq=?"))).toHaveLength(3);
    expect(lookUps.filter(({ detail }) => detail.endsWith("(field=?)"))).toEqual([]);
  },
);

test.each([
  ["what its watchers missed", MISSED_SQL],
  ["its newest attestations", NEWEST_OF_TENANT_SQL],
])("of a tenant, %s are read without those of the others", (_, sql) => {
  const plan = migrated().query<{ detail: string }, []>(`EXPLAIN QUERY PLAN ${sql}`).all();
  expect(plan).toHaveLength(1);
  expect(plan[0]?.detail).toMatch(/^SEARCH attestation USING INDEX attestation_tenant \(tenant=\?/);
});
