/**
 * Frontier: the few commits that stand for all that has been read.
 *
 * Commits arrive parents first, so everything below a commit that was read was
 * read too. It is enough to remember those that are no read commit's parent:
 *
 *     a ── b ── d          read a, b, c  →  frontier { b, c }
 *      └── c ──┘           then d        →  frontier { d }
 *
 * The next run asks git for everything but what they reach.
 */
const HEADS_MAX = 10_000; // 400 kB of hashes. Beyond it the oldest are read again, and skipped.

export class Frontier {
  readonly #heads: Set<string>;

  constructor(heads: readonly string[]) {
    this.#heads = new Set(heads);
  }

  /** Takes in a commit whose parents have been taken in, or are not to be read. */
  add(commit: { hash: string; parents: readonly string[] }): void {
    for (const parent of commit.parents) this.#heads.delete(parent);
    this.#heads.add(commit.hash);
  }

  heads(): string[] {
    return [...this.#heads].slice(-HEADS_MAX);
  }
}
