/**
 * What plugins may do with locks: take one, keep it, give it back. Who keeps them is
 * the host's affair ([locks] provider): the store, or a plugin that several hosts ask.
 * Each caller has keys of its own; nobody meets another's, nor those of schedules.
 */
import { z } from "zod";
import { principalName } from "../access/principal.ts";
import { Fault } from "../base/fault.ts";
import {
  LOCK_HOLDER_CHARS_MAX,
  LOCK_KEY_CHARS_MAX,
  LOCK_TTL_MAX_MS,
  LOCK_TTL_MIN_MS,
  type LockProvider,
} from "../store/locks.ts";
import { type Context, operation } from "./operation.ts";

const TOKEN_CHARS_MAX = 2_048; // Providers may put what they need into it.

const name = (charsMax: number) =>
  z.string().min(1, "is missing.").max(charsMax, `has more than ${charsMax} characters.`);
const token = name(TOKEN_CHARS_MAX);
const ttlMs = z
  .int("must be a whole number.")
  .min(LOCK_TTL_MIN_MS, `must be at least ${LOCK_TTL_MIN_MS}.`)
  .max(LOCK_TTL_MAX_MS, `must be at most ${LOCK_TTL_MAX_MS}, which is a week.`);

export const lockTry = operation({
  name: "lock.try",
  summary: "Take a lock, or hear who has it",
  plugin: "cap:locks.use",
  needsHost: true,
  input: z.strictObject({ key: name(LOCK_KEY_CHARS_MAX), ttlMs, holder: name(LOCK_HOLDER_CHARS_MAX) }),
  run(context, { key, ...wish }) {
    return asked(context, (provider) => provider.tryLock({ ...wish, key: `${ownRoom(context)}/${key}` }));
  },
});

export const lockRenew = operation({
  name: "lock.renew",
  summary: "Keep a lock for another while",
  plugin: "cap:locks.use",
  needsHost: true,
  input: z.strictObject({ token, ttlMs }),
  async run(context, input) {
    return { held: await asked(context, (provider) => provider.renew(input.token, input.ttlMs)) };
  },
});

export const lockRelease = operation({
  name: "lock.release",
  summary: "Give a lock back",
  plugin: "cap:locks.use",
  needsHost: true,
  input: z.strictObject({ token }),
  async run(context, input) {
    return { released: await asked(context, (provider) => provider.release(input.token)) };
  },
});

export const lockOperations = [lockTry, lockRenew, lockRelease];

/** The part of all keys that is the caller's. */
function ownRoom({ principal }: Context): string {
  const tenant = principal.kind === "plugin" ? encodeURIComponent(principal.tenant) : "";
  return `${tenant}/${principalName(principal)}`;
}

/** Asks who keeps the locks. Throws a Fault that names them when they do not answer. */
async function asked<T>({ host }: Context, ask: (provider: LockProvider) => Promise<T>): Promise<T> {
  if (!host) throw new Fault("unreachable", "No host runs, so nobody keeps locks.");
  const { name: who, provider } = host.locks;
  if (who === "none") {
    throw new Fault("config", 'Nobody keeps locks here: [locks] provider is "none".', {
      hint: 'With "store" they hold among the plugins of this host, with a lock provider on several.',
    });
  }
  try {
    return await ask(provider);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "unreachable") throw error;
    throw new Fault("unreachable", `${who} gives no locks: ${error.message}`, { cause: error });
  }
}
