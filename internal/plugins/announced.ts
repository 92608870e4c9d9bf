/**
 * Announced: what a plugin's source says that it will announce, read without running it.
 * What is not written out (a list that a function gives, a name that is put together) only
 * a run tells; it is said that something is there, and never what.
 */
import type { Env, Millis } from "../base/env.ts";
import { messageOf } from "../base/fault.ts";
import reader from "./announced.py" with { type: "text" };
import { COMPUTED, exportedLiteral, type Literal, type LiteralObject } from "./literal.ts";
import { orNothing } from "./patience.ts";

/** As far as it is written out. */
export interface Announced {
  name: string | null;
  version: string | null;
  description: string | null;
  capabilities: string[];
  handlers: string[];
  /** `nightly: look at 30 2 * * *` */
  schedules: string[];
  /** `POST /towers`, and `WebSocket`. */
  endpoints: string[];
  watchers: string[];
  config: string[];
  /** Those of the above of which only a run tells all. */
  open: string[];
}

/** It, or a sentence that says why it cannot be read. */
export type Reading = { announced: Announced } | { problem: string };

const SOURCE_BYTES_MAX = 1_048_576; // A bundle may be larger, and is no reading matter.
const PYTHON_MS: Millis = 5_000;

/** Reads the source of a plugin. */
export async function readAnnounced(
  env: Env,
  { kind, path, python = "python3" }: { kind: "typescript" | "python"; path: string; python?: string },
): Promise<Reading> {
  const file = Bun.file(path);
  if (file.size > SOURCE_BYTES_MAX)
    return { problem: `It has more than ${SOURCE_BYTES_MAX / 1_048_576} MiB, and is not read.` };
  return kind === "typescript" ? readTypeScript(await file.text()) : readPython(env, python, path);
}

function readTypeScript(source: string): Reading {
  try {
    const exported = exportedLiteral(source);
    return exported
      ? { announced: ofDefinition(exported.maker, exported.fields) }
      : { problem: "It has no plugin written out as its default export: only a run tells what it is." };
  } catch (error) {
    const line = error instanceof BuildMessage && error.position ? `line ${error.position.line}: ` : "";
    return { problem: `It cannot be loaded: ${line}${messageOf(error)}.` };
  }
}

function ofDefinition(maker: string, fields: LiteralObject): Announced {
  const open: string[] = [];
  const name = textOf(fields.get("name"));
  const names = (key: string) => keysOf(fields.get(key), () => open.push(key));
  const list = (key: string) => itemsOf(fields.get(key), () => open.push(key));
  const ownRun = maker === "defineScheduledPlugin" ? ["run"] : [];
  const schedules = list("schedules").flatMap((schedule) => {
    const field = (key: string) => (schedule instanceof Map ? textOf(schedule.get(key)) : null);
    if (field("id") !== null)
      return [scheduleText({ id: field("id"), handler: field("handler"), when: field("when") })];
    open.push("schedules");
    return [];
  });
  return {
    name,
    version: textOf(fields.get("version")),
    description: textOf(fields.get("description")),
    capabilities: list("capabilities").flatMap((item) => textOf(item) ?? []),
    handlers: [
      ...[...names("jobs"), ...ownRun].map((key) => announcedName(name, key)),
      ...list("handler_names").flatMap((item) => textOf(item) ?? []), // Of a module made for QNTX.
    ],
    schedules,
    endpoints: [...names("http"), ...(fields.has("websocket") ? ["WebSocket"] : [])],
    watchers: list("watchers").map(
      (watcher) => (watcher instanceof Map ? textOf(watcher.get("id")) : null) ?? "…",
    ),
    config: names("config"),
    open,
  };
}

/** The keys of an object; `computed` is called when only a run tells them all. */
function keysOf(value: Literal | undefined, computed: () => void): string[] {
  if (value === undefined) return [];
  const keys = value instanceof Map ? [...value.keys()] : [];
  if (!(value instanceof Map) || keys.some((key) => key.startsWith("..."))) computed();
  return keys.filter((key) => !key.startsWith("..."));
}

function itemsOf(value: Literal | undefined, computed: () => void): readonly Literal[] {
  if (value === undefined) return [];
  const items = Array.isArray(value) ? value : [];
  if (!Array.isArray(value) || items.includes(COMPUTED)) computed();
  return items.filter((item) => item !== COMPUTED);
}

function textOf(value: Literal | undefined): string | null {
  return typeof value === "string" ? value : null;
}

async function readPython(env: Env, python: string, path: string): Promise<Reading> {
  try {
    const child = Bun.spawn([python, "-I", "-S", "-c", reader], {
      stdio: [Bun.file(path), "pipe", "ignore"],
      env: {},
    });
    const text = await orNothing(env, PYTHON_MS, child.stdout.text());
    child.kill("SIGKILL"); // Nothing, when it has ended.
    await child.exited;
    const read: unknown = JSON.parse(text || "null");
    if (isRecord(read) && typeof read["error"] === "string")
      return { problem: `It cannot be loaded: ${read["error"]}.` };
    if (isRecord(read) && read["maker"] !== "") return { announced: ofPython(read) };
    return { problem: "It makes no Plugin in so many words: only a run tells what it is." };
  } catch (error) {
    return { problem: `It could not be read by ${python}: ${messageOf(error)}.` };
  }
}

function ofPython(read: Record<string, unknown>): Announced {
  const open: string[] = [];
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  const list = (key: string): unknown[] => {
    const value = read[key];
    const items: unknown[] = Array.isArray(value) ? value : [];
    if (value === null || items.includes(null)) open.push(key);
    return items.filter((item) => item !== null);
  };
  const texts = (key: string) => list(key).flatMap((item) => text(item) ?? []);
  const name = text(read["name"]);
  const ownRun = read["maker"] === "ScheduledPlugin" ? ["run"] : [];
  return {
    name,
    version: text(read["version"]),
    description: text(read["description"]),
    capabilities: texts("capabilities"),
    handlers: [...texts("jobs"), ...ownRun].map((key) => announcedName(name, key)),
    schedules: list("schedules").flatMap((schedule) => {
      if (!isRecord(schedule)) return [];
      return [
        scheduleText({
          id: text(schedule["id"]),
          handler: text(schedule["handler"]),
          when: text(schedule["when"]),
        }),
      ];
    }),
    endpoints: texts("endpoints"),
    watchers: texts("watchers"),
    config: texts("config"),
    open,
  };
}

/** As the SDKs announce it. */
function announcedName(plugin: string | null, key: string): string {
  return key.includes(".") ? key : `${plugin ?? "…"}.${key}`;
}

function scheduleText(schedule: { id: string | null; handler: string | null; when: string | null }): string {
  const { id, handler, when } = schedule;
  return `${id ?? "…"}: ${[...(handler === null ? [] : [handler]), when ?? "…"].join(" at ")}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
