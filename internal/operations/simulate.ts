/**
 * Simulate: `schedule.simulate`, in a process of its own. The host starts itself in
 * another role, gives it the request on stdin and reads the answer from stdout. Its own
 * event loop only waits; who no longer wants the answer ends the process.
 */
import { z } from "zod";
import type { Millis } from "../base/env.ts";
import { assert, Fault, type FaultCode, type FieldFault, fieldFault, shown } from "../base/fault.ts";
import { formatInstant, parseInstant } from "../base/instant.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { type Context, operation } from "./operation.ts";
import { resolveSchedule } from "./reference.ts";
import {
  type ClockChange,
  DURATIONS,
  type Simulation,
  SIMULATION_DAYS_MAX,
  type SimulationRequest,
} from "./simulation.ts";

/** The role in which this program simulates; cmd/qntx/roles.ts plays it. */
const SIMULATE_ROLE = "__simulate";

const SIMULATION_MAX_MS: Millis = 60_000; // Then the answer is late for whoever asked, and the processor is wanted.
const SCHEDULES_NAMED_MAX = 1_000;
const DAY: Millis = 86_400_000;
const WEEK: Millis = 7 * DAY;

/** What the process is given, in one line. */
export interface SimulationOrder {
  home: string;
  request: SimulationRequest;
}

/** What it answers, in one line. */
export type SimulationAnswer =
  | { simulation: Simulation }
  | { fault: { code: FaultCode; message: string; hint: string | null; fields: readonly FieldFault[] } };

export const scheduleSimulate = operation({
  name: "schedule.simulate",
  summary: "Show what schedules do together over a span, past or to come",
  input: z.strictObject({
    /** Absent: all that are active or paused. */
    ids: z
      .array(z.string())
      .min(1, "is empty.")
      .max(SCHEDULES_NAMED_MAX, `has more than ${SCHEDULES_NAMED_MAX} schedules.`)
      .optional(),
    from: z.string().optional(),
    to: z.string().optional(),
    durations: z.enum(DURATIONS, `must be one of ${DURATIONS.join(", ")}.`).optional(),
  }),
  async run(context, { ids, from, to, durations = "median" }) {
    const now = context.env.now();
    const span = readSpan(now, { from, to, durations });
    const schedules = ids && (await Promise.all(ids.map((id) => resolveSchedule(context, id))));
    if (durations !== "replay") schedules?.forEach(refuseDeleted);
    const request: SimulationRequest = {
      ids: schedules ? [...new Set(schedules.map(({ id }) => id))] : null,
      ...span,
      durations,
      now,
    };
    return viewSimulation(await simulateAside(context, request));
  },
});

/** What is deleted runs no more; of the past, a replay tells. */
function refuseDeleted({ id, state }: Schedule): void {
  if (state !== "deleted") return;
  throw new Fault("conflict", `Schedule ${id} is deleted and runs nothing any more.`, {
    hint: "Leave it out, or look at what it did: --durations replay.",
  });
}

/** Without bounds: the week that begins now, or for a replay the day that ends now. */
function readSpan(
  now: Millis,
  {
    from: fromText,
    to: toText,
    durations,
  }: { from: string | undefined; to: string | undefined; durations: string },
): { from: Millis; to: Millis } {
  const isPast = durations === "replay";
  const given = {
    from: fromText && parseInstant(fromText, "from"),
    to: toText && parseInstant(toText, "to"),
  };
  const from = given.from || (isPast ? (given.to || now) - DAY : now);
  const to = given.to || (isPast ? Math.min(now, from + DAY) : from + WEEK);
  if (from >= to)
    throw fieldFault("to", `${shown(toText)} is not after its beginning.`, "A span ends after it begins.");
  if (to - from > SIMULATION_DAYS_MAX * DAY)
    throw fieldFault("to", `the span is longer than ${SIMULATION_DAYS_MAX} days.`, "Give a shorter one.");
  if (isPast && to > now)
    throw fieldFault("to", `${shown(toText)} is in the future.`, "Only what is past can be replayed.");
  return { from, to };
}

/** Starts the process and waits for its answer. Throws what it refused, or that it took too long. */
async function simulateAside(
  { env, self, home, signal }: Context,
  request: SimulationRequest,
): Promise<Simulation> {
  assert(self, "whoever simulates knows how this program starts itself");
  const child = Bun.spawn([...self, SIMULATE_ROLE], {
    env: {},
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  let late = false;
  const end = () => child.kill("SIGKILL");
  const cancelTimer = env.after(SIMULATION_MAX_MS, () => {
    late = true;
    end();
  });
  signal?.addEventListener("abort", end, { once: true });
  try {
    if (signal?.aborted) end();
    const order: SimulationOrder = { home, request };
    child.stdin.write(`${JSON.stringify(order)}\n`);
    await child.stdin.flush();
    const [answer, complaint] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    if (late) throw tookTooLong();
    if (signal?.aborted) throw new Fault("failed", "The simulation was cancelled.");
    return readAnswer(answer, complaint);
  } finally {
    cancelTimer();
    signal?.removeEventListener("abort", end);
    end();
  }
}

function readAnswer(answer: string, complaint: string): Simulation {
  if (answer === "") throw new Error(`The simulation ended without an answer: ${complaint.slice(0, 2_000)}`);
  // It is ours: the same program wrote it.
  const said = JSON.parse(answer) as SimulationAnswer;
  if ("simulation" in said) return said.simulation;
  const { code, message, hint, fields } = said.fault;
  throw new Fault(code, message, { hint: hint ?? undefined, fields });
}

function tookTooLong(): Fault {
  return new Fault("timeout", `The simulation took longer than ${SIMULATION_MAX_MS / 1_000} s.`, {
    hint: "Give a shorter span, or fewer schedules.",
  });
}

/** How a simulation is shown. Instants are texts. */
function viewSimulation({ ledger, atOnce, ...simulation }: Simulation) {
  return {
    ...simulation,
    from: formatInstant(simulation.from),
    to: formatInstant(simulation.to),
    perDay: simulation.perDay.map(timed),
    perHour: simulation.perHour.map(timed),
    worst: simulation.worst.map(timed),
    atOnce: { runs: atOnce.runs, at: atOnce.at === null ? null : formatInstant(atOnce.at) },
    clockChanges: simulation.clockChanges.map(viewChange),
    ledger: ledger && {
      ...ledger,
      differences: ledger.differences.map(({ occurrence, ...one }) => ({
        ...one,
        occurrence: formatInstant(occurrence),
      })),
    },
  };
}

function viewChange({ schedules, offsetBefore, offsetAfter, ...change }: ClockChange) {
  const wall = (at: Millis) => formatInstant(at).slice(11, 19);
  return {
    ...timed(change),
    /** By how much the clocks go forward; negative when they go back. */
    byMs: offsetAfter - offsetBefore,
    schedules: schedules.map(({ added, missing, ...called }) => ({
      ...called,
      added: added.map(wall),
      missing: missing.map(wall),
      sentence: shiftSentence(added.map(wall), missing.map(wall)),
    })),
  };
}

function shiftSentence(added: readonly string[], missing: readonly string[]): string {
  if (added.length === 0) return `does not run at ${missing.join(", ")}`;
  if (missing.length === 0) return `runs once more at ${added.join(", ")}`;
  return `runs at ${added.join(", ")} instead of ${missing.join(", ")}`;
}

function timed<T extends { at: Millis }>(value: T): Omit<T, "at"> & { at: string } {
  return { ...value, at: formatInstant(value.at) };
}
