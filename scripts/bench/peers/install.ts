/**
 * Install: the packages of peers, each in a folder of its own below the user's
 * cache, where the next run finds them. They never become dependencies of ours, and
 * no script of theirs is run.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Peer } from "./list.ts";

const ADAPTERS = join(import.meta.dir, "adapters");
const INSTALL_LIMIT_MS = 120_000;

/** Where the peers are, until somebody removes them. */
export const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "qntx-bench-peers");

/** Installs a peer, unless it is there. Gives the folder from which it is run; throws why it cannot be installed. */
export function installed({ adapter, packages }: Peer): string {
  const folder = join(CACHE, adapter);
  const manifest = JSON.stringify({ private: true, dependencies: packages });
  if (!isInstalled(folder, manifest)) install(folder, manifest);
  for (const file of [`${adapter}.mjs`, "measure.mjs"])
    copyFileSync(join(ADAPTERS, file), join(folder, file));
  return folder;
}

function isInstalled(folder: string, manifest: string): boolean {
  const marker = join(folder, "node_modules", ".package-lock.json"); // npm writes it when all is there.
  return existsSync(marker) && readFileSync(join(folder, "package.json"), "utf8") === manifest;
}

function install(folder: string, manifest: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), manifest);
  // Some ask for a newer Node than they need: forced, we see for ourselves.
  const words = ["install", "--ignore-scripts", "--force", "--no-audit", "--no-fund", "--loglevel=error"];
  const { exitCode, stderr } = Bun.spawnSync(["npm", ...words], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: INSTALL_LIMIT_MS,
  });
  if (exitCode !== 0) throw new Error(`npm could not install it: ${stderr.toString().trim()}`);
}
