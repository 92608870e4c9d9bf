/**
 * Roles: what this binary is when it starts itself: a plugin's runtime, a script's
 * process, the host behind its keeper. They are not commands: nobody types them.
 */
import { CONFINE_ROLE } from "../../internal/plugins/confine-words.ts";
import type { PluginDefinition } from "../../sdk/typescript/qntx.ts";

/** Plays the role that the first word names and does not return; returns when it names none. */
export async function playRole(argv: readonly string[]): Promise<void> {
  const [role, ...rest] = argv;
  if (role === "__simulate") {
    const { runSimulateRole } = await import("./simulate-role.ts");
    await runSimulateRole();
  }
  if (role === CONFINE_ROLE) {
    const { runConfineRole } = await import("../../internal/plugins/confine-role.ts");
    runConfineRole(rest);
  }
  if (role === "__plugin" && rest[0] === "--bundled") return playBundled(rest.slice(1));
  if (role === "__script") {
    const { runScriptRole } = await import("../../internal/bundled/script/role.ts");
    await runScriptRole();
  }
  if (role === "__plugin") {
    const { runPluginRole } = await import("../../sdk/typescript/role.ts");
    await runPluginRole(rest);
  }
}

async function playBundled([name = "", ...rest]: readonly string[]): Promise<void> {
  const { runBundledRole } = await import("../../sdk/typescript/role.ts");
  const load = BUNDLED[name];
  if (!load) throw new Error(`There is no bundled plugin ${JSON.stringify(name)}.`);
  const port = Number(rest[rest.indexOf("--port") + 1] ?? 0);
  await runBundledRole((await load()).default, port);
}

const BUNDLED: Record<string, () => Promise<{ default: PluginDefinition }>> = {
  ixgest: () => import("../../internal/bundled/ixgest/ixgest.ts"),
  "ix-json": () => import("../../internal/bundled/ix-json/ix-json.ts"),
  "redis-lock": () => import("../../internal/bundled/redis-lock/redis-lock.ts"),
  script: () => import("../../internal/bundled/script/plugin.ts"),
  python: () => import("../../internal/bundled/python/plugin.ts"),
};
