/**
 * Installing: a plugin is handed to this host. Its program is copied into the data
 * folder and pinned by its digest; it is a guest, whose capabilities a person grants,
 * and may belong to a tenant. Beside a stopped host the same is written down, and it
 * starts with the host.
 */
import { rmSync } from "node:fs";
import { z } from "zod";
import { type Capability, parseCapability } from "../access/capability.ts";
import { principalName } from "../access/principal.ts";
import { Fault, fieldFault, shown } from "../base/fault.ts";
import { formatInstant } from "../base/instant.ts";
import { type Install, type InstallEntry, type Program, TENANT_PATTERN } from "../plugin/install.ts";
import { PLUGIN_NAME_PATTERN } from "../plugin/plugin.ts";
import { checkPluginName, nameOfFile } from "../plugins/find.ts";
import { installRoot, programIn } from "../plugins/installed.ts";
import { place } from "../plugins/placing.ts";
import { type Context, operation } from "./operation.ts";
import { pageInput, pageRequest } from "./page-input.ts";
import { type PluginView, viewPlugin } from "./plugin.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { lostSchedules, type Offer, pauseLost, refuseLost } from "./plugin-swap.ts";

const PATH_CHARS_MAX = 4_096; // What file systems take.

const file = z
  .string()
  .min(1, "is empty.")
  .max(PATH_CHARS_MAX, "is too long for a path.")
  .refine((path) => path.startsWith("/"), "must be an absolute path: the host runs in another folder.");

export const pluginInstall = operation({
  name: "plugin.install",
  summary: "Install a plugin from a file, a folder or an archive",
  changes: true,
  input: z.strictObject({
    file,
    name: z.string().optional(),
    tenant: z.string().optional(),
    grant: z.array(z.string()).max(100, "has more than 100 entries.").optional(),
  }),
  async run(context, input) {
    const name = readName(input.name ?? nameOfFile(input.file));
    const tenant = readTenant(input.tenant ?? "");
    const capabilities = (input.grant ?? []).map(parseCapability);
    await refuseTaken(context, name);
    const program = await placed(context, name, input.file);
    const by = principalName(context.principal);
    const install = await context.store.plugins.install({ name, tenant, by, ...program });
    if (!install) throw taken(name); // Made while we looked.
    await grantAll(context, name, capabilities);
    const status = await context.host?.plugins.add(install);
    return { install: viewInstall(install), plugin: viewOf(context, status) };
  },
});

export const pluginUpgrade = operation({
  name: "plugin.upgrade",
  summary: "Put another program in the place of an installed one, without a gap",
  changes: true,
  input: z.strictObject({
    name: z.string(),
    file: file.optional(),
    to: z
      .string()
      .regex(/^[0-9a-f]{4,64}$/, "must be the beginning of a digest, at least four digits of it.")
      .optional(),
    disableMissing: z.boolean().optional(),
  }),
  async run(context, { name, to, disableMissing = false, ...input }) {
    const { host, store } = context;
    const before = await resolveInstall(context, name);
    const program = await programOf(context, name, { to, file: input.file });
    if (program.digest === before.digest) {
      const hint = `If its files were changed, they are now as they were: qntx plugin restart ${name}`;
      throw new Fault("conflict", `Plugin ${name} is that very program already.`, { hint });
    }
    const next = { ...before, ...program };
    const change = to === undefined ? "upgraded" : "rolled-back";
    const by = principalName(context.principal);
    let lost: readonly Schedule[] = [];
    let install: Install | null = null;
    const steps = {
      accept: async (announced: Offer) => {
        lost = await lostSchedules(context, { ...next, ...announced });
        if (!disableMissing) refuseLost(next.name, lost);
      },
      keep: async () => {
        install = await store.plugins.change(name, { program, change, by });
        if (!install) throw noInstall(name); // Removed meanwhile.
        await pauseLost(context, name, lost);
      },
    };
    const isOff = (await store.plugins.disabled()).includes(name);
    const status = isOff || !host ? await steps.keep() : await host.plugins.upgrade(next, steps);
    return { install: viewInstall(install ?? next), plugin: viewOf(context, status ?? undefined) };
  },
});

