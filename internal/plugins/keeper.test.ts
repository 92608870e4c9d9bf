import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { allProcesses, processInfo, signal } from "./proc.ts";
import { tempFolder, writeProgram } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const FIXTURES = join(import.meta.dir, "testdata");
const isLinux = process.platform === "linux";
/** What each test has started, by the number that its sleepers sleep: nothing of it may outlive the test. */
const marks: string[] = [];

afterEach(() => {
  for (const mark of marks.splice(0)) for (const pid of withMark(mark)) signal(pid, "SIGKILL");
});

/** Pids of running processes that have the mark in their command line. */
function withMark(mark: string): number[] {
  return allProcesses().flatMap(({ pid, state }) => {
    try {
      return state !== "Z" &&
        pid !== process.pid &&
        readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(mark)
        ? pid
        : [];
    } catch {
      return [];
    }
  });
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(10);
}

/**
 * A home with a plugin that forks: a child, a child in a session of its own,
 * and one in a session of its own whose parent has ended.
 */
function family(): { home: string; folder: string; mark: string } & Disposable {
  const temp = tempFolder();
  const home = join(temp.path, "home");
  const folder = join(temp.path, "plugins");
  mkdirSync(home);
  mkdirSync(folder);
  const mark = `9${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  marks.push(mark, temp.path);
  writeProgram(
    join(folder, "qntx-forks-plugin"),
    [
      "#!/bin/sh",
      `sleep ${mark}.1 &`,
      `setsid sleep ${mark}.2 &`,
      `(setsid sh -c 'trap "" TERM HUP; sleep ${mark}.3; :' &)`,
      `exec ${process.execPath} ${join(FIXTURES, "odd.ts")} --name forks --mode plain "$@"`,
      "",
    ].join("\n"),
  );
  return { home, folder, mark, [Symbol.dispose]: temp[Symbol.dispose] };
}

/** Starts a host under a keeper and waits until its plugin and all the sleepers are there. */
async function start({ home, folder, mark }: { home: string; folder: string; mark: string }) {
  const host = [process.execPath, join(FIXTURES, "host.ts"), home, folder, "forks"];
  const keeper = Bun.spawn([process.execPath, join(FIXTURES, "keeper.ts"), ...host], {
    stdin: "ignore",
    stdout: "pipe",
    env: { ...process.env },
  });
  const [, pid, state, kept] = (await firstLine(keeper.stdout)).split(" ");
  expect([state, kept]).toEqual(["ready", "kept"]);
  await until(() => withMark(`sleep\0${mark}`).length === 3);
  return { keeper, hostPid: Number(pid) };
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.trim();
}

/** Everything of the test: keeper, host, plugin and sleepers have the folder or the mark in their command lines. */
function left(of: { home: string; folder: string; mark: string }): number[] {
  return [...withMark(of.folder), ...withMark(of.mark)];
}

test.skipIf(!isLinux)(
  "when the host is killed, the keeper ends its whole family and says how it ended",
  async () => {
    using of = family();
    const { keeper, hostPid } = await start(of);
    signal(hostPid, "SIGKILL");
    expect(await keeper.exited).toBe(128 + 9);
    expect(left(of)).toEqual([]);
  },
);

test.skipIf(!isLinux)("when the keeper is killed, the host ends its whole family and itself", async () => {
  using of = family();
  const { keeper } = await start(of);
  keeper.kill("SIGKILL");
  await until(() => left(of).length === 0);
});

test.skipIf(!isLinux)("what outlives the killing of both is ended by the next host", async () => {
  using of = family();
  const { keeper, hostPid } = await start(of);
  // Stopped first, so that neither can do anything about the other's death.
  signal(hostPid, "SIGSTOP");
  keeper.kill("SIGKILL");
  signal(hostPid, "SIGKILL");
  await keeper.exited;
  expect(left(of).length).toBeGreaterThan(0);

  const old = new Set(left(of));
  const next = await start(of);
  expect(left(of).filter((pid) => old.has(pid))).toEqual([]);
  next.keeper.kill("SIGTERM");
  await next.keeper.exited;
  expect(left(of)).toEqual([]);
});

test.skipIf(!isLinux)("a signal reaches the host once, and its exit code comes back", async () => {
  using of = family();
  const { keeper } = await start(of);
  keeper.kill("SIGTERM");
  expect(await keeper.exited).toBe(41); // 40 and one for each signal.
  expect(left(of)).toEqual([]);
});

test.skipIf(!isLinux)("an adopted child that ends is reaped while the host runs", async () => {
  using temp = tempFolder();
  const [born, done] = [join(temp.path, "born"), join(temp.path, "done")];
  const orphan = `echo $$ > ${born}.new; mv ${born}.new ${born}; exit 3`;
  const script = `(setsid sh -c '${orphan}' &); while [ ! -e ${done} ]; do sleep 0.02; done`;
  const keeper = Bun.spawn([process.execPath, join(FIXTURES, "keeper.ts"), "sh", "-c", script], {
    stdin: "ignore",
    stdout: "ignore",
    env: { ...process.env },
  });
  await until(() => existsSync(born));
  const pid = Number(readFileSync(born, "utf8"));
  await until(() => processInfo(pid) === null); // Not even a zombie.
  await Bun.write(done, "");
  expect(await keeper.exited).toBe(0);
});
