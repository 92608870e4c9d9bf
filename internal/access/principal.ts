/**
 * Principal: who is asking. It comes from the connection or the token, never
 * from a name in the request, and it decides what is theirs.
 */
import type { Capability } from "./capability.ts";
import type { Quota, ScheduleQuota } from "./quota.ts";

export type Principal =
  /** The person at this machine: a CLI on the data folder or its socket, or the operator's token. */
  | {
      kind: "operator";
      name: string;
      /** What people may have and change of schedules; absent: any number. */
      quota?: ScheduleQuota;
    }
  /** One process of one plugin. */
  | {
      kind: "plugin";
      plugin: string;
      tenant: string;
      capabilities: ReadonlySet<Capability>;
      quota: Quota;
      /** Its own HTTP routes, which its other version may not have; absent: none. */
      endpoints?: readonly PluginEndpoint[];
      /** Which program this process runs; absent: nobody has looked. */
      program?: RunningProgram;
    }
  /** The host itself: declared schedules, file schedules, repairs. */
  | { kind: "host" };

/** What a process was started from. */
export interface RunningProgram {
  /** As it says itself. */
  version: string;
  /** That of the install or the pin, else the first digits of its file's; null where it runs elsewhere. */
  digest: string | null;
}

/** One of a plugin's HTTP routes. */
export interface PluginEndpoint {
  method: string;
  /** Below `/api/<plugin>`. */
  path: string;
  /** What answers it, for people. */
  handler: string;
  description: string;
  /** True when a schedule may call it. */
  schedulable: boolean;
}

/** Whose things a principal may see: those of its tenant, or of all. */
export function tenantSeen(principal: Principal): string | undefined {
  return principal.kind === "plugin" ? principal.tenant : undefined;
}

/** What an operation is done in the name of, for audit rows and `source` fields. */
export function principalName(principal: Principal): string {
  if (principal.kind === "host") return "host";
  return principal.kind === "plugin" ? `plugin:${principal.plugin}` : `operator:${principal.name}`;
}
