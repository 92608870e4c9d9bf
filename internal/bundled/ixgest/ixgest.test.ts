import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MemoryHost, memoryJob } from "../memory-host.ts";
import { addCommits, git, makeRepository, manyCommits, tempFolder } from "./fixture.ts";
import { readRepository } from "./ixgest.ts";

setDefaultTimeout(60_000); // Git is started hundreds of times here, on machines that are busy.

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function temp(): Promise<string> {
  const folder = await tempFolder();
  folders.push(folder);
  return folder;
}

async function repositoryOf(commits: Parameters<typeof makeRepository>[0]): Promise<string> {
  const folder = await makeRepository(commits);
  folders.push(folder);
  return folder;
}

async function run(host: MemoryHost, payload: Record<string, unknown>, folder?: string) {
  return readRepository(memoryJob(host, payload), folder ?? (await temp()));
}

describe("a repository", () => {
  test("becomes attestations of its commits, authors and refs", async () => {
    const repository = await repositoryOf([
      {
        branch: "main",
        message: "first: äöü\n\nWith a body\nof two lines.\n",
        files: { a: "1\n2\n", b: "1\n" },
      },
      { branch: "main", message: "second", author: "Bob <bob@example.org>", files: { a: "1\n3\n" } },
    ]);
    git(repository, ["tag", "-a", "-m", "one", "v1", "main"]);
    const host = new MemoryHost();

    const result = await run(host, { repository });

    const head = git(repository, ["rev-parse", "main"]);
    const first = git(repository, ["rev-parse", "main~1"]);
    expect(result).toEqual({
      repository,
      commits: 2,
      authors: 2,
      refs: 2,
      added: 6,
      skipped: 0,
      more: false,
      heads: { main: head },
    });
    expect(host.ats.of("commit")).toMatchObject([
      {
        subjects: [first],
        contexts: [repository],
        actors: ["ada@example.org"],
        timestamp: 1_700_000_000_000,
        attributes: {
          author: "Ada",
          authorEmail: "ada@example.org",
          authoredAt: "2023-11-15T00:13:20+02:00",
          committedAt: "2023-11-14T22:13:20+00:00",
          subject: "first: äöü",
          body: "With a body\nof two lines.",
          parents: [],
          files: 2,
          insertions: 3,
          deletions: 0,
        },
      },
      { subjects: [head], attributes: { parents: [first], files: 1, insertions: 1, deletions: 1 } },
    ]);
    expect(host.ats.of("author").map((author) => author.subjects)).toEqual([
      ["ada@example.org"],
      ["bob@example.org"],
    ]);
    expect(host.ats.of("ref")).toMatchObject([
      { subjects: ["refs/heads/main"], attributes: { hash: head, kind: "heads", name: "main" } },
      { subjects: ["refs/tags/v1"], attributes: { target: head, kind: "tags", name: "v1" } },
    ]);
  });

  test("that has not changed adds nothing the second time", async () => {
    const repository = await repositoryOf(manyCommits(30));
    const host = new MemoryHost();
    await run(host, { repository });
    const before = host.ats.rows.length;

    const second = await run(host, { repository });

    expect(second).toMatchObject({ added: 0, commits: 0, authors: 0, refs: 0, skipped: 0 });
    expect(host.ats.rows.length).toBe(before);
  });

  test("that has grown adds what is new, and the ref that moved", async () => {
    const repository = await repositoryOf(manyCommits(3));
    const host = new MemoryHost();
    await run(host, { repository });
    addCommits(repository, [
      { branch: "main", message: "later", author: "Eve <eve@example.org>", at: 1_800_000_000 },
    ]);

    const second = await run(host, { repository });

    expect(second).toMatchObject({ commits: 1, authors: 1, refs: 1, added: 3, skipped: 0 });
    expect(host.ats.of("ref").map((ref) => ref.attributes["hash"])).toEqual([
      git(repository, ["rev-parse", "main~1"]),
      git(repository, ["rev-parse", "main"]),
    ]);
  });

  test("whose branch goes back and forth gets an attestation for each move", async () => {
    const repository = await repositoryOf(manyCommits(2));
    const host = new MemoryHost();
    await run(host, { repository });
    const [old, tip] = [git(repository, ["rev-parse", "main~1"]), git(repository, ["rev-parse", "main"])];
    for (const hash of [old, tip]) {
      git(repository, ["update-ref", "refs/heads/main", hash]);
      expect(await run(host, { repository })).toMatchObject({ refs: 1, added: 1 });
    }
    expect(host.ats.of("ref").map((ref) => ref.attributes["hash"])).toEqual([tip, old, tip]);
    expect(await run(host, { repository })).toMatchObject({ added: 0 });
  });

  test("whose history was rewritten adds the new commits and forgets none", async () => {
    const repository = await repositoryOf(manyCommits(4));
    const host = new MemoryHost();
    await run(host, { repository });
    git(repository, ["update-ref", "refs/heads/main", "main~2"]);
    addCommits(repository, [{ branch: "main", message: "instead", at: 1_800_000_000 }]);
    git(repository, ["reflog", "expire", "--expire=now", "--all"]);
    git(repository, ["gc", "--quiet", "--prune=now"]);

    expect(await run(host, { repository })).toMatchObject({ commits: 1, skipped: 2 });
    expect(host.ats.of("commit").length).toBe(5);
    expect(await run(host, { repository })).toMatchObject({ added: 0, skipped: 0 });
  });

  test("with a merge is read along both sides", async () => {
    const repository = await repositoryOf([
      { branch: "main", message: "base" },
      { branch: "side", message: "aside" },
      { branch: "main", message: "merged", merge: "side" },
    ]);
    const host = new MemoryHost();
    expect(await run(host, { repository })).toMatchObject({ commits: 3, refs: 2 });
    const merge = host.ats.of("commit").at(-1);
    expect(merge?.attributes["parents"]).toHaveLength(2);
    expect(merge?.attributes["files"]).toBeUndefined();
  });

  test("without commits gives zeros", async () => {
    const repository = await repositoryOf([]);
    const host = new MemoryHost();
    expect(await run(host, { repository })).toMatchObject({ added: 0, heads: {}, more: false });
    expect(host.ats.rows).toEqual([]);
  });

  test("on no branch is read from where its HEAD stands", async () => {
    const repository = await repositoryOf(manyCommits(3));
    git(repository, ["update-ref", "--no-deref", "HEAD", "main"]);
    git(repository, ["update-ref", "-d", "refs/heads/main"]);
    expect(await run(new MemoryHost(), { repository })).toMatchObject({ commits: 3, refs: 0 });
  });

  test("of 2,000 commits is written in batches, with progress, and once", async () => {
    const repository = await repositoryOf(manyCommits(2_000));
    const host = new MemoryHost();
    const calls: number[] = [];
    host.ats.beforeWrite = (attestations) => void calls.push(attestations.length);
    const job = memoryJob(host, { repository });

    expect(await readRepository(job, await temp())).toMatchObject({ commits: 2_000, authors: 3, refs: 1 });
    expect(job.steps.at(-1)).toEqual([2_000, 2_000]);
    expect(job.steps.length).toBe(10);
    expect(Math.max(...calls)).toBeLessThanOrEqual(256);
    expect(new Set(host.ats.of("commit").map((commit) => commit.subjects[0])).size).toBe(2_000);
    expect(await run(host, { repository })).toMatchObject({ added: 0, skipped: 0 });
  });
});

