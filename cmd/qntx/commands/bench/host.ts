/**
 * A host to measure: this program on a data folder that is thrown away, beside the
 * real one, because a figure is one of a disk. It has the real one's [pulse] and
 * nothing else of it: no schedule of yours runs, no plugin of yours is started.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Env, sleep, within } from "../../../../internal/base/env.ts";
import { Fault, messageOf } from "../../../../internal/base/fault.ts";
import type { Config } from "../../../../internal/config/config.ts";
import { KEEPER_VARIABLE } from "../../../../internal/plugins/keeper.ts";
import { type Client, openClient } from "../../client.ts";
import type { Globals } from "../../command.ts";
import { programArgv } from "../../self.ts";
import type { World } from "../../world.ts";
import source from "./plugin.mjs" with { type: "text" };
import { BENCH_PLUGIN } from "./plugin.ts";

const START_LIMIT_MS = 30_000; // As long as plugins may take.
const END_LIMIT_MS = 10_000; // It has nothing left to do.
const OUTPUT_CHARS_MAX = 4_000; // Of what it said before it failed.
const RUNS = "handlers are registered"; // What it says when jobs run.

export interface BenchHost extends AsyncDisposable {
  /** The data folder. */
  readonly path: string;
  readonly client: Client;
}

export interface BenchHostOptions {
  world: World;
  globals: Globals;
  config: Config;
  /** Where the folder is made; absent: in the data folder, or where that would be. */
  on: string | undefined;
}

/** Starts it; resolves when jobs run. Throws a Fault with its words when it does not start. */
export async function startBenchHost({ world, globals, config, on }: BenchHostOptions): Promise<BenchHost> {
  const path = makeFolder(on === undefined ? existing(config.home) : resolve(world.cwd, on));
  const file = join(path, "qntx.toml");
  try {
    await mkdir(join(path, "plugins"), { mode: 0o700 });
    writeFileSync(join(path, "plugins", `${BENCH_PLUGIN}.ts`), source, { mode: 0o600 });
    writeFileSync(file, settings(config));
    const child = spawn(world, path, file);
    await running(world.env, child).catch(async (error: unknown) => {
      child.kill("SIGKILL");
      await child.exited;
      throw error;
    });
    const client = await openClient(world, { ...globals, home: path, config: file, server: undefined });
    return { path, client, [Symbol.asyncDispose]: () => end(world.env, child, path) };
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
}

/** The folder itself, or the nearest above it that is there. */
function existing(folder: string): string {
  return existsSync(folder) ? folder : existing(dirname(folder));
}

function makeFolder(where: string): string {
  try {
    return mkdtempSync(join(where, "qntx-bench-"));
  } catch (error) {
    throw new Fault("failed", `No folder can be made in ${where}: ${messageOf(error)}.`, {
      hint: "Name one that you may write to with --on, on the disk that you want to know about.",
    });
  }
}

function settings({ pulse }: Config): string {
  return `[plugin]\nenabled = ["${BENCH_PLUGIN}"]\nbundled = false\n\n[pulse]\nworkers = ${pulse.workers}\nnap = "${pulse.napMs}ms"\n`;
}

type Child = Bun.Subprocess<"ignore", "ignore", "pipe">;

/** This process is its keeper, so that it ends with us however we end: a closed terminal, or kill -9. */
function spawn({ vars, userHome }: World, path: string, file: string): Child {
  return Bun.spawn([...programArgv(), "serve", "--home", path, "--config", file, "--port", "0"], {
    cwd: path,
    // No other QNTX_ variable: what is measured is said above.
    env: { PATH: vars["PATH"], HOME: userHome, [KEEPER_VARIABLE]: String(process.pid) },
    stdio: ["ignore", "ignore", "pipe", "pipe"], // The last is its lifeline.
  });
}

/** Resolves when it says that jobs run; what it says later is read and forgotten. */
async function running(env: Env, child: Child): Promise<void> {
  let said = "";
  const runs = Promise.withResolvers<void>();
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      if (said.length < OUTPUT_CHARS_MAX) said += decoder.decode(chunk, { stream: true });
      if (said.includes(RUNS)) runs.resolve();
    }
    runs.reject(failed("it ended", said));
  };
  read().catch(runs.reject);
  const late = () => failed(`it took more than ${START_LIMIT_MS / 1_000} s`, said);
  await within(env, START_LIMIT_MS, runs.promise, late);
}

function failed(how: string, said: string): Fault {
  return new Fault("failed", `The host that was to be measured did not start: ${how}.`, {
    hint: said.trim().slice(-1_000) || "It said nothing.",
  });
}

async function end(env: Env, child: Child, path: string): Promise<void> {
  child.kill("SIGTERM");
  const limit = new AbortController();
  const tooLong = sleep(env, END_LIMIT_MS, limit.signal).then(() => child.kill("SIGKILL"));
  await child.exited;
  limit.abort();
  await tooLong;
  rmSync(path, { recursive: true, force: true });
}
