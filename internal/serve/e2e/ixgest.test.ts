/**
 * `ixgest.git` in the binary, on a real repository of some thousand commits: what git
 * has and what the attestations say must be the same, once each, also when the host
 * is killed in the middle.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { addCommits, git, makeRepository, manyCommits } from "../../bundled/ixgest/fixture.ts";
import { type JobShown, Place } from "./host.ts";

setDefaultTimeout(120_000); // Some seconds where nothing else runs.

interface Said {
  subjects: string[];
  actors: string[];
  contexts: string[];
  attributes: Record<string, unknown>;
}

const COMMITS = 4_000;

/** A repository with a branch, a merge and an annotated tag, gone at the end of the test. */
async function repository(): Promise<{ path: string } & Disposable> {
  const path = await makeRepository([
    ...manyCommits(COMMITS),
    { branch: "side", message: "Bär 🐻", author: "Öl <oel@example.org>" },
    { branch: "main", message: "merge it", merge: "side" },
  ]);
  git(path, ["tag", "-a", "v1", "-m", "first", "main"]);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

async function started(): Promise<Place> {
  const place = new Place();
  await place.start();
  await place.working();
  return place;
}

async function said(place: Place, predicate: string): Promise<Said[]> {
  const words = ["ats", "query", "--predicate", predicate, "--limit", "10000"];
  return (await place.json<{ attestations: Said[] }>(...words)).attestations;
}

function hashes(path: string): string[] {
  return git(path, ["rev-list", "--all"]).split("\n").toSorted();
}

/** Starts a run and waits until it has said how far it is, before its end. */
async function runUntilProgress(place: Place, path: string): Promise<string> {
  const id = await place.enqueue("ixgest.git", { repository: path });
  await place.until("progress of a running job", async () => {
    const { state, progress } = await place.call<JobShown>("job.show", { id });
    expect(["queued", "running"]).toContain(state);
    return progress && progress.current > 0 && progress.current < progress.total;
  });
  return id;
}

test("a repository becomes attestations, with progress; a second run adds nothing, a third what is new", async () => {
  using made = await repository();
  await using place = await started();

  const first = await place.ended(await runUntilProgress(place, made.path));
  const total = COMMITS + 2;
  expect(first).toMatchObject({
    state: "completed",
    progress: { current: total, total, message: "commits" },
    result: { repository: made.path, commits: total, authors: 5, refs: 3, more: false },
  });
  const commits = await said(place, "commit");
  expect(commits.flatMap(({ subjects }) => subjects).toSorted()).toEqual(hashes(made.path));
  const bear = commits.find(({ attributes }) => attributes["subject"] === "Bär 🐻");
  expect(bear).toMatchObject({ actors: ["oel@example.org"], contexts: [made.path] });
  expect(bear?.attributes).toMatchObject({ author: "Öl", authorEmail: "oel@example.org" });
  const refs = (await said(place, "ref")).map(({ subjects, attributes }) => [
    subjects[0],
    attributes["hash"],
  ]);
  const known = git(made.path, ["for-each-ref", "--format=%(refname) %(objectname)"]).split("\n");
  expect(refs.map((ref) => ref.join(" ")).toSorted()).toEqual(known.toSorted());

  const second = await place.ended(await place.enqueue("ixgest.git", { repository: made.path }));
  expect(second).toMatchObject({ state: "completed", result: { added: 0, skipped: 0 } });
  expect(await said(place, "commit")).toHaveLength(total);

  addCommits(made.path, [{ branch: "main", message: "one more", author: "Neu <neu@example.org>" }]);
  const third = await place.ended(await place.enqueue("ixgest.git", { repository: made.path }));
  expect(third).toMatchObject({ result: { commits: 1, authors: 1, refs: 1, added: 3 } });
  expect((await said(place, "commit")).flatMap(({ subjects }) => subjects).toSorted()).toEqual(
    hashes(made.path),
  );
});

test("a host that is killed in the middle goes on where it was, and writes no commit twice", async () => {
  using made = await repository();
  await using place = await started();

  const id = await runUntilProgress(place, made.path);
  await place.host.crash();
  await place.start();
  const job = await place.ended(id);
  expect(job).toMatchObject({ state: "completed", attempt: 1, interrupted: 1, result: { more: false } });
  const commits = (await said(place, "commit")).flatMap(({ subjects }) => subjects);
  expect(commits.toSorted()).toEqual(hashes(made.path));
});

test("what is wrong with a request is said at once, and not tried again", async () => {
  await using place = await started();
  const rows = [
    [{ repository: "/nowhere/at/all" }, "does not exist on this machine"],
    [{ repository: place.home }, "is not a git repository"],
    [{ repository: "relative/path" }, "neither an absolute path"],
    [{}, "repository: is missing"],
  ] as const;
  for (const [payload, sentence] of rows) {
    const job = await place.ended(await place.enqueue("ixgest.git", payload));
    expect(job).toMatchObject({ state: "failed", attempt: 1 });
    expect(job.error?.message).toContain(sentence);
  }
});
