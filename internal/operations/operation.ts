/**
 * Operation: one thing that can be done, defined once. Its name, who may do it,
 * what goes in, and a function of (context, input). The command line, the HTTP
 * API, the gRPC services and the panel are thin faces of these.
 */
import type { z } from "zod";
import type { Capability } from "../access/capability.ts";
import type { Grants } from "../access/grants.ts";
import type { Quotas } from "../access/quotas.ts";
import type { PluginEndpoint, Principal } from "../access/principal.ts";
import type { Attestation } from "../ats/attestation.ts";
import type { Env, Millis } from "../base/env.ts";
import type { Log } from "../base/log.ts";
import type { Fetcher } from "../fetch/fetcher.ts";
import type { ConfigField } from "../plugin/config-field.ts";
import type { Glyph } from "../plugin/glyph.ts";
import type { Install } from "../plugin/install.ts";
import type { PluginStatus } from "../plugin/plugin.ts";
import type { LockProvider } from "../store/locks.ts";
import type { Store } from "../store/store.ts";

/** What a running host adds to the store: things that are alive. */
export interface Host {
  readonly version: string;
  readonly startedAt: number;
  readonly address: string;
  /** True once handlers are registered and work is taken. */
  readonly ready: boolean;
  /** Work was enqueued: for now in these lanes, or for later. */
  jobsAdded(lanes: Iterable<string>): void;
  jobsDelayed(): void;
  schedulesChanged(): void;
  /** Asks a job that runs here to end. */
  cancelJob(id: string): boolean;
  /** Statements were made: whoever watches is told. */
  attested(attestations: readonly Attestation[]): void;
  readonly plugins: PluginControl;
  /** Reads the configuration again. Throws a Fault, and then nothing has changed. */
  reload(): Promise<ConfigReloaded>;
  /** Whether the wall clock is believed. */
  readonly clock: ClockControl;
  /** For how long nobody was answered lately, because something held the event loop. */
  readonly loop: { p99Ms: Millis; worstMs: Millis };
  /** What plugins may do. */
  readonly grants: Pick<Grants, "of" | "standings" | "say" | "forget">;
  /** How much of this host they may take. */
  readonly quotas: Pick<Quotas, "standings" | "configured">;
  /** Who keeps locks. */
  readonly locks: LockControl;
  /** Secrets, for the plugins that have them. */
  readonly secrets: SecretControl;
  /** The web, for plugins. */
  readonly web: Pick<Fetcher, "fetch">;
}

/** What came of reading the configuration again. */
export interface ConfigReloaded {
  file: string | null;
  /** Plugins that have other values now. */
  restarted: PluginStatus[];
  /** Plugins that are enabled now, and those that no longer are. */
  added: PluginStatus[];
  removed: string[];
  /** Plugins that may take more or less of the host from now on. */
  quotas: string[];
  /** Keys whose new values count from the next start on. */
  later: string[];
  /** Of sections for plugins that are not there. */
  warnings: string[];
}

export interface SecretControl {
  /** What a plugin's secret is now; null when it has none of that name. Throws a Fault when it cannot be fetched. */
  get(whose: { plugin: string; tenant: string }, name: string): Promise<string | null>;
}

export interface LockControl {
  /** A plugin's name, "store" or "none". */
  readonly name: string;
  readonly provider: LockProvider;
  /** Why schedules wait for it; null when they do not. */
  readonly trouble: string | null;
}

export interface ClockControl {
  /** Why it is not believed, and how long it must still go steadily; null when it is. */
  readonly suspicion: { reason: string; leftMs: number } | null;
  /** Until when nothing is due, because the clock was set back behind what was accounted for; null when it was not. */
  readonly behind: Millis | null;
  /** How long it has been believed, and not been set. */
  readonly steadyMs: Millis;
  /** Somebody says that it is right. */
  confirm(): void;
}

