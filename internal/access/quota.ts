/**
 * Quota: how much of this host one plugin may take. It belongs to an install, which is
 * one plugin of one tenant, and has an amount for every limit in the table: what the
 * configuration says, or else what is usual for its trust. People have limits of their
 * own, all of them together, where the configuration says so.
 *
 * A limit that is reached is a Fault of code exhausted. It says which, how much there
 * is and what to do, and carries the same for programs.
 */
import { formatDuration } from "../base/duration.ts";
import type { Millis } from "../base/env.ts";
import { Fault, type FieldFault } from "../base/fault.ts";
import type { Trust } from "./capability.ts";

/** Of a limit that there is none. */
export const UNLIMITED = Number.POSITIVE_INFINITY;

interface Meaning {
  /** What is limited, for people. */
  readonly of: string;
  readonly unit: "count" | "bytes" | "duration";
  readonly guest: number;
  readonly trusted: number;
  /** What the configuration may say, at most. */
  readonly max: number;
}

const DAY: Millis = 86_400_000;

/** All of them. */
export const QUOTA_LIMITS = {
  schedules: {
    of: "schedules of its own that are not deleted",
    unit: "count",
    guest: 50,
    trusted: 10_000, // A poller has thousands; more belong into the data of one.
    max: 1_000_000,
  },
  scheduleInterval: {
    of: "shortest time between two occurrences of one of its schedules",
    unit: "duration",
    guest: 300_000,
    trusted: 1_000, // What is shorter is a loop, for everybody.
    max: DAY,
  },
  scheduleWritesPerMinute: {
    of: "changes of its schedules within any minute",
    unit: "count",
    guest: 10,
    trusted: 600,
    max: 100_000,
  },
  schedulePayloadBytes: {
    of: "bytes that one of its schedules carries",
    unit: "bytes",
    guest: 100_000,
    trusted: 100_000,
    max: 100_000, // Every run copies them.
  },
  queueDepth: {
    of: "jobs that it has enqueued and that have not ended",
    unit: "count",
    guest: 10_000,
    trusted: UNLIMITED,
    max: 1_000_000, // They are counted at each of its calls, a million in some twenty milliseconds.
  },
  jobsPerSecond: {
    of: "jobs that it enqueues a second, over ten seconds",
    unit: "count",
    guest: 100,
    trusted: UNLIMITED,
    max: 100_000,
  },
  jobsAtOnce: {
    of: "jobs that it runs at once on one host, whatever it says of itself",
    unit: "count",
    guest: 100, // A tenth of those that a host runs (pulse.workers).
    trusted: UNLIMITED,
    max: 10_000,
  },
  jobLogBytes: {
    of: "bytes that one of its jobs may say; what comes after is one marker",
    unit: "bytes",
    guest: 1_048_576,
    trusted: 8_388_608,
    max: 8_388_608,
  },
  storageKeys: {
    of: "keys under which it stores values",
    unit: "count",
    guest: 1_000,
    trusted: 100_000,
    max: 1_000_000,
  },
  storageBytes: {
    of: "bytes that it stores, keys and values together",
    unit: "bytes",
    guest: 10_485_760,
    trusted: 1_073_741_824,
    max: 10_737_418_240, // They lie in the database of the jobs, and are in every copy of it.
  },
  attestations: {
    of: "attestations that it has written",
    unit: "count",
    guest: 100_000, // One every five minutes for a year: nothing removes them.
    trusted: UNLIMITED,
    max: 1_000_000_000,
  },
  attestationBytes: {
    of: "bytes of what those say",
    unit: "bytes",
    guest: 104_857_600,
    trusted: UNLIMITED,
    max: 1_099_511_627_776,
  },
} as const satisfies Record<string, Meaning>;

export type QuotaLimit = keyof typeof QUOTA_LIMITS;

/** How much each limit allows; durations in milliseconds. */
export type Quota = Readonly<Record<QuotaLimit, number>>;

/** Who is measured, and by what. */
export interface Metered {
  plugin: string;
  tenant: string;
  quota: Quota;
}

/** What is limited of schedules where they are changed. */
export type ScheduleQuota = Pick<Quota, "schedules" | "scheduleWritesPerMinute">;

/** In place of an install: all people together. No plugin has an empty name. */
export const PEOPLE = { plugin: "", tenant: "" } as const;

/** All names, as documents list them. */
export const QUOTA_LIMIT_NAMES = Object.keys(QUOTA_LIMITS).filter(isQuotaLimit);

/** True for a word that is a limit. */
export function isQuotaLimit(word: string): word is QuotaLimit {
  return Object.hasOwn(QUOTA_LIMITS, word);
}

/** What a plugin may take because of its trust. */
export function usualQuota(trust: Trust): Quota {
  const amounts = QUOTA_LIMIT_NAMES.map((limit) => [limit, QUOTA_LIMITS[limit][trust]] as const);
  return Object.fromEntries(amounts) as Quota;
}

