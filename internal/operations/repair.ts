/** Repair: what is wrong with schedules that nobody would look after again, and how it is set right. */
import { z } from "zod";
import type { Millis } from "../base/env.ts";
import { formatInstant } from "../base/instant.ts";
import { damageSentence } from "../schedule/damage.ts";
import { type Context, operation } from "./operation.ts";

const OVERDUE_MS: Millis = 60_000; // Tickers look every second.
const SHOWN_MAX = 20; // Who has seen twenty runs the repair.
const PAUSED_READ_MAX = 1_000; // One page.
const REPAIRS_PER_STEP = 100; // One transaction of some milliseconds.
const STEPS_MAX = 1_000; // Beyond a hundred thousand repairs it is another tool that is needed.

/** What doctor says of one thing. */
export interface Check {
  check: string;
  ok: boolean;
  detail: string;
}

/** Whether schedules are looked after. */
export async function scheduleChecks(context: Context): Promise<Check[]> {
  const overdue = await overdueSchedules(context);
  const standing = [
    ...(overdue.length === 0 ? [] : [`overdue: ${overdue.join(", ")}.`]),
    ...(await pausedByHost(context)),
  ];
  const damage = await context.store.ledger.damage(SHOWN_MAX + 1);
  const shown = damage.slice(0, SHOWN_MAX).map(damageSentence);
  const more = damage.length > SHOWN_MAX ? " There is more of it." : "";
  const hint = context.host
    ? "The host repairs it within minutes; at once:"
    : "A host repairs it; without one:";
  return [
    {
      check: "schedules",
      ok: standing.length === 0,
      detail: standing.length === 0 ? "none is overdue" : standing.join(" "),
    },
    {
      check: "ledger",
      ok: damage.length === 0,
      detail:
        damage.length === 0
          ? "every active schedule has its next run, and every open row somebody who closes it"
          : `${shown.join(" ")}${more} ${hint} qntx doctor --repair`,
    },
  ];
}

export const hostRepair = operation({
  name: "host.repair",
  summary: "Set right what nobody would look after again",
  changes: true,
  input: z.strictObject({}),
  async run({ store, host }) {
    const repaired: string[] = [];
    for (let step = 0; step < STEPS_MAX; step++) {
      const batch = await store.ledger.repair(REPAIRS_PER_STEP);
      if (batch.length === 0) break;
      repaired.push(...batch.map(({ sentence }) => sentence));
    }
    if (repaired.length > 0) host?.schedulesChanged();
    return { repaired };
  },
});

/** What a person has paused is as somebody wants it; what paused itself waits for somebody who does not know. */
async function pausedByHost({ store }: Context): Promise<string[]> {
  const { items } = await store.schedules.list({ state: "paused" }, { limit: PAUSED_READ_MAX });
  const own = items.flatMap(({ id, name, pause }) => (pause?.by === "host" ? [{ id, name, pause }] : []));
  return own.slice(0, SHOWN_MAX).map(({ id, name, pause }) => {
    const since = formatInstant(pause.at);
    return `${name || id} is paused since ${since}: ${pause.note}. Once that is mended: qntx schedule resume ${id}.`;
  });
}

/** Without a host, and while the clock is not believed, nobody looks; then it takes a moment. */
async function overdueSchedules({ host, store, env }: Context): Promise<string[]> {
  if ((host?.clock.steadyMs ?? 0) <= OVERDUE_MS) return [];
  const next = await store.schedules.upcoming(SHOWN_MAX);
  return next.flatMap(({ id, nextRunAt, policy }) =>
    nextRunAt !== null && nextRunAt + policy.jitterMs < env.now() - OVERDUE_MS ? [id] : [],
  );
}
