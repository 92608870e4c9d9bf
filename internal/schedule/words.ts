/**
 * Words: says to a person when a schedule fires. cronstrue knows the words for the
 * fields of cron; this file corrects it where it is wrong about meaning:
 *
 *   - it joins the two day fields with "and" where either suffices;
 *   - it says "every 45 minutes" of a step that begins again at each full hour;
 *   - it stumbles over lists with L, W or *, which are then shown as they are.
 *
 * This file alone imports cronstrue, which is big: import it where words are needed.
 */
import cronstrue from "cronstrue";
import type { Millis } from "../base/env.ts";
import type { Spec } from "./schedule.ts";
import { zoneOf } from "./zone.ts";

/** Says when a spec fires: "At 09:00, Monday through Friday, Europe/Amsterdam". */
export function describeSpec(spec: Spec, timezone: string): string {
  if (spec.kind === "every") return `Every ${durationInWords(spec.everyMs)}`;
  if (spec.kind === "at") return instantsInWords(spec.instants, timezone);
  const [first = "", ...others] = spec.cron.map(cronInWords);
  return `${[first, ...others.map(uncapitalized)].join("; and ")}, ${timezone}`;
}

const UNITS: readonly (readonly [string, Millis])[] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
  ["millisecond", 1],
];

function durationInWords(ms: Millis): string {
  let left = ms;
  const parts = UNITS.flatMap(([unit, unitMs]) => {
    const count = Math.floor(left / unitMs);
    left -= count * unitMs;
    return count === 0 ? [] : [`${count} ${unit}${count === 1 ? "" : "s"}`];
  });
  const [only = ""] = parts;
  return parts.length === 1 && only.startsWith("1 ") ? only.slice(2) : parts.join(" ");
}

function instantsInWords(instants: readonly Millis[], timezone: string): string {
  const ordered = [...instants].sort((a, b) => a - b).map((instant) => onTheWall(instant, timezone));
  const [first = "", second] = ordered;
  if (second === undefined) return `Once, at ${first}, ${timezone}`;
  return `At ${ordered.length} instants from ${first} to ${ordered.at(-1)}, ${timezone}`;
}

/** `2026-01-31 09:00`, with seconds where they are not zero. */
function onTheWall(instant: Millis, timezone: string): string {
  const wall = new Date(instant + zoneOf(timezone).stretchAt(instant).offset).toISOString();
  const seconds = wall.slice(17, 19) === "00" ? "" : wall.slice(16, 19);
  return `${wall.slice(0, 10)} ${wall.slice(11, 16)}${seconds}`;
}

function cronInWords(text: string): string {
  const raw = `Cron ${text}`;
  const fields = text.split(/\s+/);
  const dayOfWeek = fields.at(-1) ?? "";
  const dayOfMonth = fields.at(-3) ?? "";
  try {
    if (text.startsWith("@")) return words(text);
    if (isMixed(dayOfMonth) || isMixed(dayOfWeek)) return raw;
    return bothDaysInWords(fields.slice(0, -3).map(spelledOut), dayOfMonth, fields.at(-2) ?? "", dayOfWeek);
  } catch {
    return raw; // cronstrue throws on what it does not know, such as a list with a W.
  }
}

/** A list in which an item is more than a number, a name or a range. */
function isMixed(field: string): boolean {
  return field.includes(",") && /[*LW#]/i.test(field.replace(/[A-Z]{3}/gi, ""));
}

/** A step that begins again within an hour or a day is no interval: it is spelled out as a list. */
function spelledOut(field: string, index: number, clock: readonly string[]): string {
  const step = Number(/^\*\/(\d+)$/.exec(field)?.[1] ?? 1);
  const size = index === clock.length - 1 ? 24 : 60;
  if (size % step === 0) return field;
  return Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step).join(",");
}

function bothDaysInWords(
  clock: readonly string[],
  dayOfMonth: string,
  month: string,
  dayOfWeek: string,
): string {
  const say = (...days: readonly string[]) => words([...clock, ...days].join(" "));
  const weekday = dayOfWeek.replace(/#L$/i, "L");
  if (/^[*?]$/.test(dayOfMonth) || /^[*?]$/.test(dayOfWeek)) return say(dayOfMonth, month, weekday);

  const time = say("*", "*", "*");
  const inMonth = say(dayOfMonth, "*", "*").slice(time.length);
  const inWeek = say("*", "*", weekday).slice(time.length + ", ".length);
  const months = say("*", month, "*").slice(time.length);
  const both = dayOfMonth.startsWith("*") || dayOfWeek.startsWith("*");
  const days = both ? `${inMonth}, and only ${bare(inWeek)}` : `${inMonth} or ${bare(inWeek)}`;
  return `${time}${days}${months}`;
}

function bare(words: string): string {
  return words.replace(/^only /, "");
}

function words(text: string): string {
  return cronstrue.toString(text, { use24HourTimeFormat: true });
}

function uncapitalized(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
