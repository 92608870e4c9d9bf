/**
 * What can be done to named blackouts. Setting one changes every schedule that
 * observes it in the same step; one that is observed cannot be deleted.
 */
import { z } from "zod";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import {
  BLACKOUT_RANGES_MAX,
  type BlackoutRange,
  type NamedBlackout,
  parseRange,
  spansOf,
} from "../schedule/named-blackout.ts";
import { SCHEDULE_NAME_PATTERN } from "../schedule/schedule.ts";
import { parseTimezone } from "../schedule/zone.ts";
import type { BlackoutInUse, NewBlackout } from "../store/blackouts.ts";
import { operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";

const NOTE_CHARS_MAX = 200;
const DESCRIPTION_CHARS_MAX = 1_000;
const OBSERVERS_SHOWN_MAX = 100; // A list that somebody reads.

/** A list as somebody states it. */
export const blackoutShape = {
  ranges: z
    .array(
      z.strictObject({
        from: z.string(),
        to: z.string(),
        note: z.string().max(NOTE_CHARS_MAX, `has more than ${NOTE_CHARS_MAX} characters.`).optional(),
      }),
    )
    .max(BLACKOUT_RANGES_MAX, `has more than ${BLACKOUT_RANGES_MAX} ranges.`),
  timezone: z.string().optional(),
  description: z
    .string()
    .max(DESCRIPTION_CHARS_MAX, `has more than ${DESCRIPTION_CHARS_MAX} characters.`)
    .optional(),
};

const blackoutInput = z.object(blackoutShape);
export type BlackoutInput = z.infer<typeof blackoutInput>;

export interface BlackoutView {
  name: string;
  timezone: string;
  description: string;
  /** As they were written. */
  ranges: BlackoutRange[];
  createdAt: string;
  updatedAt: string;
}

export const blackoutList = operation({
  name: "blackout.list",
  summary: "List named blackouts",
  input: z.strictObject(pageInput),
  async run({ store }, page) {
    const { items, cursor } = await store.blackouts.list(pageRequest(page));
    return { blackouts: items.map(viewBlackout), cursor };
  },
});

export const blackoutShow = operation({
  name: "blackout.show",
  summary: "Show a named blackout, its spans, and which schedules observe it",
  input: z.strictObject({ name: z.string() }),
  async run({ store }, { name }) {
    const found = await store.blackouts.get(name);
    if (!found) throw noSuchBlackout(name);
    const observers = await store.blackouts.usersOf(name, OBSERVERS_SHOWN_MAX);
    const spans = spansOf(found).map(({ from, to }) => ({
      from: formatInstant(from),
      to: formatInstant(to),
    }));
    return { ...viewBlackout(found), spans, observers };
  },
});

export const blackoutSet = operation({
  name: "blackout.set",
  summary: "Make a named blackout, or change it for all schedules that observe it",
  changes: true,
  byClock: true,
  input: z.strictObject({ name: z.string(), ...blackoutShape }),
  async run({ store, host }, { name, ...input }) {
    const before = await store.blackouts.get(name);
    const { blackout, created, schedules } = await store.blackouts.set(readBlackout(name, input, before));
    if (schedules > 0) host?.schedulesChanged();
    return { ...viewBlackout(blackout), created, schedules };
  },
});

export const blackoutDelete = operation({
  name: "blackout.delete",
  summary: "Delete a named blackout that no schedule observes",
  changes: true,
  input: z.strictObject({ name: z.string() }),
  async run({ store }, { name }) {
    const answer = await store.blackouts.delete(name);
    if (answer === null) throw noSuchBlackout(name);
    if ("inUse" in answer) throw inUse(name, answer);
    return viewBlackout(answer);
  },
});

export const blackoutOperations = [blackoutList, blackoutShow, blackoutSet, blackoutDelete];

/** Reads a list; what is not said about one that exists stays. Throws a Fault that names the field. */
export function readBlackout(
  name: string,
  { ranges, timezone, description }: BlackoutInput,
  before: Pick<NamedBlackout, "timezone" | "description"> | null,
): NewBlackout {
  if (!SCHEDULE_NAME_PATTERN.test(name)) {
    throw fieldFault(
      "name",
      `${shown(name)} cannot be a name.`,
      "Use letters, digits, dots, dashes, colons and underscores, starting with a letter or digit, at most 128.",
    );
  }
  const zone = timezone === undefined ? (before?.timezone ?? "UTC") : parseTimezone(timezone, "timezone");
  const written = ranges.map(({ from, to, note }) => ({ from, to, note: note ?? "" }));
  for (const [index, range] of written.entries()) parseRange(range, zone, `ranges.${index}`);
  return { name, timezone: zone, description: description ?? before?.description ?? "", ranges: written };
}

function viewBlackout(blackout: NamedBlackout): BlackoutView {
  const { name, timezone, description, ranges, createdAt, updatedAt } = blackout;
  return {
    name,
    timezone,
    description,
    ranges: [...ranges],
    createdAt: formatInstant(createdAt),
    updatedAt: formatInstant(updatedAt),
  };
}

function noSuchBlackout(name: string): Fault {
  return new Fault("not-found", `There is no blackout ${shown(name)}.`, {
    hint: "qntx blackout list shows them.",
  });
}

function inUse(name: string, { inUse: users }: BlackoutInUse): Fault {
  const [first] = users;
  const names = users.map((user) => user.name || user.id).join(", ");
  return new Fault("conflict", `Blackout ${name} is observed by these schedules: ${names}.`, {
    hint: `Change them first, for example: qntx schedule update ${first?.name || first?.id} --clear blackouts`,
  });
}
