/** What a plugin can do with its storage: values by key, in a room that is its own. People look into it by plugin-storage.ts. */
import { z } from "zod";
import { exceeded } from "../access/quota.ts";
import type { Principal } from "../access/principal.ts";
import { Fault, shown } from "../base/fault.ts";
import {
  STORAGE_KEY_BYTES_MAX,
  STORAGE_TTL_MAX_MS,
  STORAGE_VALUE_BYTES_MAX,
  type StorageRefusal,
} from "../store/storage.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { payloadBytes } from "./payload.ts";

/** Any part of a key. */
export const storageText = z
  .string()
  .refine(
    (key) => Buffer.byteLength(key) <= STORAGE_KEY_BYTES_MAX,
    `has more than ${STORAGE_KEY_BYTES_MAX} bytes.`,
  )
  .refine(
    (key) => key.isWellFormed() && !/\p{Cc}/u.test(key),
    "has control characters, or half of a character.",
  );
export const storageKey = storageText.min(1, "is missing.");
const PLUGIN = "cap:storage.kv";

export const storageGet = operation({
  name: "storage.get",
  summary: "Read what a plugin stored under a key",
  plugin: PLUGIN,
  input: z.strictObject({ key: storageKey }),
  async run(context, input) {
    const found = await context.store.storage.get(roomOf(context), input.key);
    if (!found) throw new Fault("not-found", `Nothing is stored under ${shown(input.key)}.`);
    return found;
  },
});

export const storageSet = operation({
  name: "storage.set",
  summary: "Store a value under a key of a plugin",
  plugin: PLUGIN,
  input: z.strictObject({
    key: storageKey,
    value: z.unknown(),
    /** It is refused unless the key has it; 0: unless the key is not there. */
    version: z.int("must be a whole number.").min(0, "must be at least 0.").optional(),
    ttlMs: z
      .int("must be a whole number.")
      .min(1, "must be at least 1.")
      .max(STORAGE_TTL_MAX_MS, `must be at most ${STORAGE_TTL_MAX_MS}, which is ten years.`)
      .optional(),
  }),
  async run(context, input) {
    const value = payloadBytes(input.value, "value", STORAGE_VALUE_BYTES_MAX);
    const room = roomOf(context);
    const stored = await context.store.storage.set(room, { ...input, value });
    if ("refused" in stored) throw refusal(room, input, stored);
    return stored;
  },
});

export const storageDelete = operation({
  name: "storage.delete",
  summary: "Delete a key of a plugin",
  plugin: PLUGIN,
  input: z.strictObject({ key: storageKey }),
  async run(context, input) {
    return { deleted: await context.store.storage.delete(roomOf(context), input.key) };
  },
});

export const storageList = operation({
  name: "storage.list",
  summary: "List the keys of a plugin that begin so",
  plugin: PLUGIN,
  input: z.strictObject({ prefix: storageText.optional(), ...pageInput, cursor: storageText.optional() }),
  async run(context, { prefix = "", ...page }) {
    const { items, cursor } = await context.store.storage.list(roomOf(context), prefix, pageRequest(page));
    return { keys: items, cursor };
  },
});

export const storageOperations = [storageGet, storageSet, storageDelete, storageList];

type Caller = Principal & { kind: "plugin" };

function roomOf({ principal }: Context): Caller {
  if (principal.kind === "plugin") return principal;
  throw new Fault("usage", "Only plugins have a storage.", {
    hint: "qntx plugin storage list NAME shows what a plugin has stored.",
  });
}

function refusal(
  { plugin }: Caller,
  { key: wanted, version: expected }: { key: string; version?: number | undefined },
  refused: StorageRefusal,
): Fault {
  if (refused.refused === "quota") return exceeded(plugin, refused.exceeded);
  const { version } = refused;
  const is = version === 0 ? "is not there" : `has version ${version}`;
  const not = expected === 0 ? "was to be new" : `was to have version ${expected}`;
  return new Fault("conflict", `${shown(wanted)} ${is}, and ${not}.`, {
    hint: "Get it again, and set it with the version that it has now.",
  });
}
