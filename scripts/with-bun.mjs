// With Bun: the only script that runs on Node. It installs what package-lock.json
// names, Bun among it, and hands over to a script in our own language:
//
//   node scripts/with-bun.mjs scripts/build.ts …
//
// A fresh clone therefore needs Node and npm and nothing else.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import process from "node:process";

const startedAt = Date.now();
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bun = join(root, "node_modules", ".bin", "bun");

/** Runs a program with our streams. Ends this process when it fails. */
function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, { stdio: "inherit", cwd: root, ...options });
  if (error) fail(`${program} cannot be started: ${error.message}`);
  if (signal) process.kill(process.pid, signal);
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** True when what is installed is what the lockfile names. */
function installed() {
  const marker = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(marker)) return false;
  return statSync(marker).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
}

function bunWorks() {
  return existsSync(bun) && spawnSync(bun, ["--version"]).status === 0;
}

if (!installed()) run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
// Where npm was told to run no install scripts, Bun's own has not put its binary in place.
if (!bunWorks()) run(process.execPath, [join(root, "node_modules", "bun", "install.js")]);
if (!bunWorks())
  fail("Bun does not run on this machine. Its npm package has a binary for each platform it knows.");

// The child handles signals itself; we only wait for it.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
const [script, ...args] = process.argv.slice(2);
const env = { QNTX_STARTED_AT: String(startedAt), ...process.env };
run(bun, ["run", join(root, script), ...args], { cwd: process.cwd(), env });
