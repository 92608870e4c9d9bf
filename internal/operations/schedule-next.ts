/** Next: when a definition fires from some instant on, whether it is stored or only thought of. */
import { z } from "zod";
import type { Env, Millis } from "../base/env.ts";
import { fieldFault, shown } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import { nextWithin } from "../schedule/decide.ts";
import type { Definition } from "../schedule/planned.ts";
import { recurrence } from "../schedule/recurrence.ts";
import { POLICY_DEFAULT } from "../schedule/schedule.ts";
import { countPlanned, listPlanned, type Term } from "../schedule/terms.ts";
import { parseInput } from "./parse-input.ts";
import { readTimezone, requireSpec } from "./schedule-input.ts";

const NEXT_COUNT_MAX = 1_000; // A page to look at; who needs more asks again from the last one.
const NEXT_COUNT_DEFAULT = 10;
const SPAN_MAX_MS: Millis = 3_653 * 86_400_000; // Sixteen expressions joined are counted in some 30 ms; until the year 9999 it took 25 s.

export const nextInput = z.strictObject({
  id: z.string().optional(),
  every: z.string().optional(),
  cron: z.union([z.string(), z.array(z.string())]).optional(),
  timezone: z.string().optional(),
  anchor: z.string().optional(),
  from: z.string().optional(),
  /** With it: everything planned from `from` on and before it, as the ledger counts. */
  to: z.string().optional(),
  count: z
    .int()
    .min(1, "must be at least 1.")
    .max(NEXT_COUNT_MAX, `must be at most ${NEXT_COUNT_MAX}.`)
    .optional(),
});

type NextInput = z.infer<typeof nextInput>;

/** The next occurrences, as they are shown. */
export interface NextView {
  instants: string[];
  timezone: string;
  /** How many there are in the span that was asked for; absent when none was. */
  total?: number;
}

/** `schedule.next` for whoever has no store: of a definition that is not stored. Throws a Fault that names the field. */
export function previewNext(env: Env, input: unknown): NextView {
  const parsed = parseInput(nextInput, input);
  return nextUnstored(env, parsed);
}

/** Shows when a definition that is not stored fires. */
export function nextUnstored(env: Env, input: NextInput): NextView {
  const definition = unstored(env, input);
  const term = { since: Number.NEGATIVE_INFINITY, definition, tzdata: "" };
  return nextOf(env, definition, [[term]], input);
}

/** Shows the next occurrences of a definition; or those of a span, by the terms of each of its cursors. */
export function nextOf(
  env: Env,
  definition: Definition,
  cursors: readonly (readonly Term[])[],
  { from, to, count }: NextInput,
): NextView {
  const { timezone } = definition;
  const start = from === undefined ? env.now() : parseInstant(from, "from");
  if (to === undefined) {
    const instants = nextInstants(definition, start, count ?? NEXT_COUNT_DEFAULT);
    return { instants: instants.map(formatInstant), timezone };
  }
  const span = { from: start, to: parseInstant(to, "to") };
  if (span.to <= span.from)
    throw fieldFault("to", `${shown(to)} is not after its beginning.`, "A span ends after it begins.");
  if (span.to - span.from > SPAN_MAX_MS)
    throw fieldFault("to", "the span is longer than ten years.", "Give a shorter one.");
  const limit = count ?? NEXT_COUNT_MAX;
  const instants = cursors.flatMap((terms) => listPlanned(terms, span).take(limit).toArray());
  const first = instants.toSorted((a, b) => a - b).slice(0, limit);
  const total = cursors.reduce((sum, terms) => sum + countPlanned(terms, span), 0);
  return { instants: first.map(formatInstant), timezone, total };
}

/** Reads a definition that is not stored. Throws a Fault that names the field. */
function unstored(env: Env, { every, cron, timezone, anchor }: NextInput): Definition {
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
