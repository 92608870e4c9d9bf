/** What people can do with the storage of plugins: see which keys are in it, read one, delete one. Also of one that was removed. */
import { z } from "zod";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { nearest } from "../base/suggest.ts";
import type { StorageRoom, StoredKey } from "../store/storage.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { shownBytes } from "./payload.ts";
import { storageKey, storageText } from "./storage.ts";

const room = {
  /** Of the plugin. */
  name: z.string(),
  /** Where plugins of several tenants have stored under that name. */
  tenant: z.string().optional(),
};

export const pluginStorageList = operation({
  name: "plugin.storageList",
  summary: "List the keys under which a plugin stores values",
  input: z.strictObject({
    ...room,
    prefix: storageText.optional(),
    ...pageInput,
    cursor: storageText.optional(),
  }),
  async run(context, { name, tenant, prefix = "", ...page }) {
    const of = await resolveRoom(context, { name, tenant });
    const { items, cursor } = await context.store.storage.list(of, prefix, pageRequest(page));
    return { ...of, keys: items.map(viewKey), cursor };
  },
});

export const pluginStorageGet = operation({
  name: "plugin.storageGet",
  summary: "Show what a plugin stores under a key",
  input: z.strictObject({ ...room, key: storageKey }),
  async run(context, { name, tenant, key }) {
    const of = await resolveRoom(context, { name, tenant });
    const found = await context.store.storage.get(of, key);
    if (!found) throw nothing(name, key);
    return { ...of, ...viewKey(found), value: shownBytes(found.value) };
  },
});

export const pluginStorageDelete = operation({
  name: "plugin.storageDelete",
  summary: "Delete what a plugin stores under a key",
  changes: true,
  input: z.strictObject({ ...room, key: storageKey }),
  async run(context, { name, tenant, key }) {
    const of = await resolveRoom(context, { name, tenant });
    if (!(await context.store.storage.delete(of, key))) throw nothing(name, key);
    return { ...of, key };
  },
});

export const pluginStorageOperations = [pluginStorageList, pluginStorageGet, pluginStorageDelete];

/** How a key is shown. */
export type StoredKeyView = ReturnType<typeof viewKey>;

function viewKey({ key, version, size, expiresAt }: StoredKey) {
  return { key, version, size, expiresAt: expiresAt === null ? null : formatInstant(expiresAt) };
}

/** The room of that name; it is there before the plugin stores anything, and after it was removed. */
async function resolveRoom(
  { store, host }: Context,
  { name, tenant }: { name: string; tenant: string | undefined },
): Promise<StorageRoom> {
  const rooms = await store.storage.rooms();
  const known = [...(host?.plugins.statuses() ?? []), ...(await store.plugins.installs())];
  const all = [...rooms, ...known.map((one) => ({ plugin: one.name, tenant: one.tenant, storageKeys: 0 }))];
  const named = all.filter(({ plugin }) => plugin === name);
  if (named.length === 0) {
    const names = all.map(({ plugin }) => plugin);
    const meant = nearest(name, names);
    throw new Fault("not-found", `There is no plugin ${shown(name)}, and nothing that it stored.`, {
      hint: meant === undefined ? "qntx plugin list shows those that are there." : `Did you mean ${meant}?`,
    });
  }
  const tenants = [...new Set(named.map((one) => one.tenant))];
  if (tenant !== undefined) return { plugin: name, tenant };
  const [only, another] = named.filter(({ storageKeys }) => storageKeys > 0).map((one) => one.tenant);
  if (another === undefined) return { plugin: name, tenant: only ?? tenants[0] ?? "" };
  const said = tenants.map((one) => (one === "" ? '"" (none)' : one)).join(", ");
  throw fieldFault("tenant", `is missing: plugins ${name} of several tenants have stored values: ${said}.`);
}

function nothing(name: string, key: string): Fault {
  return new Fault("not-found", `Plugin ${name} stores nothing under ${shown(key)}.`, {
    hint: `qntx plugin storage list ${name} shows its keys.`,
  });
}
