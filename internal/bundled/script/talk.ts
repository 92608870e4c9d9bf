/**
 * Talk: what the plugin and the process of a job say to each other. It is the
 * protocol of the job stream in small (one job, one process), plus what a
 * handler asks of the host, which only the plugin can reach.
 */
import type { HostMessage, JobStart, PluginMessage } from "../../../sdk/typescript/messages.ts";

/** To the process. */
export type ToScript =
  | { kind: "begin"; file: string; argv: string[]; config: Record<string, string>; start: JobStart }
  | { kind: "host"; message: HostMessage }
  | { kind: "answer"; id: number; value: unknown }
  | { kind: "refusal"; id: number; refusal: Refusal }
  /** Everything was heard; the process may end. */
  | { kind: "bye" };

/** To the plugin. */
export type ToPlugin =
  | { kind: "said"; message: PluginMessage }
  | { kind: "ask"; id: number; service: string; method: string; args: unknown[] };

/** An error of the host, in plain data. */
export interface Refusal {
  code: string;
  message: string;
  hint: string;
  fields: { field: string; message: string }[];
  retryAfterMs: number;
}

/** What a handler in a process of its own may ask of the host. */
export const ASKABLE = {
  scheduler: ["create", "upsert", "get", "list", "update", "pause", "resume", "delete"],
  queue: ["enqueue", "enqueueMany"],
  locks: ["tryLock", "renew", "release"],
  secrets: ["get"],
  http: ["fetch"],
  storage: ["get", "set", "delete", "list"],
  host: ["context"],
  ats: ["create", "createMany", "query", "exists"],
  log: ["debug", "info", "warn", "error"],
} as const;