describe("a run", () => {
  test("that broke in the middle is continued without doubles", async () => {
    const repository = await repositoryOf(manyCommits(1_000));
    const host = new MemoryHost();
    let writes = 0;
    host.ats.beforeWrite = () => {
      if (++writes === 3) throw new Error("the host went away");
    };
    await expect(run(host, { repository })).rejects.toThrow("the host went away");
    expect(host.ats.of("commit").length).toBe(400);

    expect(await run(host, { repository })).toMatchObject({ commits: 600, skipped: 400, authors: 0 });
    expect(host.ats.of("commit").length).toBe(1_000);
    expect(host.ats.of("author").length).toBe(3);
  });

  test("that broke after a checkpoint goes on behind it", async () => {
    const repository = await repositoryOf(manyCommits(6_000));
    const host = new MemoryHost();
    host.ats.beforeWrite = () => {
      if (host.ats.of("commit").length > 5_000) throw new Error("the host went away");
    };
    await expect(run(host, { repository })).rejects.toThrow("the host went away");
    host.ats.beforeWrite = () => {};

    expect(await run(host, { repository })).toMatchObject({ commits: 800, skipped: 200 });
    expect(host.ats.of("commit").length).toBe(6_000);
  });

  test("that is cancelled ends git, and the next one goes on", async () => {
    const repository = await repositoryOf(manyCommits(2_000));
    const host = new MemoryHost();
    const cancel = new AbortController();
    const onProgress = () => cancel.abort(new Error("cancelled"));
    const job = memoryJob(host, { repository }, { signal: cancel.signal, onProgress });

    await expect(readRepository(job, await temp())).rejects.toThrow("cancelled");
    expect(host.ats.of("commit").length).toBe(200);
    expect(await run(host, { repository })).toMatchObject({ commits: 1_800, skipped: 200 });
  });

  test("that waits for a server which says nothing ends with all that git started", async () => {
    const reached = Promise.withResolvers<void>();
    const open = () => reached.resolve();
    const closed = Promise.withResolvers<void>();
    const close = () => closed.resolve();
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open, close, data() {} } });
    const cancel = new AbortController();
    const payload = { repository: `https://127.0.0.1:${server.port}/a` };
    const job = memoryJob(new MemoryHost(), payload, { signal: cancel.signal });
    const ended = readRepository(job, await temp());
    await reached.promise;
    cancel.abort(new Error("cancelled"));
    await expect(ended).rejects.toThrow("cancelled");
    await closed.promise; // Whoever held the connection is gone.
    server.stop(true);
  });

  test("with a limit reads a portion, and the next goes on after it", async () => {
    const repository = await repositoryOf(manyCommits(25));
    const host = new MemoryHost();
    const read = async () => {
      const { commits, skipped, more } = await run(host, { repository, limit: 10 });
      return [commits, skipped, more];
    };
    expect(await read()).toEqual([10, 0, true]);
    expect(await read()).toEqual([10, 0, true]);
    expect(await read()).toEqual([5, 0, false]);
    expect(await read()).toEqual([0, 0, false]);
    const subjects = host.ats.of("commit").map((commit) => commit.attributes["subject"]);
    expect(subjects).toEqual(Array.from({ length: 25 }, (_, i) => `change ${i}`));
  });

  test("that goes further back than the one before reads what that left out", async () => {
    const repository = await repositoryOf(manyCommits(10)); // One a second, from 22:13:20 on.
    const host = new MemoryHost();
    const since = "2023-11-14T22:13:26Z";
    expect(await run(host, { repository, since })).toMatchObject({ commits: 4 });
    expect(await run(host, { repository, since })).toMatchObject({ added: 0, skipped: 0 });
    expect(await run(host, { repository })).toMatchObject({ commits: 6, skipped: 4 });
    expect(await run(host, { repository })).toMatchObject({ added: 0, skipped: 0 });
    expect(await run(host, { repository, since })).toMatchObject({ added: 0, skipped: 0 });
  });

  test("of named branches leaves the others out", async () => {
    const repository = await repositoryOf([
      { branch: "main", message: "base" },
      { branch: "side", message: "aside" },
    ]);
    const host = new MemoryHost();
    const { commits, heads } = await run(host, { repository, branches: ["main"] });
    expect([commits, Object.keys(heads)]).toEqual([1, ["main"]]);
    expect(await run(host, { repository })).toMatchObject({ commits: 1, refs: 1 });
    expect(await run(host, { repository, branches: ["main"] })).toMatchObject({ added: 0 });
  });
});

