/** Attestations in SQLite: the statement in one row, each of its values in an index row. */
import type { Database, Statement } from "bun:sqlite";
import type { Attestation, AttestationFilter } from "../../ats/attestation.ts";
import { type Exceeded, type Metered, UNLIMITED } from "../../access/quota.ts";
import type { Env } from "../../base/env.ts";
import { assert } from "../../base/fault.ts";
import type { AttestationStore, AttestationUse, NewAttestation } from "../attestations.ts";
import { type AttestationRow, readAttestation } from "./attestation-row.ts";
import type { GroupCommit } from "./group.ts";
import type { SqliteWatchers } from "./watchers.ts";

type Values = Record<string, string | number | null>;

const QUERY_ROWS_MAX = 100_000; // "No limit" of QNTX, with an end: more is read in spans of time.
const SIZE_MAX = 10_000; // Beyond it, one field finds as much too much as another.

export class SqliteAttestations implements AttestationStore {
  readonly #env: Env;
  readonly #group: GroupCommit;
  readonly #watchers: Pick<SqliteWatchers, "written">;
  readonly #insert: Statement<unknown, [Values]>;
  readonly #insertValue: Statement<unknown, [Values]>;
  readonly #use: Statement<AttestationUse, [Values]>;
  readonly #get: Statement<AttestationRow, [Values]>;
  readonly #query: Statement<AttestationRow, [Values]>;
  readonly #queryOne: Statement<AttestationRow, [Values]>;
  readonly #size: Statement<{ count: number }, [Values]>;
  readonly #newest: Statement<AttestationRow, [Values]>;
  readonly #newestOf: Statement<AttestationRow, [Values]>;
  readonly #count: Statement<{ count: number }, []>;

