/**
 * `npm start`: builds the binary, runs the host on the data folder (QNTX_HOME, else
 * ~/.qntx) and makes a small living example: a poll that is made at run time, a
 * handler from a file on a schedule, and a schedule that a plugin declares. Ctrl-C
 * ends it; what it made stays, and a second start finds it.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { build } from "./build.ts";
import { ROOT } from "./steps.ts";

const HOME = process.env["QNTX_HOME"] ?? join(homedir(), ".qntx");
const QNTX = join(ROOT, "dist", "qntx");
const CONFIG = join(ROOT, "scripts", "start", "qntx.toml");
const POLL_EVERY = "5s";
const START_LIMIT_MS = 60_000;
const LOOK_MS = 100;
/** When the command was typed; the bootstrap says so, because it may have installed for a while. */
const startedAt = Number(process.env["QNTX_STARTED_AT"] ?? Date.now());

interface Job {
  id: string;
  handler: string;
  state: string;
  finishedAt: string | null;
  result: unknown;
}

say("Building dist/qntx …");
await build({ outfile: QNTX });

const host = Bun.spawn([QNTX, "serve", "--home", HOME, "--config", CONFIG, ...(await portWords())], {
  cwd: ROOT,
  env: { ...process.env, QNTX_LOG_LEVEL: process.env["QNTX_LOG_LEVEL"] ?? "warn" },
  stdio: ["ignore", "inherit", "inherit"],
});
// A terminal sends Ctrl-C to us both; whoever asks us alone means the host.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => host.kill("SIGTERM"));

const address = await Promise.race([ready(), host.exited.then(() => null)]);
if (address === null) process.exit(host.exitCode ?? 1);
await makeExample(address);
await showFirstJob();
await Promise.race([host.exited, showJobs()]);
process.exit(await host.exited);

/** The usual port, or any when somebody else has it. */
async function portWords(): Promise<string[]> {
  try {
    Bun.serve({ hostname: "127.0.0.1", port: 8877, fetch: () => new Response() }).stop(true);
    return [];
  } catch {
    return ["--port", "0"];
  }
}

/** Resolves with the host's address once its handlers are registered. */
async function ready(): Promise<string> {
  for (const until = Date.now() + START_LIMIT_MS; Date.now() < until; await Bun.sleep(LOOK_MS)) {
    if (!existsSync(join(HOME, "host.sock"))) continue;
    const status = await qntx<{ ready: boolean; address: string | null }>("status").catch(() => null);
    if (status?.ready && status.address) return status.address;
  }
  throw new Error("The host did not become ready.");
}

async function makeExample(address: string): Promise<void> {
  const token = readFileSync(join(HOME, "operator.token"), "utf8").trim();
  const url = `${address}/healthz`;
  // The same poll again is answered with 409: it is there, and goes on.
  const answer = await fetch(`${address}/api/ix-json/polls`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ url, every: POLL_EVERY, name: "health" }),
  });
  if (!answer.ok && answer.status !== 409)
    throw new Error(`The poll could not be made: ${await answer.text()}`);
  await qntx("handler", "create", "--file", join(ROOT, "docs", "examples", "digest.ts"));
  await qntx(
    "schedule",
    "create",
    "digest",
    "--handler",
    "script.digest",
    "--every",
    "15s",
    "--if-not-exists",
  );
}

/** Says how long it took from the command to the first job that has run. */
async function showFirstJob(): Promise<void> {
  for (const until = Date.now() + START_LIMIT_MS; Date.now() < until; await Bun.sleep(LOOK_MS)) {
    const [first] = (await finished()).filter(({ state }) => state === "completed");
    if (!first) continue;
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    say(`\nFirst completed job after ${seconds} s: ${first.handler} → ${JSON.stringify(first.result)}`);
    say(`
qntx is at work on ${HOME}. In another terminal, try:

  dist/qntx status --watch                        what runs, waits and comes next
  dist/qntx schedule list                         a poll, a handler's schedule, a declared one
  dist/qntx job list                              what has run
  dist/qntx schedule ledger digest                what became of every occurrence
  dist/qntx job enqueue hello.greet --payload '{"who":"Ada"}' --wait
  dist/qntx schedule pause digest --note "lunch"  and: dist/qntx schedule resume digest
  dist/qntx handler create --file docs/examples/vacancies.py
  dist/qntx handler run vacancies

Ctrl-C ends it; what was made stays. Jobs as they end:
`);
    return;
  }
  throw new Error("No job was completed.");
}

/** Prints every job that ends, for as long as the host lives. */
async function showJobs(): Promise<never> {
  const seen = new Set<string>();
  for (;;) {
    const jobs = await finished().catch(() => []);
    for (const { id, handler, state, finishedAt, result } of jobs.toReversed()) {
      if (seen.has(id)) continue;
      seen.add(id);
      say(
        `${finishedAt}  ${handler.padEnd(16)} ${state.padEnd(10)} ${JSON.stringify(result)?.slice(0, 80) ?? ""}`,
      );
    }
    await Bun.sleep(1_000);
  }
}

async function finished(): Promise<Job[]> {
  const { jobs } = await qntx<{ jobs: Job[] }>("job", "list", "--limit", "50");
  return jobs.filter((job) => job.finishedAt !== null && Date.parse(job.finishedAt) >= startedAt);
}

/** Runs a command line with --json and gives its answer. */
async function qntx<T>(...words: string[]): Promise<T> {
  const child = Bun.spawn([QNTX, ...words, "--home", HOME, "--json"], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`qntx ${words.join(" ")}: ${stderr}`);
  const answer: T = JSON.parse(stdout);
  return answer;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