describe("an address", () => {
  test("that is a URL is copied, fetched again, and follows what was deleted", async () => {
    const repository = await repositoryOf([...manyCommits(3), { branch: "side", message: "aside" }]);
    const folder = await temp();
    const host = new MemoryHost();
    const url = `file://${repository}/.git`;
    expect(await run(host, { repository: url }, folder)).toMatchObject({
      repository: `file://${repository}`,
      commits: 4,
    });
    expect(await readdir(join(folder, "repositories"))).toHaveLength(1);

    addCommits(repository, [{ branch: "main", message: "later", at: 1_800_000_000 }]);
    git(repository, ["branch", "-D", "side"]);
    const { commits, heads } = await run(host, { repository: url }, folder);
    expect([commits, Object.keys(heads)]).toEqual([1, ["main"]]);
    expect(await run(host, { repository: url }, folder)).toMatchObject({ added: 0 });
  });

  test("that names a linked worktree is the repository that it belongs to", async () => {
    const repository = await repositoryOf(manyCommits(2));
    const worktree = join(await temp(), "tree");
    git(repository, ["worktree", "add", "--quiet", "-b", "other", worktree, "main"]);
    expect(await run(new MemoryHost(), { repository: worktree })).toMatchObject({ repository, commits: 2 });
  });

  test("whose configuration names programs starts none of them", async () => {
    const repository = await repositoryOf(manyCommits(2));
    const folder = await temp();
    const trap = join(folder, "trap");
    await writeFile(trap, `#!/bin/sh\ntouch ${folder}/sprung\n`);
    await chmod(trap, 0o755);
    for (const key of ["gpg.program", "core.fsmonitor", "core.pager", "diff.external", "core.sshCommand"]) {
      git(repository, ["config", key, trap]);
    }
    git(repository, ["config", "log.showSignature", "true"]); // A plain `git log` starts gpg.program now.
    const signed = git(repository, ["cat-file", "commit", "main"]).replace("\n\n", "\ngpgsig x\n\nsigned: ");
    const hash = git(repository, ["hash-object", "-t", "commit", "-w", "--stdin"], `${signed}\n`);
    git(repository, ["update-ref", "refs/heads/main", hash]);

    expect(await run(new MemoryHost(), { repository })).toMatchObject({ commits: 2 });
    expect(await run(new MemoryHost(), { repository: `file://${repository}` })).toMatchObject({ commits: 2 });
    expect(await readdir(folder)).toEqual(["trap"]);
  });
});