  constructor(env: Env, db: Database, group: GroupCommit, watchers: Pick<SqliteWatchers, "written">) {
    this.#env = env;
    this.#group = group;
    this.#watchers = watchers;
    this.#insert = db.prepare(INSERT);
    this.#insertValue = db.prepare(
      "INSERT OR IGNORE INTO attestation_value (field, value, seq) VALUES ($field, $value, $seq)",
    );
    this.#use = db.prepare(USE);
    this.#get = db.prepare("SELECT * FROM attestation WHERE tenant = $tenant AND id = $id");
    this.#query = db.prepare(ATTESTATION_SQL.values);
    this.#queryOne = db.prepare(ATTESTATION_SQL.value);
    this.#size = db.prepare(SIZE);
    this.#newest = db.prepare(NEWEST);
    this.#newestOf = db.prepare(NEWEST_OF_TENANT_SQL);
    this.#count = db.prepare("SELECT COUNT(*) AS count FROM attestation");
  }

  create(attestations: readonly NewAttestation[]): Promise<Attestation[]> {
    return this.#group.write(() => this.#insertAll(attestations, null));
  }

  createWithin(
    metered: Metered,
    attestations: readonly NewAttestation[],
  ): Promise<Attestation[] | { exceeded: Exceeded }> {
    return this.#group.write(() => {
      const exceeded = this.#tooMuch(metered, attestations);
      return exceeded ? { exceeded } : this.#insertAll(attestations, metered.plugin);
    });
  }

  async quotaUse({ plugin, tenant }: Omit<Metered, "quota">): Promise<AttestationUse> {
    return this.#use.get({ plugin, tenant }) ?? { attestations: 0, attestationBytes: 0 };
  }

  #tooMuch(metered: Metered, attestations: readonly NewAttestation[]): Exceeded | null {
    const { plugin, tenant, quota } = metered;
    if (quota.attestations === UNLIMITED && quota.attestationBytes === UNLIMITED) return null;
    const use = this.#use.get({ plugin, tenant });
    const beyond = (added: readonly NewAttestation[]): Exceeded | null => {
      const written = (use?.attestations ?? 0) + added.length;
      const bytes = added.reduce((sum, one) => sum + bytesOf(one), use?.attestationBytes ?? 0);
      if (added.length > 0 && written > quota.attestations)
        return { limit: "attestations", allows: quota.attestations, used: written };
      if (added.length === 0 || bytes <= quota.attestationBytes) return null;
      return { limit: "attestationBytes", allows: quota.attestationBytes, used: bytes };
    };
    if (beyond(attestations) === null) return null;
    // What is there already is not written again.
    const byId = new Map(attestations.map((one) => [one.id, one]));
    return beyond([...byId.values()].filter(({ id }) => !this.#get.get({ id, tenant })));
  }

  #insertAll(attestations: readonly NewAttestation[], plugin: string | null): Attestation[] {
    return attestations.flatMap((attestation) => this.#insertOne(attestation, plugin) ?? []);
  }

  #insertOne(attestation: NewAttestation, plugin: string | null): Attestation | null {
    const now = this.#env.now();
    const { tenant = "", timestamp } = attestation;
    const written: Attestation = { ...attestation, tenant, timestamp: timestamp ?? now, createdAt: now };
    const { changes, lastInsertRowid } = this.#insert.run({
      id: written.id,
      tenant,
      plugin,
      ...textsOf(written),
      timestamp: written.timestamp,
      now,
    });
    if (changes === 0) return null;
    const seq = Number(lastInsertRowid);
    for (const { field, values } of fieldsOf(written)) {
      for (const value of values) this.#insertValue.run({ field, value, seq });
    }
    this.#watchers.written(written, seq);
    return written;
  }

  async get(id: string, tenant: string): Promise<Attestation | null> {
    const row = this.#get.get({ id, tenant });
    return row ? readAttestation(row) : null;
  }

  async query(filter: AttestationFilter): Promise<Attestation[]> {
    const limit = Math.min(QUERY_ROWS_MAX, filter.limit || QUERY_ROWS_MAX);
    const fields = fieldsOf(filter).filter(({ values }) => values.length > 0);
    const { timeStart = null, timeEnd = null, tenant = null } = filter;
    const bounds = { timeStart, timeEnd, tenant, limit };
    const [driver, ...rest] = this.#smallestFirst(fields);
    if (!driver) return (tenant === null ? this.#newest : this.#newestOf).all(bounds).map(readAttestation);
    const other = (index: number) => ({
      field: rest[index]?.field ?? null,
      values: rest[index] ? JSON.stringify(rest[index].values) : null,
    });
    const [second, third, fourth] = [other(0), other(1), other(2)];
    const [value, another] = driver.values;
    const statement = another === undefined ? this.#queryOne : this.#query;
    const rows = statement.all({
      ...bounds,
      field1: driver.field,
      ...(another === undefined ? { value1: value ?? "" } : { values1: JSON.stringify(driver.values) }),
      field2: second.field,
      values2: second.values,
      field3: third.field,
      values3: third.values,
      field4: fourth.field,
      values4: fourth.values,
    });
    return rows.map(readAttestation);
  }

  /** A query is driven by the field that finds the least: the others are looked up for each of its rows. */
  #smallestFirst(fields: readonly Field[]): readonly Field[] {
    if (fields.length < 2) return fields;
    const size = ({ field, values }: Field) =>
      this.#size.get({ field, values: JSON.stringify(values), max: SIZE_MAX })?.count ?? 0;
    const sized = fields.map((field) => ({ field, size: size(field) }));
    return sized.toSorted((a, b) => a.size - b.size).map(({ field }) => field);
  }

  async count(): Promise<number> {
    const row = this.#count.get();
    assert(row, "a count has a row");
    return row.count;
  }
}

/** What it says, as it is stored. */
function textsOf({ subjects, predicates, contexts, actors, source, attributes }: NewAttestation) {
  return {
    subjects: JSON.stringify(subjects),
    predicates: JSON.stringify(predicates),
    contexts: JSON.stringify(contexts),
    actors: JSON.stringify(actors),
    source,
    attributes: JSON.stringify(attributes),
  };
}

