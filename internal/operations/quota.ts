/** Quotas as people see them: how much each plugin may take of the host, and how much it has. They are set in qntx.toml. */
import { z } from "zod";
import { PEOPLE, type QuotaLimit, UNLIMITED } from "../access/quota.ts";
import { assert, Fault, shown } from "../base/fault.ts";
import { nearest } from "../base/suggest.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import { idleSections } from "./idle-sections.ts";
import { type Context, type Host, operation } from "./operation.ts";

export const quotaShow = operation({
  name: "quota.show",
  summary: "Show how much plugins, and people, may take of the host, and how much they have",
  needsHost: true,
  input: z.strictObject({ name: z.string().optional() }),
  async run(context, { name }): Promise<QuotasView> {
    const { host } = context;
    assert(host, "it needs a host");
    const all = host.plugins.statuses();
    const people = await peopleQuota(context, name);
    const plugins =
      name === PEOPLE_WORD && people ? all.filter((one) => one.name === name) : named(all, name);
    const quotas = await Promise.all(plugins.map((plugin) => viewQuota(context, host, plugin)));
    const names = all.map((plugin) => plugin.name);
    return { people, quotas, warnings: idleSections("quota", host.quotas.configured, names) };
  },
});

export interface QuotasView {
  /** Null where they have no limits, and were not asked for. */
  people: Pick<QuotaView, "limits"> | null;
  quotas: QuotaView[];
  warnings: string[];
}

/** Who are meant by that name, unless a plugin has it. */
const PEOPLE_WORD = "people";

/** How the quota of a plugin is shown. */
export interface QuotaView {
  plugin: string;
  tenant: string;
  limits: {
    limit: QuotaLimit;
    /** Durations in milliseconds; null where there is no limit. */
    allows: number | null;
    /** Null where each schedule or job is looked at by itself; 0 for jobs that nobody limits, which are not counted. */
    used: number | null;
    /** `config`, or `usual` for its trust. */
    setBy: "config" | "usual";
  }[];
}

/** What people may have of schedules, all of them together. */
async function peopleQuota(
  { store, principal }: Context,
  name: string | undefined,
): Promise<QuotasView["people"]> {
  const quota = principal.kind === "operator" ? principal.quota : undefined;
  if (name === undefined ? !quota : name !== PEOPLE_WORD) return null;
  const use = await store.schedules.quotaUse(PEOPLE);
  const limits = PEOPLE_LIMITS.map((limit) => {
    const allows = quota?.[limit] ?? UNLIMITED;
    const [setBy, used] = [allows === UNLIMITED ? "usual" : "config", use[limit]] as const;
    return { limit, allows: allows === UNLIMITED ? null : allows, used, setBy };
  });
  return { limits };
}

const PEOPLE_LIMITS = ["schedules", "scheduleWritesPerMinute"] as const;

async function viewQuota(
  { store }: Context,
  { quotas }: Host,
  { name: plugin, tenant, running: jobsAtOnce }: PluginStatus,
): Promise<QuotaView> {
  const schedules = await store.schedules.quotaUse({ plugin, tenant });
  const jobs = await store.jobs.quotaUse({ plugin, tenant });
  const storage = await store.storage.quotaUse({ plugin, tenant });
  const attestations = await store.attestations.quotaUse({ plugin, tenant });
  const use: Partial<Record<QuotaLimit, number>> = {
    ...schedules,
    ...jobs,
    ...storage,
    ...attestations,
    jobsAtOnce,
  };
  const limits = quotas.standings(plugin).map(({ limit, allows, by }) => {
    return { limit, allows: allows === UNLIMITED ? null : allows, used: use[limit] ?? null, setBy: by };
  });
  return { plugin, tenant, limits };
}

function named(plugins: readonly PluginStatus[], name: string | undefined): readonly PluginStatus[] {
  if (name === undefined) return plugins;
  const found = plugins.filter((plugin) => plugin.name === name);
  if (found.length > 0) return found;
  const meant = nearest(
    name,
    plugins.map((plugin) => plugin.name),
  );
  throw new Fault("not-found", `There is no plugin ${shown(name)}.`, {
    hint: meant === undefined ? "qntx plugin list shows them." : `Did you mean ${meant}?`,
  });
}