export const pluginRemove = operation({
  name: "plugin.remove",
  summary: "Remove an installed plugin with all that it registered",
  changes: true,
  input: z.strictObject({
    name: z.string(),
    /** What it stored goes, too; otherwise it is there for who takes its name and tenant. */
    deleteStorage: z.boolean().optional(),
  }),
  async run(context, { name, deleteStorage = false }) {
    const { host, store } = context;
    const { tenant } = await resolveInstall(context, name);
    const isStarted = host?.plugins.isInstalled(name) ?? true; // Otherwise the configuration has a plugin of that name.
    await host?.plugins.remove(name);
    const by = principalName(context.principal);
    const schedules = isStarted ? await deleteSchedules(context, { name, tenant, by }) : 0;
    if (isStarted) await store.watchers.declare(name, []);
    if (isStarted) await store.plugins.provide(name, []);
    if (isStarted) await store.grants.forget(name);
    if (isStarted) host?.grants.forget(name);
    await store.plugins.remove(name, by);
    rmSync(installRoot(context.home, name), { recursive: true, force: true });
    const room = { plugin: name, tenant };
    if (deleteStorage && isStarted) await store.storage.clear(room);
    const { storageKeys: storedKeys } = await store.storage.quotaUse(room);
    return { name, tenant, schedules, storedKeys };
  },
});

const switchOf = (verb: "enable" | "disable", summary: string) =>
  operation({
    name: `plugin.${verb}`,
    summary,
    changes: true,
    input: z.strictObject({ name: z.string() }),
    async run(context, { name }) {
      const { host, store } = context;
      const known = host?.plugins.statuses().map((plugin) => plugin.name) ?? [];
      if (host ? !known.includes(name) : !PLUGIN_NAME_PATTERN.test(name)) throw noPlugin(name);
      const enabled = verb === "enable";
      const status = await host?.plugins.enable(name, enabled); // First: it may refuse.
      const changed = await store.plugins.enable(name, enabled, principalName(context.principal));
      if (!enabled) await store.watchers.declare(name, []); // It declares them when it starts again.
      return { name, enabled, changed, plugin: viewOf(context, status) };
    },
  });

export const pluginEnable = switchOf("enable", "Switch a plugin on again, for good");
export const pluginDisable = switchOf("disable", "Switch a plugin off, for good");

export const pluginHistory = operation({
  name: "plugin.history",
  summary: "Show what became of an installed plugin",
  input: z.strictObject({ name: z.string(), ...pageInput }),
  async run({ store }, { name, ...page }) {
    const { items, cursor } = await store.plugins.history(name, pageRequest(page));
    if (items.length === 0 && page.cursor === undefined) throw noInstall(name);
    return { entries: items.map(viewEntry), cursor };
  },
});

export const pluginInstallOperations = [
  pluginInstall,
  pluginUpgrade,
  pluginRemove,
  pluginEnable,
  pluginDisable,
  pluginHistory,
];

/** How an install is shown. */
export interface InstallView extends Omit<Install, "at"> {
  at: string;
}

function viewInstall(install: Install): InstallView {
  return { ...install, at: formatInstant(install.at) };
}

function viewEntry(entry: InstallEntry): Omit<InstallEntry, "at"> & { at: string } {
  return { ...entry, at: formatInstant(entry.at) };
}

/** Null beside a stopped host. */
function viewOf({ host }: Context, status: Parameters<typeof viewPlugin>[1] | undefined): PluginView | null {
  return host && status ? viewPlugin(host, status) : null;
}

function readName(name: string): string {
  try {
    checkPluginName(name);
    return name;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw fieldFault("name", error.message, error.hint ?? "Give it another one with name.");
  }
}

