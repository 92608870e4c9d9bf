/** Next: when a definition fires from some instant on, whether it is stored or only thought of. */
import { z } from "zod";
import type { Env, Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { nextWithin } from "../schedule/decide.ts";
import { recurrence } from "../schedule/recurrence.ts";
import { type Policy, POLICY_DEFAULT, type Spec } from "../schedule/schedule.ts";
import { parseInput } from "./parse-input.ts";
import { readTimezone, requireSpec } from "./schedule-input.ts";

const NEXT_COUNT_MAX = 1_000; // A page to look at; who needs more asks again from the last one.
const NEXT_COUNT_DEFAULT = 10;

export const nextInput = z.strictObject({
  id: z.string().optional(),
  every: z.string().optional(),
  cron: z.union([z.string(), z.array(z.string())]).optional(),
  timezone: z.string().optional(),
  anchor: z.string().optional(),
  from: z.string().optional(),
  count: z
    .int()
    .min(1, "must be at least 1.")
    .max(NEXT_COUNT_MAX, `must be at most ${NEXT_COUNT_MAX}.`)
    .optional(),
});

type NextInput = z.infer<typeof nextInput>;

/** What decides when something fires. */
export interface Definition {
  spec: Spec;
  timezone: string;
  anchor: Millis;
  policy: Policy;
}

/** The next occurrences, as they are shown. */
export interface NextView {
  instants: string[];
  timezone: string;
}

/** `schedule.next` for whoever has no store: of a definition that is not stored. Throws a Fault that names the field. */
export function previewNext(env: Env, input: unknown): NextView {
  const parsed = parseInput(nextInput, input);
  return nextOf(env, unstored(env, parsed), parsed);
}

/** Shows the next occurrences of a definition. */
export function nextOf(env: Env, definition: Definition, { from, count }: NextInput): NextView {
  const start = from === undefined ? env.now() : parseInstant(from, "from");
  const instants = nextInstants(definition, start, count ?? NEXT_COUNT_DEFAULT);
  return { instants: instants.map(formatInstant), timezone: definition.timezone };
}

/** Reads a definition that is not stored. Throws a Fault that names the field. */
export function unstored(env: Env, { every, cron, timezone, anchor }: NextInput): Definition {
  const spec = requireSpec({ every, cron, timezone }, null);
  if (anchor !== undefined && spec.kind !== "every") {
    throw fieldFault("anchor", `${shown(anchor)} has no effect on ${spec.kind}.`, "It is for every alone.");
  }
  return {
    spec,
    timezone: readTimezone(timezone, spec),
    anchor: anchor === undefined ? env.now() : parseInstant(anchor, "anchor"),
    policy: POLICY_DEFAULT,
  };
}

/** A stored schedule knows when it fires; what is said beside it would be passed over in silence. */
export function refuseDefinition({ every, cron, timezone, anchor }: NextInput): void {
  const extra = Object.entries({ every, cron, timezone, anchor }).find(([, value]) => value !== undefined);
  if (extra) throw fieldFault(extra[0], "cannot be given for a schedule that is stored.", "Leave it out.");
}

/** A schedule that could never fire is a mistake, and now is when its maker is listening. */
export function refuseNever(
  schedule: Omit<Definition, "anchor"> & { anchor?: Millis | undefined },
  now: Millis,
): void {
  const definition = { ...schedule, anchor: schedule.anchor ?? now };
  if (nextInstants(definition, now, 1).length > 0) return;
  throw fieldFault(
    schedule.spec.kind,
    "never fires from now on.",
    "Change when it runs, or its start and end.",
  );
}

function nextInstants({ spec, timezone, anchor, policy }: Definition, from: Millis, count: number): Millis[] {
  const every = recurrence({ spec, timezone, anchor, dstGap: policy.dstGap, dstFold: policy.dstFold });
  const instants: Millis[] = [];
  for (
    let at = nextWithin(every, policy, from);
    at !== null && instants.length < count;
    at = nextWithin(every, policy, at)
  ) {
    instants.push(at);
  }
  return instants;
}
