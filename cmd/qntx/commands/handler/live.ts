/** Live: whether a saved handler is announced by a plugin, and what is missing while it is not. */
import { type Millis, sleep } from "../../../../internal/base/env.ts";
import type { HandlerView } from "../../../../internal/operations/handler.ts";
import type { PluginView } from "../../../../internal/operations/plugin.ts";
import type { Client } from "../../client.ts";
import type { World } from "../../world.ts";

const LIVE_WITHIN_MS: Millis = 5_000; // A plugin announces what was saved in well under a second.
const LOOK_AGAIN_MS: Millis = 50;

/** Which plugin runs what was saved as `python.x`, `script.x` or `shell.x`. */
const PLUGINS: Readonly<Record<string, string>> = { python: "python", script: "script", shell: "script" };

export interface Liveness {
  live: boolean;
  /** What it waits for, to be said to a person; null when it is live. */
  missing: string | null;
}

/** Waits a few seconds until a running host has a plugin that runs the handler. */
export async function whenLive(client: Client, { env }: World, handler: string): Promise<Liveness> {
  if (!client.live) return { live: false, missing: "no host is running; start one with: qntx serve" };
  const until = env.mono() + LIVE_WITHIN_MS;
  while (env.mono() < until) {
    const { handlers } = await client.call<{ handlers: HandlerView[] }>("handler.list");
    if (handlers.some((saved) => saved.handler === handler && saved.live))
      return { live: true, missing: null };
    if (!(await mayCome(client, handler))) break;
    await sleep(env, LOOK_AGAIN_MS);
  }
  return { live: false, missing: await whatIsMissing(client, handler) };
}

/** Waits a few seconds until no running plugin announces the handler any more. False when one still does. */
export async function whenGone(client: Client, { env }: World, handler: string): Promise<boolean> {
  if (!client.live) return true;
  for (const until = env.mono() + LIVE_WITHIN_MS; ; await sleep(env, LOOK_AGAIN_MS)) {
    const { plugins } = await client.call<{ plugins: PluginView[] }>("plugin.list");
    if (!plugins.some(({ pid, handlers }) => pid !== null && handlers.includes(handler))) return true;
    if (env.mono() >= until) return false;
  }
}

/** False when waiting is in vain: the plugin of its language is not there or has given up. */
async function mayCome(client: Client, handler: string): Promise<boolean> {
  const plugin = await languagePlugin(client, handler);
  return plugin !== undefined && ["starting", "late", "ready", "failed"].includes(plugin.state);
}

async function whatIsMissing(client: Client, handler: string): Promise<string> {
  const plugin = await languagePlugin(client, handler);
  if (!plugin) return `there is no plugin "${pluginOf(handler)}" on this host`;
  const reason = plugin.reason === "" ? "" : ` (${plugin.reason})`;
  if (plugin.state !== "ready") return `plugin ${plugin.name} is ${plugin.state}${reason}`;
  return `plugin ${plugin.name} is ready but has not announced it; see: qntx plugin logs ${plugin.name}`;
}

async function languagePlugin(client: Client, handler: string): Promise<PluginView | undefined> {
  const { plugins } = await client.call<{ plugins: PluginView[] }>("plugin.list");
  return plugins.find(({ name }) => name === pluginOf(handler));
}

function pluginOf(handler: string): string {
  const language = handler.slice(0, handler.indexOf("."));
  return PLUGINS[language] ?? language;
}