function readTenant(tenant: string): string {
  if (tenant === "" || TENANT_PATTERN.test(tenant)) return tenant;
  const hint = "Use lower-case letters, digits and dashes, at most 63, with no dash in front.";
  throw fieldFault("tenant", `${shown(tenant)} cannot be a tenant's name.`, hint);
}

async function refuseTaken({ host, store }: Context, name: string): Promise<void> {
  const running = host?.plugins.statuses().some((plugin) => plugin.name === name);
  const installed = (await store.plugins.installs()).some((install) => install.name === name);
  if (running || installed) throw taken(name);
}

function taken(name: string): Fault {
  return new Fault("conflict", `There is a plugin ${shown(name)} already.`, {
    hint: `Give this one another name with --name, or put it in the other's place: qntx plugin upgrade ${name} --file FILE`,
  });
}

async function placed({ env, home }: Context, name: string, from: string): Promise<Program> {
  const root = installRoot(home, name);
  const { digest, folder } = await place(env, from, root);
  try {
    return { digest, ...programIn(folder), file: from };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What is to run: a file that is handed in, or one that was there before. */
async function programOf(
  context: Context,
  name: string,
  { to, file: from }: { to: string | undefined; file: string | undefined },
): Promise<Program> {
  const hint = "Give a file, or as to the digest of a version that was there before.";
  if (to !== undefined && from !== undefined)
    throw fieldFault("to", "cannot be given together with file.", hint);
  if (to === undefined && from === undefined) throw fieldFault("file", "is missing.", hint);
  if (from !== undefined) return placed(context, name, from);
  const { items } = await context.store.plugins.history(name, { limit: 1_000 });
  const found = new Map(items.map((entry) => [entry.digest, entry]))
    .values()
    .filter(({ digest }) => digest.startsWith(to ?? ""));
  const [one, another] = [...found];
  const others = `qntx plugin history ${name} shows them.`;
  if (!one) throw fieldFault("to", `No version of plugin ${name} begins with ${shown(to)}.`, others);
  if (another) throw fieldFault("to", `Several versions of plugin ${name} begin with ${shown(to)}.`, others);
  const { digest, kind, entry, file: was } = one;
  return { digest, kind, entry, file: was };
}

async function grantAll(
  context: Context,
  plugin: string,
  capabilities: readonly Capability[],
): Promise<void> {
  const by = principalName(context.principal);
  for (const capability of capabilities) {
    const said = await context.store.grants.say({ plugin, capability, granted: true, by });
    context.host?.grants.say(said);
  }
}

const SCHEDULES_PER_STEP = 100;

/** Deletes what the plugin scheduled. Returns how many that were. */
async function deleteSchedules(
  { store, host }: Context,
  { name, tenant, by }: { name: string; tenant: string; by: string },
): Promise<number> {
  const owner = { kind: "plugin", name } as const;
  let deleted = 0;
  for (;;) {
    const { items } = await store.schedules.list({ owner, tenant }, { limit: SCHEDULES_PER_STEP });
    for (const { id } of items) await store.schedules.delete(id, by);
    deleted += items.length;
    if (items.length < SCHEDULES_PER_STEP) break;
  }
  if (deleted > 0) host?.schedulesChanged();
  return deleted;
}

async function resolveInstall({ store, host }: Context, name: string): Promise<Install> {
  const found = (await store.plugins.installs()).find((install) => install.name === name);
  if (found) return found;
  if (!host?.plugins.statuses().some((plugin) => plugin.name === name)) throw noPlugin(name);
  throw new Fault(
    "conflict",
    `Plugin ${name} was not installed: the configuration enables it, or it is in the binary.`,
    {
      hint: `Change its file and then: qntx plugin restart ${name}. To switch it off: qntx plugin disable ${name}`,
    },
  );
}

function noInstall(name: string): Fault {
  return new Fault("not-found", `No plugin ${shown(name)} was ever installed.`, {
    hint: "qntx plugin list shows what there is.",
  });
}

function noPlugin(name: string): Fault {
  return new Fault("not-found", `There is no plugin ${shown(name)}.`, {
    hint: "qntx plugin list shows them.",
  });
}
