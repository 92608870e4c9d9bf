/**
 * Statements: commits, authors and refs as attestations.
 *
 * | subject      | predicate | context    | actor        |
 * | commit hash  | commit    | repository | author email |
 * | author email | author    | repository | author email |
 * | ref name     | ref       | repository | ixgest       |
 */
import type { NewAttestation } from "../../../sdk/typescript/qntx.ts";
import type { Commit, Person } from "./commits.ts";
import type { Ref } from "./repository.ts";

const TEXT_CHARS_MAX = 1_000; // Subjects and actors are index keys; the host takes 1,024.
const SUBJECT_CHARS_MAX = 1_024; // A first line is a line.
export const BODY_CHARS_MAX = 65_536; // A statement, not a file store; longer ones are generated.
const PARENTS_MAX = 256; // The largest octopus of Linux has 66.

/** `<hash> commit`. Its time is when it was committed. */
export function commitStatement(commit: Commit, identity: string): NewAttestation {
  return {
    subjects: [commit.hash],
    predicates: ["commit"],
    contexts: [identity],
    actors: [authorKey(commit.author)],
    ...(commit.timestamp === undefined ? {} : { timestamp: commit.timestamp }),
    attributes: {
      author: commit.author.name,
      authorEmail: commit.author.email,
      authoredAt: commit.author.date,
      committer: commit.committer.name,
      committerEmail: commit.committer.email,
      committedAt: commit.committer.date,
      subject: commit.subject.slice(0, SUBJECT_CHARS_MAX),
      body: commit.body.slice(0, BODY_CHARS_MAX),
      parents: commit.parents.slice(0, PARENTS_MAX),
      ...commit.change,
    },
  };
}

/** `<email> author`, told by the first of the author's commits that was read. */
export function authorStatement(commit: Commit, identity: string): NewAttestation {
  const key = authorKey(commit.author);
  return {
    subjects: [key],
    predicates: ["author"],
    contexts: [identity],
    actors: [key],
    ...(commit.timestamp === undefined ? {} : { timestamp: commit.timestamp }),
    attributes: { name: commit.author.name, email: commit.author.email, firstCommit: commit.hash },
  };
}

/** `<ref name> ref`, with the hash that it points to. A ref that moves gets a new one. */
export function refStatement(ref: Ref, identity: string): NewAttestation {
  const [, kind = "", ...rest] = ref.name.split("/");
  return {
    subjects: [refKey(ref)],
    predicates: ["ref"],
    contexts: [identity],
    actors: ["ixgest"],
    attributes: { hash: ref.hash, target: ref.target, kind, name: rest.join("/") },
  };
}

/** What an author is known by: the address, or the name of one who gave none. */
export function authorKey(author: Person): string {
  return (author.email.trim() || author.name.trim() || "unknown").slice(0, TEXT_CHARS_MAX);
}

export function refKey(ref: Ref): string {
  return ref.name.slice(0, TEXT_CHARS_MAX);
}
