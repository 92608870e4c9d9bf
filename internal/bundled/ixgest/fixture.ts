/**
 * Fixture: repositories of any shape for the tests, made by git in temp folders.
 *
 * `fast-import` makes two thousand commits in a tenth of a second.
 */
import { mkdtemp, realpath } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FixtureCommit {
  /** On which branch; it stands on the branch's last commit. */
  branch: string;
  message: string;
  author?: string;
  /** Seconds since 1970. */
  at?: number;
  /** Name → content; a new file of its own when left out. */
  files?: Record<string, string>;
  /** Another branch to merge. */
  merge?: string;
}

/** Makes an empty folder with a real path. */
export async function tempFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), "ixgest-")));
}

/** Makes a repository (not bare) and answers its folder. */
export async function makeRepository(commits: readonly FixtureCommit[]): Promise<string> {
  const folder = await tempFolder();
  git(folder, ["init", "--quiet", "--initial-branch=main"]);
  addCommits(folder, commits);
  return folder;
}

/** Adds commits to a repository, as a push would. */
export function addCommits(folder: string, commits: readonly FixtureCommit[]): void {
  const started = new Set<string>();
  const stream = commits.map((commit, i) => commitCommand(commit, i, folder, started)).join("");
  git(folder, ["fast-import", "--quiet", "--force"], stream);
}

/** `count` commits on main, by three authors in turn. */
export function manyCommits(count: number): FixtureCommit[] {
  return Array.from({ length: count }, (_, i) => ({
    branch: "main",
    message: `change ${i}`,
    author: `Author ${i % 3} <author${i % 3}@example.org>`,
    at: 1_700_000_000 + i,
    files: { [`file${i % 50}`]: `${i}\n` },
  }));
}

/** Runs git in a folder and answers what it printed. Throws when it fails. */
export function git(folder: string, args: readonly string[], input = ""): string {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"];
  const ran = Bun.spawnSync(["git", ...who, ...args], { cwd: folder, env, stdin: Buffer.from(input) });
  if (ran.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${ran.stderr.toString()}`);
  return ran.stdout.toString().trim();
}

function commitCommand(commit: FixtureCommit, index: number, folder: string, started: Set<string>): string {
  const { branch, message, author = "Ada <ada@example.org>", at = 1_700_000_000 + index } = commit;
  const files = Object.entries(commit.files ?? { [`file-${branch}-${at}`]: `${message}\n` });
  const from = started.has(branch) || !hasBranch(folder, branch) ? "" : `from refs/heads/${branch}^0\n`;
  started.add(branch);
  return [
    `commit refs/heads/${branch}\n`,
    `author ${author} ${at} +0200\ncommitter ${author} ${at} +0000\n`,
    data(message),
    from,
    commit.merge === undefined ? "" : `merge refs/heads/${commit.merge}\n`,
    ...files.map(([name, content]) => `M 644 inline ${name}\n${data(content)}`),
    "\n",
  ].join("");
}

function hasBranch(folder: string, branch: string): boolean {
  return git(folder, ["for-each-ref", `refs/heads/${branch}`]) !== "";
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}