describe("a repository that cannot be read is refused with a sentence that names it", () => {
  const cases: [string, (folder: string) => unknown, RegExp][] = [
    ["nothing there", (folder) => `${folder}/no`, /\/no does not exist on this machine/],
    ["a folder without a repository", (folder) => folder, /is not a git repository. Give its top folder/],
    ["a folder inside a repository", (folder) => `${folder}/repo/inside`, /inside is not a git repository/],
    ["a file", (folder) => `${folder}/file`, /is a file; give the folder/],
    ["an option", () => "--upload-pack=touch", /starts with "-"/],
    ["a helper", () => "ext::sh -c touch", /neither an absolute path nor/],
    ["ssh", () => "git@example.org:a/b.git", /for ssh, clone it yourself/],
    ["ssh as a URL", () => "ssh://git@example.org/a", /carries a login/],
    ["a URL of another kind", () => "http://example.org/a", /is not https:\/\/ or file:\/\//],
    [
      "a URL with a password",
      () => "https://me:secret@example.org/a",
      /carries a login, which a payload is no place/,
    ],
    ["a URL with nothing behind it", (folder) => `file://${folder}/no`, /was not found; check the address/],
    ["a host that does not answer", () => "https://localhost:1/a", /could not be reached/],
    ["nothing", () => undefined, /repository: is missing/],
    ["a number", () => 5, /repository: is missing/],
    ["lines", () => "/a\n/b", /control characters/],
  ];
  test.each(cases)("%s", async (_, repositoryIn, sentence) => {
    const folder = await temp();
    await writeFile(join(folder, "file"), "");
    git(folder, ["init", "--quiet", "repo"]);
    await mkdir(join(folder, "repo/inside"));
    const failed = await run(new MemoryHost(), { repository: repositoryIn(folder) }, await temp()).catch(
      (e) => e,
    );
    expect(failed.message).toMatch(sentence);
    expect(failed.message).not.toContain("secret");
    expect(failed.name).toBe(/reached/.test(String(sentence)) ? "Error" : "PermanentError");
  });

  const fields: [string, object, RegExp][] = [
    ["an unknown field", { branch: "main" }, /^branch: is not a field; there are repository, branches/],
    ["branches that are no list", { branches: "main" }, /^branches: must be a list/],
    ["a branch that is not there", { branches: ["dev"] }, /^branches: .* has no branch "dev"; it has main\./],
    ["a date that is none", { since: "soon" }, /^since: "soon" is not a date/],
    ["a time of an unknown zone", { since: "2025-01-01T10:00" }, /^since: "2025-01-01T10:00" is not a date/],
    ["a limit of nothing", { limit: 0 }, /^limit: 0 is not a whole number from 1 to/],
  ];
  test.each(fields)("%s", async (_, extra, sentence) => {
    const repository = await repositoryOf(manyCommits(1));
    await expect(run(new MemoryHost(), { repository, ...extra })).rejects.toThrow(sentence);
  });
});
