/** What can be asked of the host as a whole. */
import { z } from "zod";
import { formatDuration } from "../base/duration.ts";
import { formatInstant } from "../base/instant.ts";
import { missedObjectives, missedSentence } from "./objective-view.ts";
import { type Context, type Host, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { hintOf, withHint } from "./plugin.ts";
import { type Check, hostRepair, scheduleChecks } from "./repair.ts";
import { laneWaits, readWaits } from "./waits.ts";

const PAUSED_SHOWN_MAX = 10; // On one screen, beside how many there are.

export const hostStatus = operation({
  name: "host.status",
  summary: "Show what runs, waits and comes next",
  input: z.strictObject({}),
  async run(context) {
    const { store, host, home } = context;
    const [jobs, schedules, lanes, waits, upcoming, paused, recent, missed] = await Promise.all([
      store.jobs.counts(),
      store.schedules.counts(),
      store.jobs.queuedLanes(),
      readWaits(context),
      store.schedules.upcoming(10),
      store.schedules.list({ state: "paused" }, { limit: PAUSED_SHOWN_MAX }),
      store.jobs.list({}, { limit: 10 }),
      missedObjectives(context),
    ]);
    return {
      running: host !== null,
      ready: host?.ready ?? false,
      version: host?.version ?? null,
      address: host?.address ?? null,
      startedAt: host ? formatInstant(host.startedAt) : null,
      loop: host?.loop ?? null,
      clock: host && clockTrouble(host),
      home,
      jobs,
      schedules,
      queued: lanes.map((queued) => ({
        handler: queued.lane,
        count: queued.count,
        waiting: waits.queued(queued),
      })),
      plugins: host?.plugins.statuses().map(({ name, state, reason }) => ({ name, state, reason })) ?? [],
      missedObjectives: missed,
      next: upcoming.map(({ id, name, nextRunAt }) => ({
        id,
        name,
        nextRunAt: formatInstant(nextRunAt ?? 0),
      })),
      paused: paused.items.map(({ id, name, pause }) => ({
        id,
        name,
        since: pause && formatInstant(pause.at),
        until: pause && pause.until !== null ? formatInstant(pause.until) : null,
        by: pause?.by ?? "",
        note: pause?.note ?? "",
      })),
      recent: recent.items.map(({ id, handler, state, createdAt, finishedAt }) => ({
        id,
        handler,
        state,
        createdAt: formatInstant(createdAt),
        finishedAt: finishedAt === null ? null : formatInstant(finishedAt),
      })),
    };
  },
});

export const hostDoctor = operation({
  name: "host.doctor",
  summary: "Look for what is wrong, and say what to do about it",
  input: z.strictObject({}),
  async run(context) {
    const checks = [...(await storeChecks(context)), ...hostChecks(context)];
    return { ok: checks.every(({ ok }) => ok), checks };
  },
});

export const clockConfirm = operation({
  name: "host.confirmClock",
  summary: "Say that the clock is right, although it jumped",
  needsHost: true,
  changes: true,
  input: z.strictObject({}),
  async run({ host }) {
    const { reason } = host?.clock.suspicion ?? { reason: null };
    host?.clock.confirm();
    host?.schedulesChanged();
    return { confirmed: reason !== null, reason };
  },
});

export const auditList = operation({
  name: "audit.list",
  summary: "List who did what, newest first",
  input: z.strictObject({ ...pageInput }),
  async run({ store }, page) {
    const { items, cursor } = await store.audit.list(pageRequest(page));
    return { entries: items.map((entry) => ({ ...entry, at: formatInstant(entry.at) })), cursor };
  },
});

export const hostOperations = [hostStatus, hostDoctor, hostRepair, clockConfirm, auditList];

async function storeChecks(context: Context): Promise<Check[]> {
  const { store } = context;
  const lanes = await store.jobs.queuedLanes();
  // A pause or a limit is somebody's will, and nothing that is wrong.
  const stuck = context.host ? lanes.filter(({ lane }) => laneWaits(context.host, lane) !== null) : [];
  const missed = await missedObjectives(context);
  const webhook = await store.webhooks.waiting();
  return [
    { check: "database", ok: true, detail: "opened, checked and at today's schema" },
    {
      check: "jobs",
      ok: stuck.length === 0,
      detail:
        stuck.length === 0
          ? "none waits for a handler that nobody offers"
          : stuck
              .map(({ lane, count }) => `${count} of ${lane} wait: ${laneWaits(context.host, lane)}`)
              .join("; "),
    },
    ...(await scheduleChecks(context)),
    {
      check: "objectives",
      ok: missed.length === 0,
      detail:
        missed.length === 0
          ? "none is missed"
          : missed.map((one) => `${one.name || one.scheduleId}: ${missedSentence(one)}`).join("; "),
    },
    {
      check: "webhook",
      ok: webhook.reason === "",
      detail:
        webhook.reason === ""
          ? "no event waits that could not be sent"
          : `${webhook.count === 1 ? "1 event waits" : `${webhook.count} events wait`}; the last try failed: ${webhook.reason}`,
    },
  ];
}

function hostChecks({ host }: Context): Check[] {
  if (!host) return [{ check: "host", ok: true, detail: "not running; start it with: qntx serve" }];
  const plugins = host.plugins.statuses().map((plugin) => ({
    check: `plugin ${plugin.name}`,
    ok: plugin.state === "ready" || plugin.state === "stopped" || plugin.state === "disabled",
    detail: withHint(
      plugin.reason === "" ? plugin.state : `${plugin.state}: ${plugin.reason}`,
      hintOf(plugin),
    ),
  }));
  return [
    { check: "host", ok: host.ready, detail: host.ready ? `ready at ${host.address}` : "still starting" },
    clockCheck(host),
    ...lockCheck(host),
    ...plugins,
  ];
}

function clockCheck(host: Host): Check {
  return { check: "clock", ok: !host.clock.suspicion, detail: clockTrouble(host) ?? "believed" };
}

/** Nothing to say where the store keeps the locks: then nobody else has to answer. */
function lockCheck({ locks: { name, trouble } }: Host): Check[] {
  if (name === "store") return [];
  const detail =
    trouble === null ? `given by ${name}` : `schedules that need one wait; ${name} says: ${trouble}`;
  return [{ check: "locks", ok: trouble === null, detail }];
}

/** What people must know of the clock; null when there is nothing. */
function clockTrouble({ clock: { suspicion, behind } }: Host): string | null {
  if (suspicion) {
    const left = formatDuration(Math.ceil(suspicion.leftMs / 1_000) * 1_000);
    return `${suspicion.reason}. Schedules wait until it has gone steadily for another ${left}; if it is right: qntx doctor --confirm-clock`;
  }
  return behind === null ? null : `it was set back; schedules go on after ${formatInstant(behind)}`;
}
