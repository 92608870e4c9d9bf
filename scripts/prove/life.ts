/**
 * Life: two days of one schedule on a real store, around a change of clocks, with all
 * that people, slow runs and absent hosts do to it. At the end its ledger is held
 * against a walk through real time: every occurrence in one row, none in two, a job for
 * each that fired, and nothing that could not be evaluated.
 *
 * The simulation lets many of them live together on hosts that die; here one has every
 * combination of policies, and another calendar judges.
 */
import { Database } from "bun:sqlite";
import { FakeEnv } from "../../internal/base/fake-env.ts";
import { parseCron } from "../../internal/schedule/cron.ts";
import { pick, randomExpression, seededRandom } from "../../internal/schedule/expressions.ts";
import { firesDuring, type Walk, walk } from "../../internal/schedule/oracle.ts";
import {
  MISSED_POLICIES,
  OVERLAP_POLICIES,
  type Policy,
  POLICY_DEFAULT,
} from "../../internal/schedule/schedule.ts";
import { migrate } from "../../internal/store/sqlite/migrate.ts";
import { SqliteStore } from "../../internal/store/sqlite/store.ts";
import { COMPLETED, end, newSchedule } from "../../internal/store/storetest/fixture.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LIMIT = 1_000; // More rows and jobs than two days by the minute have in one page.

/** What was planned since when. */
interface Term {
  since: number;
  cron: string[];
  policy: Policy;
}

interface Life {
  random: () => number;
  env: FakeEnv;
  store: SqliteStore;
  id: string;
  span: Walk;
  until: number;
  terms: Term[];
}

/** Lives once. Says what was wrong, with the seed; null when nothing was. */
export async function live(seed: number, zones: readonly string[]): Promise<string | null> {
  const life = await born(seed, zones);
  const wrong = await days(life).catch((error: unknown) => String(error));
  const verdict = wrong ?? (await judged(life));
  await life.store.close();
  const { zone } = life.span;
  return verdict && `seed ${seed}: ${zone}: ${verdict}: ${JSON.stringify(life.terms)}`;
}

async function born(seed: number, zones: readonly string[]): Promise<Life> {
  const random = seededRandom(seed);
  const zone = zones[Math.floor(random() * zones.length)] ?? "UTC";
  const change = changeIn(zone, Date.UTC(2026, 0, 1) + random() * 1_000 * DAY);
  const [from, until] = [change - DAY, change + DAY];
  const env = new FakeEnv({ now: from - 1, seed });
  const db = new Database(":memory:", { strict: true });
  migrate(db);
  const store = new SqliteStore(env, { db, logPath: ":memory:", tzdata: "proof" });
  const term = { since: env.now(), cron: randomCron(random), policy: randomPolicy(random, change) };
  const spec = { kind: "cron" as const, cron: term.cron };
  const made = await store.schedules.create(newSchedule(env, { spec, timezone: zone, policy: term.policy }));
  if ("refused" in made) throw new Error(made.refused);
  return { random, env, store, id: made.id, span: walk(zone, from, until, MINUTE), until, terms: [term] };
}

/** The next change of clocks, to the minute; any moment where there is none. */
function changeIn(zone: string, after: number): number {
  const moment = Temporal.Instant.fromEpochMilliseconds(Math.floor(after)).toZonedDateTimeISO(zone);
  const change = moment.getTimeZoneTransition("next")?.epochMilliseconds ?? after;
  return Math.floor(change / MINUTE) * MINUTE;
}

function randomCron(random: () => number): string[] {
  const texts = Array.from({ length: random() < 0.8 ? 1 : 3 }, () => randomExpression(random, false));
  return texts.some((text) => parseCron(text, "cron").neverFires) ? randomCron(random) : texts;
}

function randomPolicy(random: () => number, change: number): Policy {
  const near = () => change + Math.floor((random() - 0.5) * 240) * MINUTE;
  const maybe = <T>(share: number, value: () => T): T | null => (random() < share ? value() : null);
  const blackout = near();
  const startAt = maybe(0.2, near);
  return {
    ...POLICY_DEFAULT,
    overlap: OVERLAP_POLICIES[Math.floor(random() * OVERLAP_POLICIES.length)] ?? "skip",
    missed: MISSED_POLICIES[Math.floor(random() * MISSED_POLICIES.length)] ?? "skip",
    missedMax: 1 + Math.floor(random() * 5),
    missedWindowMs: pick(random, [0, 10 * MINUTE, DAY]),
    latenessMaxMs: pick(random, [SECOND, 10 * MINUTE, DAY]),
    jitterMs: maybe(0.5, () => Math.floor(random() * 4 * HOUR)) ?? 0,
    dstGap: pick(random, ["run-after", "skip"]),
    dstFold: pick(random, ["first", "second", "both"]),
    startAt,
    endAt: maybe(0.2, () => (startAt ?? change) + Math.floor(1 + random() * 300) * MINUTE),
    blackouts:
      random() < 0.5
        ? []
        : [{ from: blackout, to: blackout + Math.floor(1 + random() * 120) * MINUTE, note: "" }],
  };
}

