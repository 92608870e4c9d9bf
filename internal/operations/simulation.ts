/**
 * Simulation: plays a set of schedules through a span and says what they do together.
 * It takes seconds and megabytes: it belongs into a process of its own.
 *
 * Per day, occurrences are counted by arithmetic. What is refused for its size is
 * counted before anything is played.
 */
import { fieldFault } from "../base/fault.ts";
import type { Millis } from "../base/env.ts";
import { type Change, changesIn, shiftAt } from "../schedule/clock-change.ts";
import type { Difference } from "../schedule/compare.ts";
import { forecast, type ForecastRow } from "../schedule/forecast.ts";
import type { Span } from "../schedule/span.ts";
import { effectiveAt } from "../schedule/jitter.ts";
import { median, PACE_RUNS } from "../schedule/pace.ts";
import { type Definition, occurrences, planned } from "../schedule/planned.ts";
import { FIRED_OUTCOMES, type Schedule } from "../schedule/schedule.ts";
import { type BusyHour, type BusyMinute, Tally } from "../schedule/tally.ts";
import type { ForecastSource } from "../store/forecasts.ts";
import { replay } from "./replay.ts";

/** How long runs are taken to take: what each schedule's last ones took, the last one took, or each did when it was. */
export const DURATIONS = ["median", "last", "replay"] as const;
export type Durations = (typeof DURATIONS)[number];

export const SIMULATION_DAYS_MAX = 31; // A month: arrays of seconds, some ten megabytes.
export const SIMULATION_SCHEDULES_MAX = 100_000; // Some hundred megabytes.
export const SIMULATION_OCCURRENCES_MAX = 20_000_000; // Some ten seconds.
const PAGE = 1_000;
const WORST_MINUTES = 10; // What does not fit onto a screen is not read.
const NAMES_MAX = 20;
const OVERLAPS_MAX = 50;
const DIFFERENCES_MAX = 20;
const DAY: Millis = 86_400_000;
const MINUTE: Millis = 60_000;

export interface SimulationRequest extends Span {
  /** Null: all that are active or paused. */
  ids: readonly string[] | null;
  durations: Durations;
  now: Millis;
}

/** How a schedule is called. */
export interface Called {
  id: string;
  name: string;
}

/** A schedule whose runs would meet. */
export interface Overlapping extends Called {
  tookMs: Millis;
  fires: number;
  /** Occurrences that did not run, or waited, because of the run before. */
  skipped: number;
  late: number;
}

export interface ClockChange extends Change {
  /** Those that do something else than at these times of other days. */
  schedules: (Called & { added: Millis[]; missing: Millis[] })[];
  /** How many more there are. */
  more: number;
}

export interface Simulation extends Span {
  schedules: number;
  /** Schedules that rest throughout the span, because somebody paused them: they are not played. */
  paused: number;
  /** Schedules of which no run is recorded: they are taken to take no time. */
  unknown: number;
  occurrences: number;
  fires: number;
  /** By the days of UTC. */
  perDay: { at: Millis; occurrences: number }[];
  perHour: BusyHour[];
  worst: (BusyMinute & { schedules: Called[]; more: number })[];
  atOnce: { runs: number; at: Millis | null };
  overlaps: Overlapping[];
  overlapping: number;
  clockChanges: ClockChange[];
  /** Of a replay: how it compares with the ledger. */
  ledger: { occurrences: number; same: number; differences: (Difference & Called)[] } | null;
}

/** A schedule that takes part. Nothing that it does not need is kept. */
interface Player extends Called {
  definition: Definition;
  /** When it begins: with the span, or when its pause ends. */
  from: Millis;
  /** Undefined when no run is recorded. */
  tookMs: Millis | undefined;
}