/** An amount as people write it. */
export function formatAmount(limit: QuotaLimit, amount: number): string {
  if (amount === UNLIMITED) return "any";
  return QUOTA_LIMITS[limit].unit === "duration" ? formatDuration(amount) : String(amount);
}

/** A limit that stands in the way. */
export interface Exceeded {
  limit: Refusing;
  allows: number;
  /** How much there is, or was asked for. */
  used: number;
  /** When waiting helps. */
  retryAfterMs?: number | undefined;
  /** The field whose value is refused. */
  field?: string | undefined;
}

/** The refusal of what a limit does not allow. */
export function exceeded(plugin: string, { limit, allows, used, retryAfterMs, field }: Exceeded): Fault {
  const has = used > allows ? "would have" : "has";
  const amounts = { allows: formatAmount(limit, allows), used: formatAmount(limit, used), has };
  const { said, helps } = SENTENCES[limit](amounts);
  const message = `Plugin ${plugin} ${said}`;
  const wait = retryAfterMs === undefined ? "" : `Try again in ${formatSeconds(retryAfterMs)}. `;
  const fields: FieldFault[] = field === undefined ? [] : [{ field, message }];
  return new Fault("exhausted", field === undefined ? message : `${field}: ${message}`, {
    hint: `${wait}${helps} The limit is ${limit} under [quota.${plugin}] in qntx.toml.`,
    fields,
    retryAfterMs,
    limit: { name: limit, allows, used },
  });
}

/** Limits that refuse what a plugin asks for; the others bound what it gets. */
type Refusing = Exclude<QuotaLimit, "jobsAtOnce" | "jobLogBytes">;

type Sentence = (amounts: { allows: string; used: string; has: string }) => { said: string; helps: string };

const SENTENCES: Record<Refusing, Sentence> = {
  schedules: ({ allows, used, has }) => ({
    said: `${has} ${used} schedules and may have ${allows}.`,
    helps: "Delete one that is not needed.",
  }),
  scheduleInterval: ({ allows, used }) => ({
    said: `may not schedule more often than every ${allows}; two occurrences of this would be ${used} apart.`,
    helps: "Write a longer interval.",
  }),
  scheduleWritesPerMinute: ({ allows, used }) => ({
    said: `has changed schedules ${used} times within a minute and may do so ${allows} times.`,
    helps: "Change fewer of them.",
  }),
  queueDepth: ({ allows, used, has }) => ({
    said: `${has} ${used} jobs that have not ended and may have ${allows}.`,
    helps: "Wait until some have ended, or cancel them.",
  }),
  jobsPerSecond: ({ allows, used }) => ({
    said: `enqueues ${used} jobs a second and may enqueue ${allows}, over ten seconds.`,
    helps: "Enqueue fewer of them.",
  }),
  storageKeys: ({ allows, used, has }) => ({
    said: `${has} ${used} stored keys and may have ${allows}.`,
    helps: "Delete some that are not needed.",
  }),
  storageBytes: ({ allows, used }) => ({
    said: `would have ${used} bytes stored and may have ${allows}.`,
    helps: "Delete what is not needed, or store less.",
  }),
  attestations: ({ allows, used }) => ({
    said: `would have written ${used} attestations and may write ${allows}.`,
    helps: "Write fewer: they stay.",
  }),
  attestationBytes: ({ allows, used }) => ({
    said: `would have written ${used} bytes of attestations and may write ${allows}.`,
    helps: "Write less, or a reference to the data: they stay.",
  }),
  schedulePayloadBytes: ({ allows, used }) => ({
    said: `gives a schedule ${used} bytes and may give it ${allows}.`,
    helps: "Send a reference to the data instead.",
  }),
};

/** The same for people, who have two limits. */
export function exceededByPeople({ limit, allows, used, retryAfterMs }: Exceeded): Fault {
  const isCount = limit === "schedules";
  const message = isCount
    ? `People ${used > allows ? "would have" : "have"} ${used} schedules and may have ${allows}.`
    : `People have changed schedules ${used} times within a minute and may do so ${allows} times.`;
  const wait = retryAfterMs === undefined ? "" : `Try again in ${formatSeconds(retryAfterMs)}.`;
  const helps = isCount ? "Delete one that is not needed." : wait;
  const key = isCount ? "schedules" : "schedule_writes_per_minute";
  return new Fault("exhausted", message, {
    hint: `${helps} The limit is ${key} under [people] in qntx.toml.`,
    retryAfterMs,
    limit: { name: limit, allows, used },
  });
}

/** Rounded up: whoever waits that long has waited long enough. */
function formatSeconds(ms: Millis): string {
  return formatDuration(Math.ceil(ms / 1_000) * 1_000);
}