export interface PluginControl {
  statuses(): PluginStatus[];
  /** Lines that it printed lately, behind the first `after` ones, and how many it ever printed; null when there is no such plugin. */
  lines(name: string, after: number): { lines: readonly string[]; printed: number } | null;
  /** The plugin that runs jobs of this lane now, or announced it last; null when nobody did. */
  offers(lane: string): { plugin: string; live: boolean } | null;
  restart(name: string): Promise<PluginStatus | null>;
  stop(name: string): Promise<PluginStatus | null>;
  start(name: string): Promise<PluginStatus | null>;
  /** True for what was installed, and not enabled by the configuration. */
  isInstalled(name: string): boolean;
  /** Where programs of installs lie and are started from: takes in one that was placed there. */
  add(install: Install): Promise<PluginStatus>;
  remove(name: string): Promise<void>;
  /** Tells plugins what others provide for them now. */
  tellServices(): void;
  enable(name: string, enabled: boolean): Promise<PluginStatus>;
  /** What a plugin says of its configuration and its glyphs. */
  about(name: string): Promise<PluginAbout>;
  /** Throws a Fault when the old one goes on. `accept` may refuse the new one, `keep` writes down that it is taken. */
  upgrade(
    install: Install,
    steps: {
      accept(next: {
        handlers: readonly { name: string }[];
        endpoints: readonly PluginEndpoint[];
      }): Promise<void>;
      keep(): Promise<void>;
    },
  ): Promise<PluginStatus>;
}

/** What a plugin says of itself when it is asked. */
export interface PluginAbout {
  fields: readonly ConfigField[];
  glyphs: readonly Glyph[];
}

export interface Context {
  readonly env: Env;
  readonly log: Log;
  readonly store: Store;
  readonly principal: Principal;
  /** Null when the operation runs beside a stopped host. */
  readonly host: Host | null;
  /** The data folder. */
  readonly home: string;
  /** Takes secrets out of what is written down. Absent where none are known. */
  readonly redact?: (text: string) => string;
  /** How this program starts itself in another role. Absent where nothing needs that. */
  readonly self?: readonly string[];
  /** Aborted when whoever called is gone, or cannot be answered much longer: nothing is waited for then. */
  readonly signal?: AbortSignal;
  /** Told of every call when it has ended. */
  readonly meter?: (call: MeteredCall) => void;
}

/** One call of an operation, for those who count. */
export interface MeteredCall {
  operation: string;
  principal: Principal["kind"];
  /** Whose plugin called; empty for the host's own, and for people. */
  tenant: string;
  ok: boolean;
  tookMs: number;
}

export interface Operation<Input, Output> {
  /** `noun.verb`, the same words as on the command line. */
  readonly name: string;
  readonly summary: string;
  readonly input: z.ZodType<Input>;
  /** True for input that fits without a closer look: for what comes by the thousand. */
  readonly fits?: (input: unknown) => boolean;
  /** The capability with which a plugin may call it; absent: people only. */
  readonly plugin?: Capability;
  /** True when it only makes sense while a host runs. */
  readonly needsHost?: boolean;
  /** Changes something: the call is written into the audit trail, refused ones too. */
  readonly changes?: boolean;
  /** What a plugin asks for and does not have is written into the audit trail, although nothing changes. */
  readonly notesMisses?: boolean;
  /** Accounts for what is due up to now: refused while the clock is not believed, or a wrong year would silence schedules until then. */
  readonly byClock?: boolean;
  run(context: Context, input: Input): Promise<Output>;
}

/** Any operation, its types folded away: what a table holds. */
export interface AnyOperation {
  readonly name: string;
  readonly summary: string;
  readonly input: z.ZodType;
  readonly fits?: (input: unknown) => boolean;
  readonly plugin?: Capability;
  readonly needsHost?: boolean;
  readonly changes?: boolean;
  readonly notesMisses?: boolean;
  readonly byClock?: boolean;
  call(context: Context, input: unknown): Promise<unknown>;
}

/** An operation that is called with its own types, and can stand in the table. */
export type Defined<Input, Output> = Operation<Input, Output> & AnyOperation;

/** What an operation answers, for faces that call it by name. */
export type OutputOf<O extends { run(context: never, input: never): Promise<unknown> }> = Awaited<
  ReturnType<O["run"]>
>;

/** Defines an operation. */
export function operation<Input, Output>(definition: Operation<Input, Output>): Defined<Input, Output> {
  return {
    ...definition,
    // The runner has parsed it with this operation's own schema, or it fits.
    call: (context, input) => definition.run(context, input as Input),
  };
}