/** Plays them through. Throws a Fault when that would be too much. */
export function simulate(source: ForecastSource, request: SimulationRequest): Simulation {
  const players: Player[] = [];
  const tally = new Tally(request);
  const simulation = nothingYet(request);
  for (const schedule of schedulesOf(source, request.ids)) {
    if (players.length >= SIMULATION_SCHEDULES_MAX) throw tooMany("schedules", SIMULATION_SCHEDULES_MAX);
    const player = playerOf(source, schedule, request);
    if (player.from >= request.to) {
      simulation.paused += 1;
      continue;
    }
    players.push(player);
    countDays(simulation, player);
    if (simulation.occurrences > SIMULATION_OCCURRENCES_MAX)
      throw tooMany("occurrences", SIMULATION_OCCURRENCES_MAX);
  }
  for (const player of players) play(source, { request, player, tally, simulation });
  simulation.schedules = players.length;
  simulation.unknown = players.filter(({ tookMs }) => tookMs === undefined).length;
  simulation.fires = tally.fires;
  simulation.perHour = tally.hours();
  simulation.atOnce = tally.mostAtOnce();
  simulation.worst = tally.busiest(WORST_MINUTES).map((minute) => named(minute, players));
  simulation.clockChanges = clockChanges(request, players);
  simulation.overlaps.sort((a, b) => b.skipped + b.late - a.skipped - a.late);
  simulation.overlapping = simulation.overlaps.length;
  simulation.overlaps.length = Math.min(OVERLAPS_MAX, simulation.overlaps.length);
  return simulation;
}

function nothingYet({ from, to, durations }: SimulationRequest): Simulation {
  const firstDay = Math.floor(from / DAY);
  const days = Math.ceil(to / DAY) - firstDay;
  return {
    from,
    to,
    schedules: 0,
    paused: 0,
    unknown: 0,
    occurrences: 0,
    fires: 0,
    perDay: Array.from({ length: days }, (_, day) => ({ at: (firstDay + day) * DAY, occurrences: 0 })),
    perHour: [],
    worst: [],
    atOnce: { runs: 0, at: null },
    overlaps: [],
    overlapping: 0,
    clockChanges: [],
    ledger: durations === "replay" ? { occurrences: 0, same: 0, differences: [] } : null,
  };
}

