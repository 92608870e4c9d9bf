/**
 * Serve: builds the parts of a host from a configuration and runs them together.
 *
 * Start: open the store → listen → ready (an enqueue is durable now) → ticker and
 * plugins side by side → when every plugin is settled, handlers are registered in
 * one step → the worker claims. The order is what keeps jobs from half-built hosts.
 *
 * End: claim nothing more → wait for what runs, up to the grace → cancel it and give
 * it back unspent → stop the plugins → close the doors → close the store.
 */
import type { Principal } from "../access/principal.ts";
import { Grants } from "../access/grants.ts";
import { Quotas } from "../access/quotas.ts";
import { holderPrincipal, Tokens } from "../access/tokens.ts";
import { type Env, sleep } from "../base/env.ts";
import { Fault, messageOf } from "../base/fault.ts";
import { newId } from "../base/id.ts";
import { aborted, type QuitSignals, runTogether, type Service } from "../base/lifecycle.ts";
import type { Log } from "../base/log.ts";
import type { Redactor } from "../base/redactor.ts";
import type { Config } from "../config/config.ts";
import { Fetcher } from "../fetch/fetcher.ts";
import { Metrics } from "../http/metrics.ts";
import { HttpServer } from "../http/server.ts";
import { operatorToken } from "../http/operator-token.ts";
import { toPlugin } from "../http/plugin-proxy.ts";
import { upgradeToPlugin } from "../http/plugin-socket.ts";
import { hostAnswers, socketPath } from "../http/socket.ts";
import { declarationsOf, declareSchedules, FILE_OWNER } from "../operations/declare.ts";
import { declareOfPlugin } from "../operations/declare-plugin.ts";
import { readWaits } from "../operations/waits.ts";
import type { Context, Host } from "../operations/operation.ts";
import { installRoot } from "../plugins/installed.ts";
import { clearDrafts } from "../plugins/placing.ts";
import { Plugins, type PluginsOptions } from "../plugins/plugins.ts";
import { Pulse, type PulseOptions } from "../pulse/pulse.ts";
import type { ServiceOptions } from "../services/door.ts";
import { openProviderDoor } from "../services/providers.ts";
import { CallbackServer } from "../services/server.ts";
import { openStore, type OpenedStore } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { LiveConfig, straySections } from "./live-config.ts";
import { LiveHost } from "./live-host.ts";
import { LoopDelay } from "./loop-delay.ts";
import { checkLockKeeper, locksOf } from "./locks.ts";
import { PluginEvents } from "./plugin-events.ts";
import { Webhooks } from "./webhooks.ts";
import { WrongTokens } from "./wrong-tokens.ts";
import { pluginOptions } from "./plugin-options.ts";
import { PluginSecrets } from "./plugin-secrets.ts";

export interface ServeOptions {
  env: Env;
  log: Log;
  /** Knows what the configuration has fetched. */
  redactor: Redactor;
  config: Config;
  /** Reads the configuration again. Throws a Fault with everything that is wrong with it. */
  load(): Promise<Config>;
  /** How this program starts itself in another role. */
  self: readonly string[];
  version: string;
  signals: QuitSignals;
  /** Called when work can be accepted. */
  onReady(info: { address: string; home: string }): void;
  /** Called when all plugins are settled and work is taken. */
  onWorking?(): void;
  /** Handed the way to end every process that this host has started, for the moment its keeper is gone. */
  onStarted?(killAll: () => Promise<void>): void;
}

/** A command has the lock for moments, and a host that was killed until its last process is gone. */
const LOCK_PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 50;

/** Serves until it is told to quit; then ends in order. Throws a Fault when it cannot start. */
export async function serve(options: ServeOptions): Promise<void> {
  const { config } = options;
  const opened = await openPatiently(options);
  if (!opened) {
    throw new Fault("conflict", `A host runs on ${config.home} already, or another command is using it.`, {
      hint: "One host per data folder: stop that one, or give this one another folder with --home.",
    });
  }
  try {
    clearDrafts(installRoot(config.home, ""));
    await opened.store.budgets.declare(config.budgets, CONFIG_NAME);
    await run(options, opened);
  } finally {
    await opened.store.close().finally(() => opened.lock.release());
  }
}

/** Null when somebody else keeps the lock: a host, or a command that does not let go. */
async function openPatiently({ env, log, config, signals }: ServeOptions): Promise<OpenedStore | null> {
  const { home } = config;
  const until = env.mono() + LOCK_PATIENCE_MS;
  const open = () => openStore(env, home, { locksBy: config.locks, log });
  for (let opened = open(); ; opened = open()) {
    if (opened || signals.quit.aborted || env.mono() >= until) return opened;
    if (await hostAnswers(env, socketPath(home))) return null;
    log.debug("the data folder is in use; waiting for it", { home });
    await sleep(env, LOOK_AGAIN_MS, signals.quit);
  }
}

