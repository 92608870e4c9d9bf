/**
 * Git: runs the system's `git` so that nothing but reading happens.
 *
 * A repository is somebody else's data, and its own configuration can name
 * programs. So: argument vectors and never a shell, an environment of our own,
 * and settings on the command line, which stand above every file, that switch
 * off hooks, prompts, credential helpers and helper programs. Git tells its
 * troubles only in words; LC_ALL=C holds them still.
 */
import { PermanentError } from "../../../sdk/typescript/qntx.ts";

export interface GitCall {
  args: readonly string[];
  cwd: string;
  signal: AbortSignal;
  /** Written to its input. */
  input?: string;
  /** The one way by which git may fetch; none when left out. */
  protocol?: "file" | "https";
}

export interface GitAnswer {
  code: number;
  out: string;
  /** The end of what it said on stderr. */
  err: string;
}

/** Git ended with a code other than 0. */
export class GitFailed extends Error {
  override name = "GitFailed";
  readonly err: string;
  constructor(code: number, err: string) {
    super(`git ended with code ${code}: ${err.trim() || "it said nothing"}`);
    this.err = err;
  }
}

const OUT_BYTES_MAX = 33_554_432; // 32 MiB: a list of 200,000 refs.
const ERR_CHARS_MAX = 8_192; // The end of it tells why.
const PASSED_ON = [
  "PATH",
  "QNTX_RUN", // By which the host finds what a killed plugin leaves behind.
  "TMPDIR",
  "HTTPS_PROXY",
  "https_proxy",
  "NO_PROXY",
  "no_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

const SETTINGS = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.askPass=",
  "core.sshCommand=false",
  "core.gitProxy=",
  "core.alternateRefsCommand=true",
  "core.bigFileThreshold=1m", // Larger files are not compared line by line.
  "credential.helper=",
  "diff.renames=false",
  "gc.autoDetach=false", // Nothing of git outlives its call.
  "http.lowSpeedLimit=1000", // Slower than 1 kB/s …
  "http.lowSpeedTime=60", // … for a minute is a dead connection.
  "i18n.logOutputEncoding=UTF-8",
  "log.showRoot=true",
  "log.showSignature=false",
  "maintenance.autoDetach=false",
  "safe.directory=*", // It is often another user's folder; what that could start is off.
];

/** Runs git and answers with all that it said. Throws when it is missing, says too much, or the signal ends it. */
export async function runGit(call: GitCall): Promise<GitAnswer> {
  const { child, err, end } = start(call);
  const decoder = new TextDecoder();
  let out = "";
  let bytes = 0;
  try {
    for await (const chunk of child.stdout) {
      bytes += chunk.length;
      if (bytes > OUT_BYTES_MAX)
        throw new Error(`git ${call.args[0]} said more than ${OUT_BYTES_MAX} bytes.`);
      out += decoder.decode(chunk, { stream: true });
    }
    const code = await child.exited;
    call.signal.throwIfAborted();
    return { code, out: out + decoder.decode(), err: await err };
  } finally {
    await end();
  }
}

/** Runs git and hands out what it says between NULs, as it says it. Leaving the loop ends git. */
export async function* streamGit(call: GitCall): AsyncGenerator<string> {
  const { child, err, end } = start(call);
  try {
    yield* splitAtNul(child.stdout);
    const code = await child.exited;
    call.signal.throwIfAborted();
    if (code !== 0) throw new GitFailed(code, await err);
  } finally {
    await end();
  }
}

const FIELD_CHARS_MAX = 16_777_216; // A longer message is not one that a person wrote.

/** Cuts bytes into the texts between NULs; what follows the last NUL is the last text. */
export async function* splitAtNul(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder(); // Not fatal: old commits hold bytes that no encoding explains.
  let rest = "";
  for await (const chunk of chunks) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split("\0");
    rest = texts.pop() ?? "";
    if (rest.length > FIELD_CHARS_MAX)
      throw new PermanentError("The repository has a commit message over 16 MiB.");
    yield* texts;
  }
  yield rest + decoder.decode();
}

/** Starts git as the leader of a group of its own: what it starts for the network ends with it. */
function start(call: GitCall) {
  call.signal.throwIfAborted();
  const child = Bun.spawn([findGit(), "--no-pager", ...settings(), ...call.args], {
    cwd: call.cwd,
    env: environment(call),
    stdin: call.input === undefined ? "ignore" : new TextEncoder().encode(call.input),
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const kill = () => killGroup(child);
  call.signal.addEventListener("abort", kill);
  const end = async () => {
    call.signal.removeEventListener("abort", kill);
    kill();
    await child.exited;
  };
  return { child, err: tailOf(child.stderr), end };
}

/** Asks with SIGTERM, so that git removes its half-written packs and locks. */
function killGroup(child: Bun.Subprocess): void {
  if (child.exitCode !== null || child.signalCode !== null) return; // Its number may be another's by now.
  try {
    process.kill(-child.pid, "SIGTERM");
  } catch {
    // It ended in this very moment.
  }
}

function findGit(): string {
  const git = Bun.which("git", { PATH: process.env["PATH"] ?? "" });
  if (git === null) {
    throw new PermanentError(
      "There is no git on the PATH of this machine. Install it (on Debian: apt install git).",
    );
  }
  return git;
}

function settings(): string[] {
  return SETTINGS.flatMap((setting) => ["-c", setting]);
}

function environment({ cwd, protocol }: GitCall): Record<string, string> {
  const passedOn = PASSED_ON.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(passedOn),
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_ALLOW_PROTOCOL: protocol ?? "",
    GIT_ASKPASS: "",
    GIT_CEILING_DIRECTORIES: cwd.replace(/\/[^/]*\/?$/, "") || "/", // A folder inside a repository is not one.
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_NO_LAZY_FETCH: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
  };
}

async function tailOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text = (text + decoder.decode(chunk, { stream: true })).slice(-ERR_CHARS_MAX);
  }
  return text;
}
