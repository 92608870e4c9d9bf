/** Harness for tests: plugins of a folder of their own, run as the host runs them, and ended at the end of the test. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Capability, usualCapabilities } from "../../access/capability.ts";
import { type Quota, usualQuota } from "../../access/quota.ts";
import { realEnv } from "../../base/env.ts";
import { type Log, silentLog } from "../../base/log.ts";
import { Redactor } from "../../base/redactor.ts";
import type { Job } from "../../job/job.ts";
import type { Outcome } from "../../job/outcome.ts";
import type { Install } from "../../plugin/install.ts";
import type { PluginState, PluginStatus } from "../../plugin/plugin.ts";
import type { Attempt, CancelReason, JobLogLine } from "../../pulse/executor.ts";
import { Registry } from "../../pulse/registry.ts";
import { cancelReason } from "../endings.ts";
import type { PluginSection } from "../find.ts";
import type { HostSide } from "../open.ts";
import type { PluginLimits } from "../limits.ts";
import { Plugins } from "../plugins.ts";

export const SELF = [process.execPath, join(import.meta.dir, "self.ts")];
const ODD = join(import.meta.dir, "odd.ts");

/** A temporary folder that goes with the test. */
export function tempFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "qntx-plugins-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Writes an executable that is `odd.ts` in one of its modes. */
export function writeOdd(folder: string, name: string, mode: string, more = ""): void {
  writeProgram(
    join(folder, `qntx-${name}-plugin`),
    `#!/bin/sh\nexec ${process.execPath} ${ODD} --name ${name} --mode ${mode} ${more} "$@"\n`,
  );
}

export function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/** A host that keeps no jobs. */
export const refuseToEnqueue: HostSide["enqueue"] = async () => ({
  response: undefined,
  code: "UNAVAILABLE",
  message: "This host keeps no jobs.",
  faults: undefined,
});

export interface HarnessOptions {
  enabled: readonly string[];
  installs?: readonly Install[];
  /** Extra folders to search; the harness's own comes first. */
  paths?: readonly string[];
  /** Called with the folder that plugins are searched in. */
  write?(folder: string): void;
  limits?: Partial<PluginLimits>;
  sections?: Record<string, PluginSection>;
  declare?: HostSide["declare"];
  enqueue?: HostSide["enqueue"];
  openServices?: HostSide["openServices"];
  capabilities?: readonly Capability[];
  quota?: Partial<Quota>;
  redactor?: Redactor;
  config?: Record<string, string>;
  python?: string;
}

export class Harness implements AsyncDisposable {
  readonly home: string;
  readonly folder: string;
  readonly registry = new Registry();
  readonly plugins: Plugins;
  readonly states: string[] = [];
  readonly lines: string[] = [];
  readonly logged: string[] = [];
  readonly givenUp: string[] = [];
  readonly tokens = new Set<string>();
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #temp = tempFolder();
  readonly #run: Promise<void>;
  #watchers: (() => void)[] = [];
  #tokens = 0;

