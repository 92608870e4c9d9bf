/**
 * Document: schedules as a YAML text (JSON is YAML too). Everything that is wrong with
 * one is said at once, each with its line where that can be told, so that nobody mends a
 * file one run at a time.
 *
 * `source` names who owns what the document makes. Without it, that is the person who
 * applies it, as if each schedule had been made by hand.
 */
import { type Env, turn } from "../base/env.ts";
import { messageOf, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import { type Owner, SCHEDULE_NAME_PATTERN } from "../schedule/schedule.ts";
import type { NewBlackout } from "../store/blackouts.ts";
import { type BlackoutInput, blackoutShape, readBlackout } from "./blackout.ts";
import { Problems } from "./document-problems.ts";
import { type Fields, troubleWith } from "./schedule-entry.ts";
import { readWanted, type Wanted } from "./schedule-wanted.ts";
import { brokenLine, type EntryLines, listLines, topLine } from "./yaml-lines.ts";
import { z } from "zod";

export const DOCUMENT_BYTES_MAX = 4_194_304; // 4 MiB: it travels in one request, and is read in one go.
export const DOCUMENT_SCHEDULES_MAX = 5_000; // Written in one transaction, some 70 µs each: a third of a second, in which others wait.
export const DOCUMENT_BLACKOUTS_MAX = 100;
/** Entries that are looked at before others have their turn: a hundred take some milliseconds. */
export const ENTRIES_PER_TURN = 100;
const KEYS = ["source", "blackouts", "schedules"] as const;
const SOURCE_OF_CONFIGURATION = "qntx.toml";

/** A document that was read and holds together. */
export interface ScheduleDocument {
  /** How messages call it. */
  name: string;
  /** Whose schedules it states, unless an entry says otherwise. */
  home: Owner;
  /** True when it says itself whose: then it is known what it made before. */
  named: boolean;
  blackouts: readonly NewBlackout[];
  schedules: readonly Wanted[];
}

/** What an export writes. */
export interface DocumentFields {
  source?: string;
  blackouts?: Record<string, Fields>;
  schedules: Fields[];
}

/** Writes a document. */
export function writeDocument(fields: DocumentFields): string {
  return `# Schedules of qntx. Apply them with: qntx schedule apply -f FILE\n${Bun.YAML.stringify(fields, null, 2)}\n`;
}

/** Reads a document. `person` owns what it makes when it does not say who does. Throws one Fault with everything that is wrong. */
export async function readDocument(
  env: Env,
  text: string,
  { name, person }: { name: string; person: Owner },
): Promise<ScheduleDocument> {
  refuseLarge(name, text);
  const problems = new Problems(name);
  const root = readRoot(text, problems);
  await turn(env); // A large text takes twenty milliseconds to parse, and as long again to find its lines.
  const source = readSource(root["source"], topLine(text, "source"), problems);
  const home: Owner = source === null ? person : { kind: "file", name: source };
  const blackouts = readBlackouts(root["blackouts"], topLine(text, "blackouts"), problems);
  const schedules = await readSchedules(env, root["schedules"], { text, home, problems });
  refuseTwins(schedules, problems);
  problems.throwAny();
  return { name, home, named: source !== null, blackouts, schedules };
}

/** Refuses a document that is too large to be read, or sent. Throws a Fault. */
export function refuseLarge(name: string, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= DOCUMENT_BYTES_MAX) return;
  throw new Problems(name).only(
    `has ${bytes} bytes; at most ${DOCUMENT_BYTES_MAX} are read.`,
    "Make several of it.",
  );
}

/** The mapping that a document is. What cannot be read at all is refused at once. */
function readRoot(text: string, problems: Problems): Readonly<Record<string, unknown>> {
  const root = parse(text, problems);
  if (!isFields(root)) {
    throw problems.only(
      "is not a document of schedules.",
      'It begins with "schedules:"; qntx schedule export shows one.',
    );
  }
  for (const key of Object.keys(root)) {
    if (KEYS.some((known) => known === key)) continue;
    const meant = nearest(key, KEYS);
    const wayOut = meant ? `Did you mean ${meant}?` : `The keys are ${KEYS.join(", ")}.`;
    problems.add({
      line: topLine(text, key),
      message: `${shown(key)} is not a key of a document.`,
      hint: wayOut,
    });
  }
  return root;
}

function parse(text: string, problems: Problems): unknown {
  try {
    return Bun.YAML.parse(text);
  } catch (error) {
    const line = brokenLine(text, "schedules", parses);
    const said = line === undefined ? "" : (text.split("\n")[line - 1] ?? "");
    const what = messageOf(error).replace("YAML Parse error: ", "");
    throw problems.only(`is not YAML: ${what}.`, syntaxHint(said), line);
  }
}

