/**
 * Ingest: writes what is new in a repository as attestations.
 *
 * Safe to end at any moment and to run again: commits come parents first, each
 * batch asks which of its commits are written already, and the memory that
 * lets the next run start further on is written after what it speaks of.
 */
import type { Attestations, Job, NewAttestation } from "../../../sdk/typescript/qntx.ts";
import { newestOf } from "../newest.ts";
import {
  BODY_CHARS_MAX,
  authorKey,
  authorStatement,
  commitStatement,
  refKey,
  refStatement,
} from "./statements.ts";
import { type Commit, LOG_ARGS, readCommits } from "./commits.ts";
import { Frontier } from "./frontier.ts";
import { GitFailed, runGit, streamGit } from "./git.ts";
import { type Memory, recall, remembering } from "./memory.ts";
import { type Ref, type Repository, callOn, explain } from "./repository.ts";
import type { GitRequest } from "./request.ts";

export interface Ingested {
  /** New commits, authors and refs (moved ones too) that were written … */
  commits: number;
  authors: number;
  refs: number;
  /** … and their sum. */
  added: number;
  /** Commits that were read and had been written before. */
  skipped: number;
}

/** What is to be read: the refs that were asked for, and where reading starts. */
export interface Tips {
  refs: readonly Ref[];
  /** Commits; empty in an empty repository. */
  hashes: readonly string[];
}

const BATCH_COMMITS_MAX = 200; // Subjects of one query: the host takes 256 values in a field.
const BATCH_CHARS_MAX = 524_288; // Messages of one batch, so that its call stays far below 4 MiB.
const CHECKPOINT_COMMITS = 5_000; // Reading so many again after a crash takes seconds.

/** Writes what is new. Resolves when everything is on disk. */
export async function ingest(
  job: Job,
  repository: Repository,
  { since, limit }: Pick<GitRequest, "since" | "limit">,
  tips: Tips,
): Promise<Ingested & { more: boolean }> {
  const memory = await recall(job.qntx.ats, repository.identity, since);
  const ingestion = new Ingestion(job, repository.identity, since, memory);
  const revisions = { input: revisionsOf(tips.hashes, memory.heads), since };
  const waiting = tips.hashes.length === 0 ? 0 : await countCommits(repository, revisions, job.signal);
  if (waiting > 0) await writeCommits(ingestion, repository, revisions, Math.min(waiting, limit));
  await ingestion.writeRefs(tips.refs);
  return { ...ingestion.done, added: ingestion.added, more: waiting > limit };
}

interface Revisions {
  input: string;
  since: string | undefined;
}

function revisionsOf(tips: readonly string[], known: readonly string[]): string {
  return [...tips, ...known.map((hash) => `^${hash}`)].map((line) => `${line}\n`).join("");
}

/** Options stand before `--stdin`. A head that a rewrite has swept away is no error. */
function revisionArgs(since: string | undefined): string[] {
  return ["--ignore-missing", ...(since === undefined ? [] : [`--since=${since}`]), "--stdin"];
}

async function countCommits(repository: Repository, { input, since }: Revisions, signal: AbortSignal) {
  const args = ["rev-list", "--count", ...revisionArgs(since)];
  const answer = await runGit(callOn(repository, { args, input, signal }));
  if (answer.code !== 0) throw explain(answer.err, repository.identity);
  return Number(answer.out);
}

async function writeCommits(
  ingestion: Ingestion,
  repository: Repository,
  { input, since }: Revisions,
  total: number,
): Promise<void> {
  const { job } = ingestion;
  job.log(`reading ${total} commits of ${repository.identity}`);
  const args = [...LOG_ARGS, ...revisionArgs(since)];
  const texts = streamGit(callOn(repository, { args, input, signal: job.signal }));
  try {
    for await (const batch of inBatches(readCommits(texts), total)) {
      job.signal.throwIfAborted();
      await ingestion.write(batch);
      job.progress(ingestion.read, total, "commits");
    }
  } catch (error) {
    throw error instanceof GitFailed ? explain(error.err, repository.identity) : error;
  }
}

/** Groups commits into batches that one call can carry, and stops after `total`. */
export async function* inBatches(commits: AsyncIterable<Commit>, total: number): AsyncGenerator<Commit[]> {
  let batch: Commit[] = [];
  let chars = 0;
  let read = 0;
  for await (const commit of commits) {
    batch.push(commit);
    chars += Math.min(commit.body.length, BODY_CHARS_MAX);
    read += 1;
    if (read === total) break;
    if (batch.length < BATCH_COMMITS_MAX && chars < BATCH_CHARS_MAX) continue;
    yield batch;
    batch = [];
    chars = 0;
  }
  if (batch.length > 0) yield batch;
}

