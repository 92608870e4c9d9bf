/** What the kernel holds plugins to, where it lets us ask: as root, or in a cgroup that was given to us. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { realEnv } from "../base/env.ts";
import { type CgroupLimits, Cgroups, pathsIn } from "./cgroup.ts";
import { isAlive, processInfo } from "./proc.ts";
import { tempFolder } from "./testdata/harness.ts";

const MIB = 1_048_576;

/** Cgroups of a folder of its own; null where there are none. */
function open(home: string): Cgroups | null {
  return Cgroups.open(home, [process.pid]);
}

test.each([
  ["0::/system.slice/qntx.service\n", { "": "/system.slice/qntx.service" }],
  ["8:pids:/\n4:cpu,cpuacct:/a:b\n0::/\n", { pids: "/", cpu: "/a:b", cpuacct: "/a:b", "": "/" }],
  ["", {}],
])("%j says where a process is", (text, paths) => {
  expect(Object.fromEntries(pathsIn(text))).toEqual(paths);
});

const probe = open(import.meta.path);
probe?.close();

/** Runs a program in a cgroup with limits, and tells how it ended and what it was refused. */
async function within(limits: CgroupLimits, argv: readonly string[]) {
  using temp = tempFolder();
  const cgroups = open(temp.path);
  const cgroup = cgroups?.make("one", limits);
  const child = Bun.spawn([...argv], { cgroup: cgroup?.path ?? "", stdout: "pipe", stderr: "ignore" });
  cgroup?.adopt();
  const [text] = await Promise.all([child.stdout.text(), child.exited]);
  const refusals = cgroup?.refusals();
  await cgroups?.clear(realEnv);
  cgroups?.close();
  return { text, signal: child.signalCode, refusals, isGone: !existsSync(cgroup?.path ?? "") };
}

test.skipIf(!probe?.holds("pids"))("who wants more processes than it may have gets none", async () => {
  const script = "for n in 1 2 3 4 5 6 7 8; do sleep 60 > /dev/null & done; echo done";
  const { refusals, isGone } = await within({ processes: 4 }, ["sh", "-c", script]);
  expect(refusals?.processes).toBeGreaterThan(0);
  expect(isGone).toBe(true); // With those that the shell has left behind.
});

test.skipIf(!probe?.holds("memory"))("who takes more memory than it may is ended, and alone", async () => {
  const take = "const all=[]; for(;;) all.push(Buffer.alloc(1048576, 1))";
  const { refusals, signal } = await within({ memoryBytes: 128 * MIB }, [process.execPath, "-e", take]);
  expect(signal).toBe("SIGKILL");
  expect(refusals?.memory).toBeGreaterThan(0);
});

test.skipIf(!probe?.holds("cpu"))("who has a tenth of a processor works a tenth of the time", async () => {
  const spin =
    "const until = Date.now() + 600; while (Date.now() < until); console.log(process.cpuUsage().user / 1000)";
  const { text } = await within({ cores: 0.1 }, [process.execPath, "-e", spin]);
  expect(Number(text)).toBeLessThan(300); // Milliseconds, its start included.
});

test.skipIf(!probe?.holds("pids"))(
  "who left its session and its parent is found, and ended at the next start",
  async () => {
    using temp = tempFolder();
    const earlier = open(temp.path)?.make("one", { processes: 10 });
    const words = ["setsid", "--fork", "env", "-i", "sh", "-c", "echo $$; exec sleep 600"];
    const child = Bun.spawn(words, { cgroup: earlier?.path ?? "", stdout: "pipe" });
    const first = await child.stdout.getReader().read();
    const info = processInfo(Number(new TextDecoder().decode(first.value)));
    if (!info) throw new Error("It did not say who it is.");
    expect(earlier?.members().map(({ pid }) => pid)).toContain(info.pid);

    const next = open(temp.path);
    expect(await next?.clear(realEnv)).toBe(1);
    expect(isAlive(info)).toBe(false);
    next?.close();
    expect(existsSync(earlier?.path ?? "")).toBe(false);
  },
);

test.skipIf(!probe)("what a host that was started elsewhere has left is ended and taken away", async () => {
  using temp = tempFolder();
  const home = join(temp.path, "home");
  mkdirSync(home);
  const ours = open(home)?.make("one", {}).path ?? "";
  const elsewhere = join(dirname(ours), "..", `elsewhere-${process.pid}`); // As another shell's session would be.
  const left = join(elsewhere, basename(dirname(ours)), "two");
  mkdirSync(left, { recursive: true });
  const child = Bun.spawn(["sleep", "600"], { cgroup: left });
  const others = [join(elsewhere, "not-ours"), "/tmp"];
  mkdirSync(others[0] ?? "");
  writeFileSync(join(home, "plugins.cgroups"), [dirname(left), ...others].join("\n"));

  const next = open(home);
  expect(await next?.clear(realEnv)).toBe(1);
  expect([await child.exited, child.signalCode]).toEqual([137, "SIGKILL"]);
  expect([existsSync(dirname(left)), existsSync(others[0] ?? "")]).toEqual([false, true]);
  next?.close();
  rmdirSync(others[0] ?? "");
  rmdirSync(elsewhere);
});

test("a place of v2 that another host's keeper found empty and took away is made again", () => {
  using temp = tempFolder();
  const place = join(temp.path, "qntx-1"); // A plain folder, in which the kernel's files are ours to write.
  new Cgroups(2, new Map([["pids", place] as const, ["cpu", place] as const])).make("one", {});
  expect(readFileSync(join(place, "cgroup.subtree_control"), "utf8")).toBe("+pids +cpu");
});
