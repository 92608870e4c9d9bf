#!/usr/bin/env bun
/**
 * qntx: the program. The only file that reads argv, touches the process's
 * streams, handles signals and ends the process.
 */
import { homedir } from "node:os";
import { realEnv } from "../../internal/base/env.ts";
import type { QuitSignals } from "../../internal/base/lifecycle.ts";
import { isIgnored } from "../../internal/plugins/proc.ts";
import { EXIT } from "./exit.ts";
import { playRole } from "./roles.ts";
import { run } from "./run.ts";
import { tree } from "./tree.ts";
import type { Sink, World } from "./world.ts";

const COLUMNS_DEFAULT = 80; // For a terminal that does not tell its width, or says 0.
const ECHO_MS = 200; // A service manager may signal us and the keeper in front, which passes it on: one wish, heard twice.

await playRole(process.argv.slice(2));

const world: World = {
  argv: process.argv.slice(2),
  vars: process.env,
  cwd: process.cwd(),
  userHome: homedir(),
  env: realEnv,
  stdin: { terminal: process.stdin.isTTY === true, text: () => Bun.stdin.text() },
  stdout: sinkOf(process.stdout),
  stderr: sinkOf(process.stderr),
  quit: quitOnSignals,
};

process.stdout.on("error", leaveWhenNobodyReads);
process.stderr.on("error", () => {}); // Nobody reads what goes wrong, and nobody can be told: the work goes on.

const code = await run(tree, world);
await Promise.all([ended(process.stdout), ended(process.stderr)]);
// Said aloud, because a command may leave a half-open connection behind that would keep the process.
process.exit(code);

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    terminal: stream.isTTY === true,
    columns: stream.columns || COLUMNS_DEFAULT,
    write: (text) => void stream.write(text),
  };
}

/** `qntx … | head -1`: the reader has what it wanted, which is no failure. */
function leaveWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
}

/** Resolves when everything written has left the process. The callback of an empty write comes too early for that. */
function ended(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.end(() => resolve()));
}

/** First Ctrl-C (or SIGTERM, or the end of the terminal) stops, the second hurries, the third leaves. */
function quitOnSignals(): QuitSignals {
  const quit = new AbortController();
  const hurry = new AbortController();
  let heardAt = Number.NEGATIVE_INFINITY;
  const onSignal = () => {
    const now = realEnv.mono();
    const echo = now - heardAt < ECHO_MS;
    heardAt = now;
    if (echo) return;
    if (hurry.signal.aborted) process.exit(EXIT.interrupted);
    (quit.signal.aborted ? hurry : quit).abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  if (!isIgnored("SIGHUP")) process.on("SIGHUP", onSignal); // The terminal is gone, and nohup did not say to go on.
  return { quit: quit.signal, hurry: hurry.signal };
}
