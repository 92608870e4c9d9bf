/**
 * Verify: recomputes every occurrence that was ever planned from the definitions
 * that were in force, and compares with the fire ledger.
 *
 * What waits beyond its time is judged only while a host runs whose clock is believed,
 * and only if it still waits when we look again.
 */
import { z } from "zod";
import { type Millis, sleep } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Finding } from "../schedule/verify.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { resolveSchedule } from "./reference.ts";
import { breather, type LedgerVerdict, OVERDUE_MS, verifyLedger } from "./verify-ledger.ts";

const SCHEDULES_DEFAULT = 200; // One call of --all: a part of a second, unless their ledgers are long.
const LOOK_AGAIN_MS: Millis = 3_000; // Three naps of the ticker.
const WRONG_MAX = 100; // Who has seen a hundred schedules knows that it is not the schedules.

export const scheduleVerify = operation({
  name: "schedule.verify",
  summary: "Compare the ledger with everything that was planned",
  plugin: "cap:scheduler.manage",
  input: z.strictObject({
    /** Absent: all of them, deleted ones too, in pages. */
    id: z.string().optional(),
    ...pageInput,
  }),
  async run(context, { id, ...page }) {
    const { items, cursor } =
      id === undefined
        ? await context.store.schedules.list(
            { deleted: true, ...onlyOwn(context) },
            { limit: SCHEDULES_DEFAULT, ...pageRequest(page) },
          )
        : { items: [await resolveSchedule(context, id)], cursor: null };
    return { ...(await verifyAll(context, items)), cursor };
  },
});

async function verifyAll(context: Context, schedules: readonly Schedule[]) {
  const { env, store } = context;
  const breathe = breather(env);
  const verdicts: { schedule: Schedule; verdict: LedgerVerdict }[] = [];
  for (const schedule of schedules) {
    const verdict = await verifyLedger(store, schedule, { now: env.now(), breathe });
    await breathe();
    verdicts.push({ schedule, verdict });
  }
  await keepOverdue(context, verdicts);
  const sum = (of: (verdict: LedgerVerdict) => number) =>
    verdicts.reduce((total, { verdict }) => total + of(verdict), 0);
  const wrong = verdicts.filter(({ verdict }) => isWrong(verdict));
  return {
    ok: wrong.length === 0,
    dup: sum(({ dup }) => dup),
    gap: sum(({ gap }) => gap),
    overdue: sum(({ overdue }) => overdue.length),
    unjudged: sum(({ unjudged }) => unjudged),
    schedules: schedules.length,
    occurrences: sum(({ planned }) => planned),
    wrong: wrong.slice(0, WRONG_MAX).map(({ schedule, verdict }) => viewVerdict(schedule, verdict)),
  };
}

/** What seems to be overdue is so if somebody could have come by, and it is still there when we look again. */
async function keepOverdue(
  { env, host, store }: Context,
  verdicts: readonly { schedule: Schedule; verdict: LedgerVerdict }[],
): Promise<void> {
  const suspects = verdicts.filter(({ verdict }) => verdict.overdue.length > 0);
  if (suspects.length === 0) return;
  const attended = (host?.clock.steadyMs ?? 0) > OVERDUE_MS;
  if (attended) await sleep(env, LOOK_AGAIN_MS);
  const breathe = breather(env);
  for (const { schedule, verdict } of suspects) {
    const again = attended ? await verifyLedger(store, schedule, { now: env.now(), breathe }) : null;
    verdict.overdue = verdict.overdue.filter((entry) => again?.overdue.includes(entry));
  }
}

function isWrong({ dup, gap, overdue, broken }: LedgerVerdict): boolean {
  return dup > 0 || gap > 0 || overdue.length > 0 || broken !== null;
}

/** Shows what is wrong with one ledger, in words, and what to do. */
function viewVerdict({ id, name }: Schedule, { dup, gap, overdue, findings, broken }: LedgerVerdict) {
  const advice = [
    gap > 0 ? `Nothing says what became of what is missing; qntx schedule backfill ${id} can run it.` : "",
    dup > 0 ? `Look whether anything ran twice: qntx job list --schedule ${id}` : "",
    overdue.length > 0 ? "Let the host look after it: qntx doctor" : "",
    broken === null ? "" : `What was planned cannot be said: ${broken}`,
  ];
  return {
    id,
    name,
    dup,
    gap,
    overdue: overdue.length,
    findings: findings.map(viewFinding),
    advice: advice.filter((sentence) => sentence !== ""),
  };
}

const KINDS: Record<Finding["kind"], string> = {
  missing: "planned, but not in the ledger",
  twice: "in the ledger twice",
  unplanned: "in the ledger, but not planned",
};

function viewFinding({ kind, at, count, node }: Finding & { node: string }) {
  const others = count > 1 ? `, and ${count - 1} more behind it` : "";
  const instant = formatInstant(at);
  return { kind, instant, count, node, sentence: `${instant} is ${KINDS[kind]}${others}.` };
}

/** A plugin sees its own. */
function onlyOwn({ principal }: Context) {
  if (principal.kind !== "plugin") return {};
  return { owner: { kind: "plugin" as const, name: principal.plugin }, tenant: principal.tenant };
}
