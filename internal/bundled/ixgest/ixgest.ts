/**
 * ixgest: reads git repositories into attestations.
 *
 * One handler, `ixgest.git`. Enqueue it once to read a repository, or give it a
 * schedule to follow one: a run on a repository that has not changed writes
 * nothing. What it writes is listed in `statements.ts`.
 */
import { PermanentError, definePlugin, type Job } from "../../../sdk/typescript/qntx.ts";
import { type Ingested, ingest, type Tips } from "./ingest.ts";
import { headOf, listRefs, openRepository, type Ref, type Repository } from "./repository.ts";
import { type GitRequest, parseRequest } from "./request.ts";

const TIMEOUT_MS = 3_600_000; // An hour: the first copy of a large repository over a slow line.
const HEADS_SHOWN_MAX = 100; // Of a result that somebody looks at; the attestations have them all.

/** What a job of `ixgest.git` answers. */
export interface GitResult extends Ingested {
  repository: string;
  /** Branch → hash. */
  heads: Record<string, string>;
  /** True when `limit` left commits for the next run. */
  more: boolean;
}

export default definePlugin({
  name: "ixgest",
  version: "0.1.0",
  description: "Reads git repositories into attestations: commits, authors, refs.",
  jobs: {
    git: {
      run: (job) => readRepository(job, process.cwd()),
      timeoutMs: TIMEOUT_MS,
      concurrency: 1, // Two runs over one repository at once could write a commit twice.
      description: "Reads what is new in a git repository (a folder or an https:// address).",
    },
  },
});

/** Runs `ixgest.git`. Copies of URLs go below `folder`, the plugin's own. */
export async function readRepository(job: Job, folder: string): Promise<GitResult> {
  const request = parseRequest(job.payload);
  const where = request.address.kind === "url" ? request.address.url : request.address.path;
  job.log(request.address.kind === "url" ? `fetching ${where}` : `opening ${where}`);
  const repository = await openRepository(request.address, folder, job.signal);
  const tips = await tipsOf(repository, request, job.signal);
  const { more, ...ingested } = await ingest(job, repository, request, tips);
  job.log(`added ${ingested.added} attestations`, { ...ingested });
  return { repository: repository.identity, ...ingested, heads: headsOf(tips.refs), more };
}

async function tipsOf(repository: Repository, { branches }: GitRequest, signal: AbortSignal): Promise<Tips> {
  const all = await listRefs(repository, signal);
  const refs =
    branches.length === 0 ? all.filter(isOwn) : branches.map((name) => findBranch(name, all, repository));
  const hashes = refs.filter((ref) => ref.type === "commit").map((ref) => ref.target);
  const head = branches.length === 0 ? await headOf(repository, signal) : undefined;
  return { refs, hashes: [...new Set(head === undefined ? hashes : [...hashes, head])] };
}

/** Branches of remotes are copies of somebody else's; they are read when they are asked for. */
function isOwn(ref: Ref): boolean {
  return !ref.name.startsWith("refs/remotes/");
}

function findBranch(name: string, refs: readonly Ref[], { identity }: Repository): Ref {
  const names = [`refs/heads/${name}`, `refs/remotes/${name}`];
  const found = refs.find((ref) => names.includes(ref.name));
  if (found) return found;
  const known = refs.filter((ref) => ref.name.startsWith("refs/heads/")).map((ref) => ref.name.slice(11));
  const list = known.slice(0, 10).join(", ") || "no branches";
  throw new PermanentError(`branches: ${identity} has no branch ${JSON.stringify(name)}; it has ${list}.`);
}

function headsOf(refs: readonly Ref[]): Record<string, string> {
  const heads = refs.filter((ref) => !ref.name.startsWith("refs/tags/")).slice(0, HEADS_SHOWN_MAX);
  return Object.fromEntries(heads.map((ref) => [ref.name.replace(/^refs\/(heads|remotes)\//, ""), ref.hash]));
}