/** One run's writing: what it has counted, and how far it has come. */
class Ingestion {
  readonly job: Job;
  readonly done = { commits: 0, authors: 0, refs: 0, skipped: 0 };
  readonly #ats: Attestations;
  readonly #identity: string;
  readonly #since: string | undefined;
  readonly #frontier: Frontier;
  readonly #authorsSeen = new Set<string>();
  #refsDigest: string;
  #rememberedAt = 0;

  constructor(job: Job, identity: string, since: string | undefined, memory: Memory) {
    this.job = job;
    this.#ats = job.qntx.ats;
    this.#identity = identity;
    this.#since = since;
    this.#frontier = new Frontier(memory.heads);
    this.#refsDigest = memory.refsDigest;
  }

  get read(): number {
    return this.done.commits + this.done.skipped;
  }

  get added(): number {
    return this.done.commits + this.done.authors + this.done.refs;
  }

  async write(batch: readonly Commit[]): Promise<void> {
    const hashes = batch.map((commit) => commit.hash);
    const written = await this.#written("commit", hashes);
    const fresh = batch.filter((commit) => !written.has(commit.hash));
    const authors = await this.#newAuthors(batch);
    const statements = [
      ...fresh.map((commit) => commitStatement(commit, this.#identity)),
      ...authors.map((commit) => authorStatement(commit, this.#identity)),
    ];
    if (statements.length > 0) await this.#ats.createMany(statements);
    for (const commit of batch) this.#frontier.add(commit);
    this.done.commits += fresh.length;
    this.done.skipped += batch.length - fresh.length;
    this.done.authors += authors.length;
    if (this.read - this.#rememberedAt >= CHECKPOINT_COMMITS) await this.#remember([]);
  }

  /** Writes refs that are new or have moved, and what this run has to remember. Nothing when nothing changed. */
  async writeRefs(refs: readonly Ref[]): Promise<void> {
    const digest = digestOf(refs);
    const moved = digest === this.#refsDigest ? [] : await this.#movedRefs(refs);
    this.done.refs = moved.length;
    this.#refsDigest = digest;
    if (moved.length === 0 && this.read === this.#rememberedAt) return;
    await this.#remember(moved.map((ref) => refStatement(ref, this.#identity)));
  }

  /** Writes the statements, then the memory that says so. */
  async #remember(statements: readonly NewAttestation[]): Promise<void> {
    this.#rememberedAt = this.read;
    const memory = { heads: this.#frontier.heads(), refsDigest: this.#refsDigest };
    const all = [...statements, remembering(this.#identity, this.#since, memory)];
    for (let at = 0; at < all.length; at += BATCH_COMMITS_MAX) {
      await this.#ats.createMany(all.slice(at, at + BATCH_COMMITS_MAX));
    }
  }

  /** The first commit of each author that nothing is written about. */
  async #newAuthors(batch: readonly Commit[]): Promise<Commit[]> {
    const firsts = new Map<string, Commit>();
    for (const commit of batch) {
      const key = authorKey(commit.author);
      if (!this.#authorsSeen.has(key) && !firsts.has(key)) firsts.set(key, commit);
    }
    const written = await this.#written("author", [...firsts.keys()]);
    for (const key of firsts.keys()) this.#authorsSeen.add(key);
    return [...firsts].filter(([key]) => !written.has(key)).map(([, commit]) => commit);
  }

  async #movedRefs(refs: readonly Ref[]): Promise<Ref[]> {
    const filter = { predicates: ["ref"], contexts: [this.#identity] };
    const newest = await newestOf(this.#ats, refs.map(refKey), filter);
    return refs.filter((ref) => newest.get(refKey(ref))?.attributes["hash"] !== ref.hash);
  }

  /** Which of the subjects have an attestation with this predicate. */
  async #written(predicate: string, subjects: string[]): Promise<Set<string>> {
    if (subjects.length === 0) return new Set();
    const limit = subjects.length * 2; // One each; more only if two hosts wrote at once.
    const filter = { subjects, predicates: [predicate], contexts: [this.#identity], limit };
    return new Set((await this.#ats.query(filter)).flatMap((attestation) => attestation.subjects));
  }
}

function digestOf(refs: readonly Ref[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const ref of refs) hasher.update(`${ref.name} ${ref.hash}\n`);
  return hasher.digest("hex");
}