async function run(options: ServeOptions, { store }: OpenedStore): Promise<void> {
  const { env, log, config, version } = options;
  let host: Host | null = null;
  const waits = async (lane: string) => (await readWaits({ env, host, store })).lane(lane);
  const locks = locksOf(config.locks, store, () => plugins);
  const pulse = await makePulse(options, store, { waits, locks });
  const live = new LiveConfig(options);
  const rights = await rightsOf(live, store, (plugin) => plugins.isInstalled(plugin));
  const wrong = new WrongTokens(options, store.audit);
  const tokens = new Tokens(env, rights, () => wrong.note("services"));
  const metrics = new Metrics(() => wrong.counts);
  const contextOf = (principal: Principal) => contextFor(options, { store, principal, host, metrics });
  const callbacks = await listenForPlugins({ log, tokens, contextOf, onRefused: refusalsTo(options, store) });
  const events = new PluginEvents(log, store.events);
  const webhooks = new Webhooks({ env, log, webhooks: store.webhooks, target: config.webhook(), version });
  const plugins = new Plugins({
    ...(await remembered(options, store, { plugins: () => plugins, tokens })),
    ...pluginOptions(options, {
      registry: pulse.registry,
      tokens,
      ...rights,
      endpoint: (caller) => callbacks.endpoint(caller),
      live,
      enqueue: (token, request) => callbacks.enqueue(token, request),
    }),
    declare: declareBy(contextOf, rights),
    onChange(status) {
      pulse.jobsAdded();
      events.changed(status);
    },
    onGaveUp: (plugin, reason) => events.gaveUp(plugin, reason),
    onRefused: refusalsTo(options, store),
  });
  await store.watchers.keep(plugins.switchedOn());
  const loop = new LoopDelay(env);
  const running = new LiveHost({
    env,
    pulse,
    loop,
    plugins,
    version,
    locks,
    ...rights,
    web: new Fetcher({ env, version, allowed: config.fetch.allowed }),
    secrets: new PluginSecrets({ env, log, config: () => live.now, audit: store.audit }),
    attested: (list) => callbacks.watches.tell(list),
    watched: () => store.watchers.any,
    reload: () => live.reload(plugins, () => rights.grants.reconfigured()),
  });
  host = running;
  const http = listen(options, { live: running, plugins, contextOf, metrics, wrong });
  try {
    await runParts(options, { pulse, live: running, plugins, services: [loop, webhooks], contextOf });
  } finally {
    await http.close();
    callbacks.close();
    wrong.close();
    await events.settled();
  }
}

/** Runs what was built until somebody asks it to end, or a part of it fails. */
async function runParts(options: ServeOptions, parts: Running): Promise<void> {
  const { env, log, config, signals } = options;
  const { pulse, live, plugins, services, contextOf } = parts;
  await declareSchedules(contextOf(HOST), FILE_OWNER, declarationsOf(config.schedules));
  for (const sentence of straySections(config, plugins.statuses())) log.warn(sentence);
  options.onStarted?.(() => plugins.killAll());
  options.onReady({ address: live.address, home: config.home });
  const worker = whenSettled(pulse.worker, plugins, () => {
    checkLockKeeper(config.locks, plugins, log);
    live.ready = true;
    pulse.jobsAdded();
    options.onWorking?.();
  });
  tellOfTheEnd(options, plugins);
  const probe = whenStopping(() => (live.stopping = true));
  const all = [probe, ...services, ...pulse.early, plugins, worker];
  await runTogether(env, all, signals, config.serve.graceMs);
}

/** What is remembered of plugins: those that were installed or switched off, and what each provides for others. */
async function remembered(
  { log }: ServeOptions,
  { plugins: kept }: Store,
  { plugins, tokens }: { plugins: () => Plugins; tokens: Tokens },
): Promise<Pick<PluginsOptions, "installs" | "disabled" | "provided" | "onProvided" | "openServices">> {
  const principal = (token: string) => tokens.principal(token);
  return {
    installs: await kept.installs(),
    disabled: await kept.disabled(),
    provided: await kept.provided(),
    onProvided({ plugin, services }) {
      kept.provide(plugin, services).catch((error: unknown) => {
        log.warn("what a plugin provides could not be kept", { plugin, error: messageOf(error) });
      });
    },
    openServices: (caller, kind) => openProviderDoor({ caller, plugins, principal }, kind),
  };
}

/** What a plugin declares is made so in its own name. */
function declareBy(
  contextOf: (principal: Principal) => Context,
  rights: Parameters<typeof holderPrincipal>[1],
): PluginsOptions["declare"] {
  return async (holder, announced) => {
    await declareOfPlugin(contextOf(holderPrincipal(holder, rights)), holder.plugin, announced);
  };
}

function contextFor(
  { env, log, redactor, config, self }: ServeOptions,
  { metrics, ...about }: Pick<Context, "store" | "principal" | "host"> & { metrics: Metrics },
): Context {
  const redact = (text: string) => redactor.redact(text);
  return { env, log, redact, home: config.home, self, meter: metrics.count, ...about };
}