/** As the database counts them. */
function bytesOf(attestation: NewAttestation): number {
  return Object.values(textsOf(attestation)).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

interface Field {
  field: string;
  values: readonly string[];
}

/** The four fields, the most telling first. */
function fieldsOf(
  from: Pick<AttestationFilter, "subjects" | "predicates" | "contexts" | "actors">,
): readonly Field[] {
  return [
    { field: "subject", values: from.subjects ?? [] },
    { field: "actor", values: from.actors ?? [] },
    { field: "context", values: from.contexts ?? [] },
    { field: "predicate", values: from.predicates ?? [] },
  ];
}

const INSERT = `
  INSERT INTO attestation (id, tenant, plugin, subjects, predicates, contexts, actors, timestamp, source, attributes,
                           created_at)
  VALUES ($id, $tenant, $plugin, $subjects, $predicates, $contexts, $actors, $timestamp, $source, $attributes, $now)
  ON CONFLICT DO NOTHING`;

const USE = `
  SELECT attestations, bytes AS attestationBytes
    FROM plugin_attestation_use
   WHERE plugin = $plugin
     AND tenant = $tenant`;

/** Without a field to look for; of one tenant, those of others are not looked at. */
function newest(from: string): string {
  return `
  SELECT *
    FROM ${from}
     AND ($timeStart IS NULL OR timestamp >= $timeStart)
     AND ($timeEnd   IS NULL OR timestamp <= $timeEnd)
   ORDER BY seq DESC
   LIMIT $limit + 0`;
}

const NEWEST = newest("attestation WHERE $tenant IS NULL");
export const NEWEST_OF_TENANT_SQL = newest(
  "attestation INDEXED BY attestation_tenant WHERE tenant = $tenant",
);

const SIZE = `
  SELECT COUNT(*) AS count
    FROM (SELECT 1
            FROM attestation_value
           WHERE field = $field
             AND value IN (SELECT value FROM json_each($values))
           LIMIT $max + 0)`;

// The index has the rows of one value in their order: the newest are read, and no more than asked for.
const BY_VALUE = `
    FROM attestation_value d
   CROSS JOIN attestation a ON a.seq = d.seq
   WHERE d.field = $field1
     AND d.value = $value1`;

// Several values are several stretches of the index: all of it is read and sorted.
const BY_VALUES = `
    FROM attestation a
   WHERE a.seq IN (SELECT v.seq
                     FROM attestation_value v
                    WHERE v.field = $field1
                      AND v.value IN (SELECT value FROM json_each($values1)))`;

/** The first field finds the rows; the others are looked up for each of them: CROSS keeps the planner from the reverse. */
function query(from: string, seq: "a.seq" | "d.seq"): string {
  return `
  SELECT a.*
  ${from}
     AND ($field2 IS NULL OR EXISTS (
           SELECT 1 FROM json_each($values2) w
            CROSS JOIN attestation_value v ON v.field = $field2 AND v.value = w.value AND v.seq = a.seq))
     AND ($field3 IS NULL OR EXISTS (
           SELECT 1 FROM json_each($values3) w
            CROSS JOIN attestation_value v ON v.field = $field3 AND v.value = w.value AND v.seq = a.seq))
     AND ($field4 IS NULL OR EXISTS (
           SELECT 1 FROM json_each($values4) w
            CROSS JOIN attestation_value v ON v.field = $field4 AND v.value = w.value AND v.seq = a.seq))
     AND ($timeStart IS NULL OR a.timestamp >= $timeStart)
     AND ($timeEnd   IS NULL OR a.timestamp <= $timeEnd)
     AND ($tenant    IS NULL OR a.tenant     = $tenant)
   ORDER BY ${seq} DESC
   LIMIT $limit + 0`;
}

/** The query for each way to drive it: by one value of a field, or by several. */
export const ATTESTATION_SQL = { value: query(BY_VALUE, "d.seq"), values: query(BY_VALUES, "a.seq") };