  constructor(options: HarnessOptions) {
    this.home = join(this.#temp.path, "home");
    this.folder = join(this.#temp.path, "plugins");
    mkdirSync(this.home);
    mkdirSync(this.folder);
    options.write?.(this.folder);
    this.plugins = new Plugins({
      env: realEnv,
      log: this.#log(),
      home: this.home,
      hostVersion: "0.0.0-test",
      pythonPath: join(import.meta.dir, "../../../sdk/python"),
      registry: this.registry,
      enabled: options.enabled,
      installs: options.installs ?? [],
      find: {
        paths: [this.folder, ...(options.paths ?? []).map((path, index) => this.#copy(path, index))],
        bundled: [],
        sections: options.sections ?? {},
        self: SELF,
        python: options.python ?? "python3",
      },
      limits: { termMs: 1_000, drainMs: 300, ...options.limits },
      issueToken: ({ plugin }) => this.#issue(plugin),
      revokeToken: (token) => void this.tokens.delete(token),
      capabilitiesOf: () => new Set(options.capabilities ?? usualCapabilities("trusted")),
      enqueue: options.enqueue ?? refuseToEnqueue,
      quotaOf: () => ({ ...usualQuota("trusted"), ...options.quota }),
      endpoint: () => "127.0.0.1:9",
      configOf: () => options.config ?? {},
      secretsOf: () => new Set(),
      redactor: options.redactor ?? new Redactor(),
      openServices: options.openServices ?? (async () => ({ address: "127.0.0.1:9", close() {} })),
      declare: options.declare ?? (async () => {}),
      onChange: (status) => this.#changed(status),
      onGaveUp: (plugin, reason) => void this.givenUp.push(`${plugin}: ${reason}`),
      onLine: (plugin, { text }) => {
        this.lines.push(`${plugin}: ${text}`);
        this.#wake();
      },
    });
    this.#run = this.plugins.run({ stop: this.#stop.signal, abort: this.#abort.signal });
  }

  /** Resolves with the status once the plugin is in that state. */
  async state(name: string, state: PluginState): Promise<PluginStatus> {
    await this.until(() => this.plugins.status(name).state === state, `${name} to be ${state}`);
    return this.plugins.status(name);
  }

  /** Resolves when something that a plugin does has made it true. */
  async until(isTrue: () => boolean, what: string): Promise<void> {
    const giveUp = setTimeout(() => this.#wake(), 25_000);
    const started = performance.now();
    while (!isTrue()) {
      if (performance.now() - started > 24_000) {
        throw new Error(
          `Waited in vain for ${what}: ${JSON.stringify([this.plugins.statuses(), this.logged])}`,
        );
      }
      const tick = setTimeout(() => this.#wake(), 50); // For what no event tells.
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
      clearTimeout(tick);
    }
    clearTimeout(giveUp);
  }

  /** Runs one attempt in whoever offers the handler. */
  attempt(handler: string, payload = "", more: Partial<Job> = {}, signal?: AbortSignal): TestAttempt {
    const lane = this.registry.lane(handler);
    if (!lane) throw new Error(`Nobody offers ${handler}.`);
    const told = new AbortController();
    const ends = signal ?? told.signal;
    const progress: unknown[] = [];
    const lines: JobLogLine[] = [];
    const attempt: Attempt = {
      job: testJob({ handler, payload: Buffer.from(payload), ...more }),
      budget: { ms: 5_000, setBy: "the test" },
      signal: ends,
      get cancelled() {
        return ends.aborted ? cancelReason(ends) : null;
      },
      onCancel: null,
      progress: (value) => void progress.push(value),
      checkpoint() {},
      log: (added) => void lines.push(...added),
    };
    ends.addEventListener("abort", () => attempt.onCancel?.(cancelReason(ends)));
    const outcome = lane.executor.execute(attempt);
    return { outcome, progress, lines, cancel: (reason) => told.abort(reason) };
  }

  /** Asks everything to end, and lets run what runs. */
  drain(): Promise<void> {
    this.#stop.abort();
    return this.#run;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#abort.abort();
    await this.#run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#temp[Symbol.dispose]();
  }

  /** A clone may be writable by its group, and a plugin that others can change is refused. */
  #copy(from: string, index: number): string {
    const folder = join(this.#temp.path, `paths-${index}`);
    cpSync(from, folder, { recursive: true });
    for (const name of ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })]) {
      chmodSync(join(folder, name), statSync(join(folder, name)).mode & ~0o022);
    }
    return folder;
  }

  #issue(plugin: string): string {
    const token = `${plugin}-${++this.#tokens}`;
    this.tokens.add(token);
    return token;
  }

  #changed(status: PluginStatus): void {
    this.states.push(`${status.name} ${status.state}`);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#watchers.splice(0)) resolve();
  }

  #log(): Log {
    const keep = (message: string, fields = {}) => {
      const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${String(value)}`);
      this.logged.push(message + pairs.join(""));
    };
    return { ...silentLog, info: keep, warn: keep, error: keep };
  }
}

export interface TestAttempt {
  outcome: Promise<Outcome>;
  progress: unknown[];
  lines: JobLogLine[];
  cancel(reason: CancelReason): void;
}

let jobs = 0;

/** A job as a worker has claimed it. */
export function testJob(more: Partial<Job>): Job {
  return {
    id: `JB_TEST${++jobs}`,
    seq: 1,
    tenant: "",
    handler: "x",
    plugin: "",
    payload: new Uint8Array(),
    source: "",
    owner: "",
    trigger: "enqueue",
    priority: 0,
    state: "running",
    runAt: 0,
    attempt: 1,
    maxAttempts: 3,
    fence: 1,
    lost: 0,
    suspect: false,
    interrupted: 0,
    snoozed: 0,
    cancelRequested: false,
    retry: null,
    timeoutMs: null,
    uniqueKey: null,
    uniqueUntil: null,
    concurrencyKey: null,
    crowded: false,
    budgeted: false,
    parentId: null,
    followed: false,
    waits: 0,
    waitPolicy: null,
    childPolicy: null,
    retryOf: null,
    scheduleId: null,
    occurrence: null,
    runCount: null,
    declaredId: "",
    catchup: false,
    progress: null,
    pause: null,
    result: null,
    checkpoint: null,
    error: null,
    history: [],
    costEstimate: 0,
    costActual: 0,
    pluginVersion: null,
    pluginDigest: null,
    traceparent: null,
    bootId: null,
    createdAt: 0,
    startedAt: null,
    finishedAt: null,
    ...more,
  };
}
