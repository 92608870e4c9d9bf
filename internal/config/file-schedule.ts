/**
 * File schedules: `[[schedule]]` in qntx.toml. Only their shape is checked here;
 * whether a cron text, a time zone or a policy means anything is for those who know
 * (operations/declare.ts), and who are told where each field stands.
 */
import { TomlDate } from "smol-toml";
import type { Millis } from "../base/env.ts";
import { messageOf, shown } from "../base/fault.ts";
import { parseInstant } from "../base/instant.ts";
import { nearest } from "../base/suggest.ts";
import { durationOf, textsOf } from "./kinds.ts";
import type { Problem } from "./problems.ts";
import type { TomlFile } from "./toml.ts";

export interface FileSchedule {
  readonly id: string;
  /** Empty when it names an endpoint. */
  readonly handler: string;
  /** A plugin's own route, "demo/POST /sync"; empty when it names a handler. */
  readonly endpoint: string;
  /** The same shape as a schedule's spec. */
  readonly spec:
    | { kind: "every"; everyMs: Millis }
    | { kind: "cron"; cron: readonly string[] }
    | { kind: "at"; instants: readonly Millis[] };
  /** IANA name; empty means UTC. */
  readonly timezone: string;
  /** What JSON can say; undefined when the file gives none. */
  readonly payload: unknown;
  readonly description: string;
  readonly paused: boolean;
  /** Which nodes run it; empty when the file does not say. */
  readonly locking: string;
  /** Objectives; 0 when the file gives none. */
  readonly mustStartWithinMs: Millis;
  readonly mustSucceedWithinMs: Millis;
  /** Further fields of `schedule create`, as JSON has them: nobody has looked at them yet. */
  readonly more: Readonly<Record<string, unknown>>;
  /** Where it stands, for messages: `qntx.toml:12`. */
  readonly where: string;
  /** Where each of its fields stands. */
  readonly places: Readonly<Record<string, string>>;
}

const SCHEDULES_MAX = 1_000; // A file that a person still reads; more are made by plugins at run time.
/** Fields that go on as they are. */
const MORE = [
  "note",
  "overlap",
  "missed",
  "missedMax",
  "missedWindow",
  "maxLateness",
  "jitter",
  "dstGap",
  "dstFold",
  "startAt",
  "endAt",
  "runsMax",
  "timeout",
  "maxAttempts",
  "retry",
  "priority",
  "blackouts",
  "pauseAfterFailures",
  "metadata",
] as const;
/** Everything that `[[schedule]]` takes. */
export const FILE_SCHEDULE_FIELDS = [
  "id",
  "handler",
  "endpoint",
  "every",
  "cron",
  "at",
  "timezone",
  "payload",
  "description",
  "paused",
  "locking",
  "mustStartWithin",
  "mustSucceedWithin",
  ...MORE,
] as const;
/** What the command line calls a field, where that is another word: whoever knows the one may write it for the other. */
export const FIELD_OF_OPTION: Readonly<Record<string, string>> = {
  tz: "timezone",
  maxRuns: "runsMax",
  blackout: "blackouts",
};

type Field = (typeof FILE_SCHEDULE_FIELDS)[number];

/** Reads all `[[schedule]]` entries; what is wrong with them is added to `problems`. */
export function readSchedules(file: TomlFile, problems: Problem[]): readonly FileSchedule[] {
  const entries: unknown = file.table["schedule"] ?? [];
  if (!Array.isArray(entries) || entries.some((entry) => !isTable(entry))) {
    problems.push({
      where: file.where("schedule"),
      message: "schedule must be written as [[schedule]], once for each.",
      hint: "Put the name in double brackets.",
    });
    return [];
  }
  if (entries.length > SCHEDULES_MAX) {
    problems.push({
      where: file.where("schedule"),
      message: `There are ${entries.length} schedules, but a file may have ${SCHEDULES_MAX}.`,
      hint: "Create the others with `qntx schedule create`.",
    });
    return [];
  }
  const schedules = entries.map((entry, i) => new Entry(file, entry, i, problems).read());
  noteDoubles(schedules, problems);
  return schedules;
}

/** One entry while it is read. A wrong field is noted and replaced, so that the rest is still checked. */
class Entry {
  readonly #file: TomlFile;
  readonly #table: Readonly<Record<string, unknown>>;
  readonly #index: number;
  readonly #problems: Problem[];

  constructor(file: TomlFile, table: Readonly<Record<string, unknown>>, index: number, problems: Problem[]) {
    this.#file = file;
    this.#table = table;
    this.#index = index;
    this.#problems = problems;
  }

  read(): FileSchedule {
    this.#refuseUnknown();
    return {
      id: this.#text("id", true),
      handler: this.#text("handler", this.#table["endpoint"] === undefined),
      endpoint: this.#text("endpoint", false),
      spec: this.#spec(),
      timezone: this.#text("timezone", false),
      payload: this.#json("payload"),
      description: this.#text("description", false),
      paused: this.#paused(),
      locking: this.#text("locking", false),
      mustStartWithinMs: this.#objective("mustStartWithin"),
      mustSucceedWithinMs: this.#objective("mustSucceedWithin"),
      more: this.#more(),
      where: this.#file.where("schedule", this.#index),
      places: this.#places(),
    };
  }