/** What begins with a star or an at sign means something else in YAML: the mistake that everybody makes with cron. */
function syntaxHint(line: string): string {
  const value = /:\s+([*@&!%`].*)$/.exec(line)?.[1];
  if (value !== undefined) return `Put it in quotes: "${value.trim()}".`;
  return line === ""
    ? "Look for a bracket or a quote that is not closed."
    : `It reads: ${shown(line.trim())}`;
}

function parses(part: string): boolean {
  try {
    Bun.YAML.parse(part);
    return true;
  } catch {
    return false;
  }
}

function readSource(source: unknown, line: number | undefined, problems: Problems): string | null {
  if (source === undefined || source === null) return null;
  if (source === SOURCE_OF_CONFIGURATION) {
    const hint = "Its schedules are written there, as [[schedule]]. Choose another name.";
    problems.add({ line, message: `source: ${shown(source)} is the configuration file.`, hint });
  } else if (typeof source !== "string" || !SCHEDULE_NAME_PATTERN.test(source)) {
    const hint = "Use letters, digits, dots, dashes, colons and underscores, at most 128.";
    problems.add({ line, message: `source: ${shown(source)} cannot be a name.`, hint });
  }
  return String(source);
}

const blackoutInput = z.strictObject(blackoutShape);

function readBlackouts(section: unknown, line: number | undefined, problems: Problems): NewBlackout[] {
  if (section === undefined || section === null) return [];
  if (!isFields(section) || Object.keys(section).length > DOCUMENT_BLACKOUTS_MAX) {
    const hint = `Write each under its name, at most ${DOCUMENT_BLACKOUTS_MAX}, with its ranges.`;
    problems.add({ line, message: "blackouts: is not a mapping of names.", hint });
    return [];
  }
  return Object.entries(section).flatMap(([name, said]) => {
    const about = { subject: `blackout ${shown(name)}`, lineOf: () => line };
    const input: BlackoutInput | undefined = problems.checked(blackoutInput, said ?? {}, about);
    return input ? (problems.attempt(about, () => readBlackout(name, input, null)) ?? []) : [];
  });
}

async function readSchedules(
  env: Env,
  section: unknown,
  { text, home, problems }: { text: string; home: Owner; problems: Problems },
): Promise<Wanted[]> {
  const line = topLine(text, "schedules");
  const list: unknown = section ?? [];
  if (!Array.isArray(list) || list.length > DOCUMENT_SCHEDULES_MAX) {
    const message = Array.isArray(list) ? `has ${list.length} entries.` : "is not a list.";
    const hint = `Write each with a dash before it, at most ${DOCUMENT_SCHEDULES_MAX}.`;
    problems.add({ line, message: `schedules: ${message}`, hint });
    return [];
  }
  const { entries } = listLines(text, "schedules");
  const lines = entries.length === list.length ? entries : [];
  const wanted: Wanted[] = [];
  for (const [index, entry] of list.entries()) {
    if (index % ENTRIES_PER_TURN === 0) await turn(env);
    wanted.push(...readEntry(entry, { index, at: lines[index], home, problems }));
  }
  return wanted;
}

interface EntryPlace {
  index: number;
  at: EntryLines | undefined;
  home: Owner;
  problems: Problems;
}

function readEntry(entry: unknown, { index, at, home, problems }: EntryPlace): Wanted[] {
  const subject = subjectOf(entry, index);
  const about = { subject, lineOf: (field: string) => at?.keys.get(field) ?? at?.line };
  if (!isFields(entry)) {
    problems.add({
      line: at?.line,
      message: `${subject} is not a mapping.`,
      hint: "Write it as key: value.",
    });
    return [];
  }
  for (const { key, lines } of at?.doubles ?? []) {
    const message = `${subject}: ${key}: is written twice, in lines ${lines.join(" and ")}.`;
    problems.add({ line: lines[1], message, hint: "Leave one of them out." });
  }
  const { payload, ...rest } = entry;
  const trouble = troubleWith(entry);
  if (trouble !== null) {
    const message = `${subject}: ${trouble}.`;
    problems.add({ line: at?.line, message, hint: "Write it as a text, in quotes." });
    if (troubleWith(rest) !== null) return [];
  }
  const readable = trouble === null && payload !== undefined ? { ...rest, payload } : rest;
  const wanted = readWanted(readable, { home, problems, about });
  return wanted ? [wanted] : [];
}

/** Two entries may not state the same schedule. */
function refuseTwins(schedules: readonly Wanted[], problems: Problems): void {
  const seen = new Set<string>();
  for (const { id, declaredId, definition, owner, about } of schedules) {
    const whose = `${owner.kind}:${owner.name}`;
    const keys = [
      id === null ? "" : `id ${id}`,
      definition.name === "" ? "" : `name ${definition.name} of ${whose}`,
      declaredId === "" ? "" : `declared id ${declaredId} of ${whose}`,
    ].filter((key) => key !== "");
    for (const key of keys.filter((key) => seen.has(key))) {
      const message = `${about.subject}: another entry has the ${key} already.`;
      problems.add({ line: about.lineOf("name"), message, hint: "Leave one of them out." });
    }
    for (const key of keys) seen.add(key);
  }
}

/** What messages call an entry: by its name, else by its id, else by its place. */
function subjectOf(entry: unknown, index: number): string {
  const name = isFields(entry) ? (entry["name"] ?? entry["id"]) : undefined;
  return typeof name === "string" && name !== "" ? `schedule ${shown(name)}` : `schedule ${index + 1}`;
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