function* schedulesOf(source: ForecastSource, ids: readonly string[] | null): Generator<Schedule> {
  if (ids !== null) return yield* source.schedules({ ids });
  let after = "";
  for (;;) {
    const page = source.schedules({ after, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.id;
  }
}

function playerOf(source: ForecastSource, schedule: Schedule, request: SimulationRequest): Player {
  const { id, name, spec, timezone, anchor, policy } = schedule;
  const took = source.took(id, request.durations === "last" ? 1 : PACE_RUNS);
  const from = beginningOf(schedule, request);
  return { id, name, definition: { spec, timezone, anchor, policy }, from, tookMs: median(took) };
}

/** A pause of now says nothing of the past. */
function beginningOf({ state, pause }: Schedule, { from, to, now, durations }: SimulationRequest): Millis {
  if (state !== "paused" || to <= now || durations === "replay") return from;
  return Math.max(from, pause?.until ?? Number.POSITIVE_INFINITY);
}

/** Each day by one count, however often the schedule fires. */
function countDays(simulation: Simulation, { definition, from }: Player): void {
  const plan = planned(definition);
  for (const day of simulation.perDay) {
    const span = { from: Math.max(day.at, from), to: Math.min(day.at + DAY, simulation.to) };
    if (span.from >= span.to) continue;
    const count = plan.count(span.from - 1, span.to - 1);
    day.occurrences += count;
    simulation.occurrences += count;
  }
}

interface Play {
  request: SimulationRequest;
  player: Player;
  tally: Tally;
  simulation: Simulation;
}

function play(source: ForecastSource, { request, player, tally, simulation }: Play): void {
  const met: Overlapping = { ...calledOf(player), tookMs: player.tookMs ?? 0, fires: 0, skipped: 0, late: 0 };
  const tell = (row: ForecastRow) => {
    if (row.occurrence < request.from || row.occurrence >= request.to) return;
    tally.add(row);
    if (FIRED_OUTCOMES.includes(row.outcome)) met.fires += 1;
    if (row.outcome === "fired-late") met.late += 1;
    if (row.outcome === "skipped-overlap" || row.outcome === "pending") met.skipped += row.count;
  };
  if (simulation.ledger) playAgain(source, { request, player, simulation: simulation.ledger, tell });
  else playOn(source, { request, player, tell });
  if (met.skipped + met.late > 0) simulation.overlaps.push(met);
}

/** Plays the past of every node's cursor as it was. */
function playAgain(
  source: ForecastSource,
  {
    request,
    player,
    simulation,
    tell,
  }: {
    request: SimulationRequest;
    player: Player;
    simulation: NonNullable<Simulation["ledger"]>;
    tell: (row: ForecastRow) => void;
  },
): void {
  const [schedule] = source.schedules({ ids: [player.id] });
  if (!schedule) return;
  for (const history of source.history(player.id)) {
    const again = replay(source, schedule, { history, span: request, now: request.now });
    again.rows.forEach(tell);
    simulation.occurrences += again.recorded;
    simulation.same += again.recorded - again.differences.length;
    const room = DIFFERENCES_MAX - simulation.differences.length;
    const told = again.differences.slice(0, Math.max(0, room));
    simulation.differences.push(...told.map((one) => ({ ...one, ...calledOf(player) })));
  }
}

/** Plays what the definition in force would do, from how it stands if the span begins now. */
function playOn(
  source: ForecastSource,
  {
    request: { from, to, now },
    player: { id, definition, from: begin, tookMs = 0 },
    tell,
  }: { request: SimulationRequest; player: Player; tell: (row: ForecastRow) => void },
): void {
  const [schedule] = from <= now && to > now ? source.schedules({ ids: [id] }) : [];
  const stands = schedule ? source.open(id, "") : { runs: [], waiting: [] };
  const runsBefore =
    definition.policy.runsMax === null ? 0 : (source.schedules({ ids: [id] })[0]?.runCount ?? 0);
  forecast(
    {
      scheduleId: id,
      terms: [{ since: begin - 1, definition }],
      from: begin,
      to,
      endsAt: (_, startsAt) => startsAt + tookMs,
      runCount: runsBefore,
      open: stands.runs.map(({ startedAt }) => ({
        startsAt: startedAt,
        endsAt: Math.max(now, startedAt + tookMs),
      })),
      waiting: stands.waiting,
      past: null,
    },
    tell,
  );
}

/** Who is due in a minute. */
function named(minute: BusyMinute, players: readonly Player[]): Simulation["worst"][number] {
  const due = players.filter((player) => isDueIn(player, minute.at));
  return {
    ...minute,
    schedules: due.slice(0, NAMES_MAX).map(calledOf),
    more: Math.max(0, due.length - NAMES_MAX),
  };
}

function isDueIn({ id, definition, from }: Player, at: Millis): boolean {
  const plan = planned(definition);
  const span = { from: Math.max(from, at - definition.policy.jitterMs), to: at + MINUTE };
  for (const occurrence of occurrences(plan, span)) {
    const startsAt = effectiveAt(id, occurrence, definition.policy, plan);
    if (startsAt >= at && startsAt < at + MINUTE) return true;
  }
  return false;
}

function clockChanges({ from, to }: SimulationRequest, players: readonly Player[]): ClockChange[] {
  const byZone = Map.groupBy(
    players.filter(({ definition }) => definition.spec.kind === "cron"),
    ({ definition }) => definition.timezone,
  );
  const changes = [...byZone].flatMap(([timezone, inZone]) =>
    changesIn(timezone, { from, to }).map((change) => changeOf(change, inZone)),
  );
  return changes.toSorted((a, b) => a.at - b.at);
}

function changeOf(change: Change, players: readonly Player[]): ClockChange {
  const shifted = players.flatMap((player) => {
    const shift = shiftAt(player.definition, change);
    return shift.added.length + shift.missing.length > 0 ? [{ ...calledOf(player), ...shift }] : [];
  });
  return { ...change, schedules: shifted.slice(0, NAMES_MAX), more: Math.max(0, shifted.length - NAMES_MAX) };
}

function calledOf({ id, name }: Called): Called {
  return { id, name };
}

function tooMany(what: string, max: number) {
  return fieldFault(
    "to",
    `that would be more than ${max.toLocaleString("en-US")} ${what}.`,
    "Give a shorter span, or fewer schedules.",
  );
}