  #refuseUnknown(): void {
    for (const field of Object.keys(this.#table)) {
      if (FILE_SCHEDULE_FIELDS.some((known) => known === field)) continue;
      const meant = FIELD_OF_OPTION[field] ?? nearest(field, FILE_SCHEDULE_FIELDS);
      this.#wrong(
        field,
        `${field} is not a key of [[schedule]].`,
        meant ? `Did you mean ${meant}?` : `The keys are ${FILE_SCHEDULE_FIELDS.join(", ")}.`,
      );
    }
  }

  #text(field: Field, required: boolean): string {
    const value = this.#table[field];
    if (typeof value === "string" && (value !== "" || !required)) return value;
    if (value === undefined && !required) return "";
    const how = `Write ${field} = "…".`;
    if (value === undefined) this.#wrong(field, `${this.#name()} has no ${field}.`, how);
    else this.#wrong(field, `${field} is ${said(value)}, but must be a text.`, how);
    return "";
  }

  #paused(): boolean {
    const value = this.#table["paused"] ?? false;
    if (typeof value === "boolean") return value;
    this.#wrong("paused", `paused is ${said(value)}, but must be true or false.`, "Write paused = true.");
    return false;
  }

  #spec(): FileSchedule["spec"] {
    const given = (["every", "cron", "at"] as const).filter((field) => this.#table[field] !== undefined);
    const [kind] = given;
    if (given.length !== 1 || kind === undefined) {
      this.#wrong(
        kind ?? "id",
        `${this.#name()} has ${given.length === 0 ? "no every, cron or at" : given.join(" and ")}; it needs exactly one.`,
        'Write every = "5m", cron = "0 9 * * MON-FRI", or at = 2030-01-01T09:00:00Z.',
      );
      return { kind: "every", everyMs: 0 };
    }
    if (kind === "every") return { kind, everyMs: this.#duration(kind, this.#table[kind]) };
    if (kind === "cron") return { kind, cron: this.#cron(this.#table[kind]) };
    return { kind, instants: this.#instants(this.#table[kind]) };
  }

  #objective(field: "mustStartWithin" | "mustSucceedWithin"): Millis {
    const value = this.#table[field];
    return value === undefined ? 0 : this.#duration(field, value);
  }

  #duration(field: Field, value: unknown): Millis {
    const ms = typeof value === "string" ? durationOf(value) : undefined;
    if (ms !== undefined && ms > 0) return ms;
    this.#wrong(
      field,
      `${field} is ${said(value)}, but must be a duration.`,
      'Write it like "30s", "5m" or "1h30m".',
    );
    return 0;
  }

  #cron(value: unknown): readonly string[] {
    const list = textsOf(typeof value === "string" ? [value] : value);
    if (list && list.length > 0 && !list.includes("")) return list;
    this.#wrong(
      "cron",
      `cron is ${said(value)}, but must be an expression or a list of them.`,
      'Write it like "0 9 * * MON-FRI" or ["0 9 * * *", "0 17 * * *"].',
    );
    return [];
  }

  #instants(value: unknown): readonly Millis[] {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.map((item) => {
      try {
        return parseInstant(item instanceof TomlDate ? item.toISOString() : String(item), "at");
      } catch {
        const hint = "Write it with its offset, like 2030-01-31T09:00:00Z or 2030-01-31T09:00:00+01:00.";
        this.#wrong("at", `at is ${said(item)}, but must be an instant.`, hint);
        return 0;
      }
    });
  }

  #more(): Readonly<Record<string, unknown>> {
    const given = MORE.filter((field) => this.#table[field] !== undefined);
    return Object.fromEntries(given.map((field) => [field, this.#json(field)]));
  }

  #json(field: Field): unknown {
    const value = this.#table[field];
    if (value === undefined) return undefined;
    try {
      return jsonOf(value, field);
    } catch (error) {
      this.#wrong(field, messageOf(error), "Write it as a text.");
      return undefined;
    }
  }

  #places(): Readonly<Record<string, string>> {
    const fields = Object.keys(this.#table);
    const place = (field: string) => this.#file.where("schedule", this.#index, field);
    return Object.fromEntries(fields.map((field) => [field, place(field)]));
  }

  #name(): string {
    const id = this.#table["id"];
    return typeof id === "string" && id !== "" ? `schedule ${shown(id)}` : "this schedule";
  }

  #wrong(field: string, message: string, hint: string): void {
    this.#problems.push({ where: this.#file.where("schedule", this.#index, field), message, hint });
  }
}

function noteDoubles(schedules: readonly FileSchedule[], problems: Problem[]): void {
  const first = new Map<string, FileSchedule>();
  for (const schedule of schedules) {
    const other = first.get(schedule.id);
    if (!other) first.set(schedule.id, schedule);
    else if (schedule.id !== "") {
      problems.push({
        where: schedule.where,
        message: `${shown(schedule.id)} is already the id of the schedule at ${other.where}.`,
        hint: "Give one of them another id.",
      });
    }
  }
}

/** A TOML value as JSON has it: dates become text. Throws for numbers that JSON would change. */
function jsonOf(value: unknown, field: string): unknown {
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "bigint")
    throw new Error(`${field} has ${value}, which JSON numbers cannot hold exactly.`);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new Error(`${field} has ${value}, which JSON does not know.`);
  }
  if (Array.isArray(value)) return value.map((item) => jsonOf(item, field));
  if (!isTable(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item, field)]));
}

/** True for a TOML table. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A TOML value inside a sentence. */
export function said(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === "bigint" ? String(value) : shown(value);
}