/** Two days in steps of seconds to hours. Says what could not be evaluated. */
async function days(life: Life): Promise<string | null> {
  const { random, env, store, until } = life;
  const nodeId = store.nodes.id;
  while (env.now() < until - 1) {
    const step = pick(random, [5 * SECOND, 20 * MINUTE, 20 * MINUTE, 20 * MINUTE, 8 * HOUR]);
    await env.advance(Math.min(until - 1 - env.now(), Math.ceil(random() * step)));
    await store.jobs.promote(LIMIT);
    const { broken } = await store.schedules.fire({ nodeId, limit: 10 });
    if (broken[0]) return broken[0].message;
    if (random() < 0.7) await finishSome(life);
    await interfere(life);
  }
  await store.schedules.resume(life.id);
  await store.schedules.delete(life.id, "proof");
  return null;
}

async function finishSome({ random, env, store }: Life): Promise<void> {
  const jobs = await store.jobs.claim({ bootId: "BT_x", lanes: [{ lane: "test.work", limit: 100 }] });
  for (const job of jobs) if (random() < 0.8) await end(store, env, job, COMPLETED);
  await store.schedules.fire({ nodeId: store.nodes.id, limit: 10 });
}

/** What people do now and then: pause, resume, change the plan. */
async function interfere({ random, env, store, id, terms }: Life): Promise<void> {
  const dice = random();
  const until = random() < 0.3 ? null : env.now() + 1 + Math.floor(random() * 6 * HOUR);
  if (dice < 0.06) await store.schedules.pause(id, { note: "", by: "proof", until });
  else if (dice < 0.12) await store.schedules.resume(id);
  else if (dice < 0.18) {
    const term = { since: env.now(), cron: randomCron(random), policy: randomPolicy(random, env.now()) };
    const { cron, policy } = term;
    await store.schedules.update(id, { spec: { kind: "cron", cron }, policy });
    terms.push(term);
  }
}

async function judged({ env, store, id, span, terms }: Life): Promise<string | null> {
  const { items: rows } = await store.schedules.ledger(id, {}, { limit: LIMIT });
  const { items: jobs } = await store.jobs.list({ scheduleId: id }, { limit: LIMIT });
  const planned = terms.flatMap((term, i) => plannedIn(span, term, terms[i + 1]?.since ?? env.now()));
  const known = new Set(planned);
  const count = rows.reduce((sum, row) => sum + row.count, 0);
  if (count !== planned.length) return `${count} occurrences in the ledger, ${planned.length} on the wall`;
  const stray = rows.find((row) => !known.has(row.occurrence) || !known.has(row.lastOccurrence));
  if (stray) return `${new Date(stray.occurrence).toISOString()} (${stray.outcome}) is no occurrence`;
  if (new Set(rows.map(({ occurrence }) => occurrence)).size !== rows.length) return "one is there twice";
  const open = rows.find(({ outcome }) => outcome === "pending");
  if (open) return "one waits in a schedule that is deleted";
  const made = new Set(jobs.map((job) => job.id));
  const fired = rows.flatMap(({ jobId }) => jobId ?? []);
  if (made.size !== fired.length || fired.some((jobId) => !made.has(jobId))) return "jobs and rows differ";
  return jobs.some(({ createdAt, occurrence }) => createdAt < (occurrence ?? 0)) ? "one ran early" : null;
}

/** The occurrences of one term on the wall, from its beginning to that of the next. */
function plannedIn(span: Walk, { since, cron, policy }: Term, until: number): number[] {
  const from = Math.max(since, (policy.startAt ?? since + 1) - 1);
  const to = Math.min(until, policy.endAt ?? until);
  return firesDuring(span, cron, policy).filter((instant) => instant > from && instant <= to);
}