/** What plugins may do, and how much. Whoever was not installed was enabled by name, or is ours. */
async function rightsOf(
  live: LiveConfig,
  { grants }: Store,
  isInstalled: (plugin: string) => boolean,
): Promise<{ grants: Grants; quotas: Quotas }> {
  const trustOf = (plugin: string) => (isInstalled(plugin) ? "guest" : "trusted");
  const said = await grants.all();
  return {
    grants: new Grants({ trustOf, configured: (plugin) => live.now.pluginGrant(plugin), said }),
    quotas: new Quotas({ trustOf, configured: () => live.now.quotas }),
  };
}

/** What a plugin's process was refused stands in the audit trail, as what it is refused when it calls does. */
function refusalsTo({ env, log, redactor }: ServeOptions, { audit }: Store) {
  return async (plugin: string, what: string): Promise<void> => {
    try {
      const about = { principal: `plugin:${plugin}`, operation: "plugin.contain", subject: plugin };
      await audit.add({
        id: newId(env, "AU"),
        ...about,
        allowed: false,
        detail: redactor.redact(`It ${what}`),
      });
    } catch (error) {
      log.error("an audit row could not be written", { plugin, error: messageOf(error) });
    }
  };
}

/** Pulse as the configuration has it. */
async function makePulse(
  { env, log, config, version }: ServeOptions,
  store: Store,
  asked: Pick<PulseOptions, "waits" | "locks">,
): Promise<Pulse> {
  const { napMs, workers: jobsMax } = config.pulse;
  return new Pulse({
    env,
    log,
    store,
    nodeId: await store.nodes.nodeId(),
    lastSeenAt: await store.nodes.lastSeenAt(),
    version,
    napMs,
    jobsMax,
    limits: {
      configured: config.handlers.map(({ handler: name, ...limits }) => ({ name, ...limits })),
      known: await store.limits.all(),
    },
    retention: config.retention,
    runMs: config.plugin.runMs,
    ...asked,
  });
}

const CONFIG_NAME = "qntx.toml"; // Who has set what stands there.
const HOST: Principal = { kind: "host" };

interface Parts {
  live: LiveHost;
  plugins: Plugins;
  contextOf: (principal: Principal) => Context;
}

interface Running extends Parts {
  pulse: Pulse;
  /** What runs beside pulse and the plugins. */
  services: readonly Service[];
}

/** Opens the door through which plugins call back. */
async function listenForPlugins(options: ServiceOptions): Promise<CallbackServer> {
  const server = new CallbackServer(options);
  await server.listen();
  return server;
}

/** Opens the host's two doors and notes its address. */
function listen(
  { env, log, config }: ServeOptions,
  { live, plugins, contextOf, metrics, wrong }: Parts & { metrics: Metrics; wrong: WrongTokens },
): HttpServer {
  const http = new HttpServer({
    env,
    log,
    hostname: config.serve.host,
    port: config.serve.port,
    socketPath: socketPath(config.home),
    token: operatorToken(env, config.home),
    onWrongToken: () => wrong.note("http"),
    context: () => contextOf({ kind: "operator", name: "operator", ...config.people }),
    ready: () => live.ready && !live.stopping,
    now: () => env.now(),
    metrics: () => metrics.text(),
    toPlugin: (name, path, request) => toPlugin(plugins, name, path, request),
    toSocket: (name, request, server) => upgradeToPlugin(plugins, name, { request, server }),
  });
  live.address = `http://${config.serve.host}:${http.port}`;
  return http;
}

/** Calls back when the services are asked to end: whoever sends work here should send it elsewhere. */
function whenStopping(onStop: () => void): Service {
  return { name: "probe", run: ({ stop }) => aborted(stop).then(onStop) };
}

/** The worker behind the barrier: it claims nothing before the first registration step. */
function whenSettled(worker: Service, plugins: Plugins, onSettled: () => void): Service {
  return {
    name: worker.name,
    async run(signals) {
      await Promise.race([plugins.settled, aborted(signals.stop)]);
      if (!signals.stop.aborted) onSettled();
      await worker.run(signals);
    },
  };
}

/** Says what is waited for when somebody asks the host to end: it may take the whole grace, in silence otherwise. */
function tellOfTheEnd({ log, config, signals }: ServeOptions, plugins: Plugins): void {
  const running = () => plugins.statuses().reduce((sum, status) => sum + status.running, 0);
  const tell = (signal: AbortSignal, sentence: string, more = {}) =>
    signal.addEventListener("abort", () => log.info(sentence, { running: running(), ...more }), {
      once: true,
    });
  tell(signals.quit, "qntx is ending: no new jobs start, and those that run may end", {
    graceMs: config.serve.graceMs,
  });
  tell(signals.hurry, "qntx does not wait any longer: jobs that run go back in line");
}
