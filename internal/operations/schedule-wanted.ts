/**
 * Wanted: one entry of a document, checked and turned into our own words. What an entry
 * does not mention has its default, but for three things that are left as they are: the
 * anchor of an interval, the name, and whether it is paused.
 */
import { z } from "zod";
import type { Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { ID_PATTERN } from "../base/id.ts";
import { parseInstant } from "../base/instant.ts";
import type { Owner, Spec, Target } from "../schedule/schedule.ts";
import type { Problems, Subject } from "./document-problems.ts";
import { parseOwner } from "./ownership.ts";
import { payloadBytes } from "./payload.ts";
import type { Definition } from "./schedule-entry.ts";
import {
  createInput,
  readName,
  readTimezone,
  requireSpec,
  SCHEDULE_PAYLOAD_BYTES_MAX,
} from "./schedule-input.ts";
import { readPolicyInput } from "./schedule-policy.ts";
import { type OwnedTarget, readWrittenTarget, refuseUnsent } from "./schedule-target.ts";

const NOTE_CHARS_MAX = 1_000;

export interface WantedPause {
  note: string;
  /** Null: whoever applies the document. */
  by: string | null;
  until: Millis | null;
}

/** What one entry asks for. */
export interface Wanted {
  /** The schedule that is meant, where it exists. */
  id: string | null;
  owner: Owner;
  declaredId: string;
  tenant: string;
  definition: Definition;
  /** Undefined: as it is; null: not paused; "any": paused, whatever is said about it. */
  pause: WantedPause | "any" | null | undefined;
  /** It has finished: where it does not exist, it is not made. */
  finished: boolean;
  /** Runs that it had where it was exported. */
  runsDone: number;
  about: Subject;
}

const entryInput = z.strictObject({
  ...createInput.omit({ paused: true, note: true, upsert: true, ifNotExists: true }).shape,
  id: z
    .string()
    .refine((id) => ID_PATTERN.test(id) && id.startsWith("SC_"), "is not a schedule's id.")
    .optional(),
  owner: z.string().optional(),
  declaredId: z.string().optional(),
  tenant: z.string().optional(),
  anchor: z.string().optional(),
  payloadText: z.string().optional(),
  payloadBase64: z.base64("is not base64.").optional(),
  paused: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          note: z.string().max(NOTE_CHARS_MAX).optional(),
          by: z.string().max(NOTE_CHARS_MAX).optional(),
          until: z.string().optional(),
        }),
      ],
      "must be true, false, or note, by and until.",
    )
    .optional(),
  finished: z.boolean("must be true or false.").optional(),
  runsDone: z.int("must be a whole number.").min(0, "must not be negative.").optional(),
});
type EntryInput = z.infer<typeof entryInput>;

/** Reads an entry; what is wrong with it is noted. */
export function readWanted(
  entry: Readonly<Record<string, unknown>>,
  { home, problems, about }: { home: Owner; problems: Problems; about: Subject },
): Wanted | undefined {
  const said = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null));
  const wrong = new Set<string>();
  const checked = problems.checked(entryInput, said, about, (field) => wrong.add(field));
  const input = checked ?? entryInput.safeParse(mended(said, wrong)).data;
  if (!input) return undefined;
  const attempt = <T>(read: () => T) => problems.attempt(about, read);
  const owner = attempt(() => (input.owner === undefined ? home : parseOwner(input.owner, "owner")));
  const named = attempt(() => readOwned(input));
  const definition = readDefinition(input, named?.target, attempt);
  const pause = attempt(() => readPause(input.paused));
  attempt(() => refuseNameless(input));
  if (owner) attempt(() => refuseUndeclared(owner, input.declaredId));
  if (!owner || !named || !definition) return undefined;
  return {
    id: input.id ?? null,
    owner,
    declaredId: input.declaredId ?? "",
    tenant: named.tenant,
    definition,
    pause,
    finished: input.finished ?? false,
    runsDone: input.runsDone ?? 0,
    about,
  };
}

/** What stands in for a wrong value, so that the rest of its entry is still checked. */
const STAND_INS: Record<string, unknown> = {
  id: "SC_00000000000000000000000000",
  handler: "a.b",
  every: "1h",
  cron: "@daily",
  at: "2100-01-01T00:00:00Z",
  name: "a",
};

