/**
 * Repository: opens what an address names, for reading.
 *
 * A folder is read where it is. A URL is kept as a bare copy in the plugin's
 * working folder and fetched into at each run; a fetch that was cut short
 * leaves a copy that the next one completes. The identity is the context of
 * every attestation about it, so two spellings of one place give one identity.
 */
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { PermanentError } from "../../../sdk/typescript/qntx.ts";
import { type GitAnswer, type GitCall, runGit } from "./git.ts";
import type { Address } from "./request.ts";

export interface Repository {
  identity: string;
  /** The folder that holds its objects. */
  gitDir: string;
}

export interface Ref {
  /** In full: `refs/heads/main`. */
  name: string;
  hash: string;
  /** What an annotated tag points to; else the same as `hash`. */
  target: string;
  /** Of the target: commit, tree or blob. */
  type: string;
}

/** Opens a repository, fetching it first when it has a URL. Throws a sentence when that cannot be done. */
export function openRepository(address: Address, folder: string, signal: AbortSignal): Promise<Repository> {
  return address.kind === "path" ? openFolder(address.path, signal) : fetchCopy(address, folder, signal);
}

/** Runs git on an opened repository. */
export function callOn(repository: Repository, call: Omit<GitCall, "cwd">): GitCall {
  return { ...call, args: [`--git-dir=${repository.gitDir}`, ...call.args], cwd: repository.gitDir };
}

async function openFolder(path: string, signal: AbortSignal): Promise<Repository> {
  const found = await stat(path).catch(() => undefined);
  if (!found)
    throw new PermanentError(`The folder ${path} does not exist on this machine, or qntx may not see it.`);
  if (!found.isDirectory())
    throw new PermanentError(`${path} is a file; give the folder that holds the repository.`);
  const args = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
  const answer = await runGit({ args, cwd: await realpath(path), signal });
  if (answer.code !== 0) {
    throw new PermanentError(
      `${path} is not a git repository. Give its top folder, the one with .git in it, or a bare repository.`,
    );
  }
  const gitDir = await realpath(answer.out.trimEnd());
  return { identity: gitDir.replace(/(.)\/\.git$/, "$1"), gitDir };
}

async function fetchCopy(
  { url, protocol }: Address & { kind: "url" },
  folder: string,
  signal: AbortSignal,
): Promise<Repository> {
  const identity = url.replace(/\/+$/, "").replace(/\/?\.git$/, "");
  const key = new Bun.CryptoHasher("sha256").update(identity).digest("hex").slice(0, 32);
  const gitDir = join(folder, "repositories", `${key}.git`);
  const init = ["init", "--quiet", "--bare", "--template=", "--", gitDir];
  refuseFailure(await runGit({ args: init, cwd: folder, signal }), identity);
  const refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
  const options = [
    "--quiet",
    "--prune",
    "--force",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
  ];
  const args = ["fetch", ...options, "--", url, ...refs];
  refuseFailure(await runGit(callOn({ identity, gitDir }, { args, signal, protocol })), identity);
  return { identity, gitDir };
}

const REFS_MAX = 20_000; // Ten times what busy repositories have.
const REF_FORMAT = ["refname", "objectname", "objecttype", "*objectname", "*objecttype"];

/** Lists branches, remote branches and tags. */
export async function listRefs(repository: Repository, signal: AbortSignal): Promise<Ref[]> {
  const format = `--format=${REF_FORMAT.map((field) => `%(${field})`).join("%09")}`;
  const args = ["for-each-ref", format, "refs/heads", "refs/remotes", "refs/tags"];
  const answer = await runGit(callOn(repository, { args, signal }));
  refuseFailure(answer, repository.identity);
  const lines = answer.out.split("\n").filter((line) => line !== "");
  if (lines.length > REFS_MAX) {
    throw new PermanentError(
      `${repository.identity} has ${lines.length} refs; ${REFS_MAX} are the most that is read.`,
    );
  }
  return lines.map(readRef);
}

function readRef(line: string): Ref {
  const [name = "", hash = "", type = "", target = "", targetType = ""] = line.split("\t");
  return { name, hash, target: target || hash, type: targetType || type };
}

/** The commit that HEAD stands on; undefined in an empty repository. On no branch, nothing else may lead to it. */
export async function headOf(repository: Repository, signal: AbortSignal): Promise<string | undefined> {
  const args = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
  const answer = await runGit(callOn(repository, { args, signal }));
  return answer.code === 0 ? answer.out.trimEnd() : undefined;
}

// What git says        what it means, and the way out; those that trying again may mend are not permanent.
const MEANINGS: readonly [said: RegExp, permanent: boolean, means: string][] = [
  [/dubious ownership/, true, "belongs to another user; give its path instead of its URL"],
  [
    /could not read (Username|Password)|Authentication failed|HTTP 40[13]|returned error: 40[13]/,
    true,
    "asks for a login, or does not exist; clone it yourself and give the path",
  ],
  [
    /not found|does not exist|does not appear to be a git repository|No such file|returned error: 404/,
    true,
    "was not found; check the address",
  ],
  [/bad object|missing (blob|tree|commit)|unable to read/, true, "lacks objects; run git fsck in it"],
  [/Could not resolve host|Failed to connect|Connection|timed out/, false, "could not be reached"],
];

/** Turns what git said into an error that names the repository and the way out. */
export function explain(err: string, identity: string): Error {
  const known = MEANINGS.find(([said]) => said.test(err));
  const last =
    err
      .trim()
      .split("\n")
      .find((line) => /^(fatal|error)/.test(line)) ?? err.trim();
  if (!known) return new Error(`git failed on ${identity}: ${last || "it did not say why"}`);
  const [, permanent, means] = known;
  const sentence = `${identity} ${means}. (git: ${last})`;
  return permanent ? new PermanentError(sentence) : new Error(sentence);
}

function refuseFailure(answer: GitAnswer, identity: string): void {
  if (answer.code !== 0) throw explain(answer.err, identity);
}
