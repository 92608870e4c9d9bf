/**
 * Role: a whole process that is one plugin. It lives as long as its stdin: a
 * host that dies, however it dies, closes the pipe, and the plugin goes too.
 */
import { parseArgs } from "node:util";
import { textOf } from "./ending.ts";
import { loadPlugin } from "./load.ts";
import { fromDefinition, type LoadedPlugin } from "./loaded.ts";
import { hideMemory } from "./prctl.ts";
import type { PluginDefinition } from "./qntx.ts";
import { serveLoaded } from "./runtime.ts";

/** `__plugin --plugin-path FILE --port N`: serves a plugin's file until the host lets go. Does not return. */
export async function runPluginRole(argv: string[]): Promise<never> {
  return live(async () => {
    const { values } = parseArgs({
      args: argv,
      strict: false, // What else the operator passes is the plugin's own affair.
      options: {
        "plugin-path": { type: "string" },
        port: { type: "string" },
        "grpc-port": { type: "string" },
      },
    });
    const path = values["plugin-path"];
    if (typeof path !== "string") throw new Error("--plugin-path FILE is missing.");
    return { plugin: await loadPlugin(path), port: readPort(values.port ?? values["grpc-port"] ?? "0") };
  });
}

/** Serves a definition that is part of the program, as a process. Does not return. */
export async function runBundledRole(definition: PluginDefinition, port: number): Promise<never> {
  return live(async () => ({ plugin: fromDefinition(definition), port }));
}

async function live(load: () => Promise<{ plugin: LoadedPlugin; port: number }>): Promise<never> {
  hideMemory();
  // One job's forgotten promise must not end its neighbours; an error thrown outside of any promise still does.
  process.on("unhandledRejection", (error) =>
    console.error("A promise failed and nobody was waiting for it:", error),
  );
  try {
    const { plugin, port } = await load();
    const running = await serveLoaded(plugin, { port });
    const end = () => void running.stop();
    process.stdin.on("end", end).on("close", end).on("error", end).resume();
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
    await running.stopped;
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${textOf(error)}\n`);
    process.exit(1);
  }
}

function readPort(text: string | boolean): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`--port is ${JSON.stringify(text)}; it must be a whole number up to 65535.`);
}