function mended(said: Record<string, unknown>, wrong: ReadonlySet<string>): Record<string, unknown> {
  const right = Object.entries(said).filter(([field]) => !wrong.has(field));
  const standIns = [...wrong].filter((field) => Object.hasOwn(STAND_INS, field));
  return Object.fromEntries([...right, ...standIns.map((field) => [field, STAND_INS[field]] as const)]);
}

/** Each part is read by itself, so that all mistakes of an entry are found at once. */
function readDefinition(
  input: EntryInput,
  target: Target | undefined,
  attempt: <T>(read: () => T) => T | undefined,
): Definition | undefined {
  const name = attempt(() => readName(input.name));
  const spec = attempt(() => requireSpec(input, null));
  const timezone = spec && attempt(() => readTimezone(input.timezone, spec));
  const anchor = spec && attempt(() => readAnchor(input.anchor, spec));
  const payload = attempt(() => readPayload(input));
  const policy = attempt(() => ({ ...readPolicyInput(input) }));
  if (name === undefined || !target || !spec || timezone === undefined) return undefined;
  if (anchor === undefined || !payload || !policy) return undefined;
  attempt(() => refuseUnsent({ target, payload }));
  const { description = "", metadata = {}, locking = "require-global" } = input;
  return { name, target, spec, timezone, anchor, payload, policy, locking, description, metadata };
}

/** Whose it is may stand in front of the handler or endpoint, or in a field of its own. */
function readOwned({ handler, endpoint, tenant }: EntryInput): OwnedTarget {
  const named = readWrittenTarget({ handler, endpoint });
  if (tenant === undefined || named.tenant === "" || named.tenant === tenant)
    return { ...named, tenant: tenant ?? named.tenant };
  const what = shown(handler ?? endpoint);
  throw fieldFault("tenant", `${shown(tenant)} is not the tenant of ${what}.`, "Say one of them.");
}

function readAnchor(anchor: string | undefined, spec: Spec): Millis | null {
  if (anchor === undefined) return null;
  if (spec.kind !== "every")
    throw fieldFault("anchor", `${shown(anchor)} has no effect on ${spec.kind}.`, "It is for every alone.");
  return parseInstant(anchor, "anchor");
}

function readPayload({ payload, payloadText, payloadBase64 }: EntryInput): Uint8Array {
  const given = Object.entries({ payload, payloadText, payloadBase64 }).filter(([, v]) => v !== undefined);
  const [first, second] = given;
  if (second) throw fieldFault(second[0], `cannot be given together with ${first?.[0]}.`);
  if (payloadText !== undefined)
    return payloadBytes(new TextEncoder().encode(payloadText), "payloadText", SCHEDULE_PAYLOAD_BYTES_MAX);
  if (payloadBase64 !== undefined)
    return payloadBytes(Buffer.from(payloadBase64, "base64"), "payloadBase64", SCHEDULE_PAYLOAD_BYTES_MAX);
  return payloadBytes(payload, "payload", SCHEDULE_PAYLOAD_BYTES_MAX);
}

function readPause(paused: EntryInput["paused"]): Wanted["pause"] {
  if (paused === undefined) return undefined;
  if (typeof paused === "boolean") return paused ? "any" : null;
  const { note = "", by = null, until } = paused;
  return { note, by, until: until === undefined ? null : parseInstant(until, "paused.until") };
}

/** Without a name or an id nobody would find it again: each apply would make another one. */
function refuseNameless({ name, id, declaredId }: EntryInput): void {
  if (name || id || declaredId) return;
  throw fieldFault(
    "name",
    "is missing.",
    "By it, the schedule is found again when the document is applied again.",
  );
}

/** A plugin and qntx.toml declare schedules; what the file owns, it has declared. */
function refuseUndeclared({ kind, name }: Owner, declaredId: string | undefined): void {
  const isFile = kind === "file" && name === "qntx.toml";
  if (declaredId && kind !== "plugin" && !isFile)
    throw fieldFault("declaredId", `${shown(declaredId)} has no effect: ${kind}:${name} declares nothing.`);
  if (isFile && !declaredId)
    throw fieldFault(
      "owner",
      '"file:qntx.toml" owns only what it declares.',
      "Write it there, as [[schedule]].",
    );
}
