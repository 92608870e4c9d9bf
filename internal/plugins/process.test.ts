import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { realEnv } from "../base/env.ts";
import type { PluginSource } from "./find.ts";
import { Leftovers } from "./leftovers.ts";
import { descendantsOf, isAlive, type ProcessInfo, processInfo } from "./proc.ts";
import { exitText, pluginEnvironment, PluginProcess } from "./process.ts";
import { tempFolder } from "./testdata/harness.ts";

setDefaultTimeout(60_000);

function shell(script: string, more: Partial<PluginSource> = {}): PluginSource {
  return {
    name: "sh",
    kind: "executable",
    argv: ["sh", "-c", script],
    args: [],
    path: null,
    digest: null,
    address: null,
    ...more,
  };
}

/** A process of a shell script, its printed lines, and its end with the test. */
function run(script: string) {
  const temp = tempFolder();
  const lines: string[] = [];
  let printed = Promise.withResolvers<void>();
  const running = new PluginProcess(realEnv, {
    source: shell(script),
    port: 0,
    home: temp.path,
    pythonPath: "",
    leftovers: new Leftovers(realEnv, join(temp.path, "run.json")),
    isolation: { self: [], cgroups: null, sectionOf: () => undefined },
    onRefused: () => {},
    onLine({ text }) {
      lines.push(text);
      printed.resolve();
    },
  });
  return {
    running,
    lines,
    home: temp.path,
    async printed(count: number) {
      while (lines.length < count) {
        printed = Promise.withResolvers();
        await printed.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      await running.kill();
      temp[Symbol.dispose]();
    },
  };
}

/** Resolves when the pid is no running process. */
async function ended(info: ProcessInfo): Promise<void> {
  while (isAlive(info)) await Bun.sleep(5);
}

test("the environment holds what is allowed and nothing else", () => {
  const from = {
    PATH: "/bin",
    HOME: "/home/x",
    LC_ALL: "C",
    TZ: "UTC",
    LD_PRELOAD: "/x.so",
    NODE_OPTIONS: "--require x",
    BUN_INSPECT: "1",
    AWS_SECRET_ACCESS_KEY: "s",
    QNTX_TOKEN: "t",
    LC_: "odd",
  };
  const common = {
    PATH: "/bin",
    HOME: "/home/x",
    LC_ALL: "C",
    TZ: "UTC",
    QNTX_PLUGIN_NAME: "sh",
    QNTX_RUN: "r",
  };
  expect(pluginEnvironment(from, { source: shell(""), run: "r", pythonPath: "/sdk" })).toEqual(common);
  const python = pluginEnvironment(from, {
    source: shell("", { kind: "python" }),
    run: "r",
    pythonPath: "/sdk",
  });
  expect(python).toEqual({ ...common, PYTHONPATH: "/sdk", PYTHONUNBUFFERED: "1" });
});

test("a process has its own group, session and working folder, and the environment it was given", async () => {
  await using one = run('echo "$PWD"; env | cut -d= -f1 | sort | tr "\\n" " "; echo; exec sleep 871.1');
  await one.printed(2);
  expect(one.lines[0]).toBe(join(one.home, "plugins-data", "sh"));
  const names = one.lines[1]
    ?.trim()
    .split(" ")
    .filter((name) => !/^(LC_.*|LANG|TZ|TMPDIR|_|SHLVL|OLDPWD)$/.test(name));
  expect(names).toEqual(["HOME", "PATH", "PWD", "QNTX_PLUGIN_NAME", "QNTX_RUN"]);
  expect(processInfo(one.running.pid)?.session).toBe(one.running.pid);
});

test("the port line is taken, what is nearly one is a line, and an end without line feed is kept", async () => {
  await using one = run(
    'printf "hello\\r\\nQNTX_PLUGIN_PORT=1x\\n QNTX_PLUGIN_PORT=1\\nQNTX_PLUGIN_PORT=4711\\nlast"; exit 5',
  );
  expect(await one.running.announced).toBe(4711);
  expect(await one.running.exited).toEqual({ code: 5, signal: null });
  await one.running.gone;
  expect(one.lines).toEqual(["hello", "QNTX_PLUGIN_PORT=1x", " QNTX_PLUGIN_PORT=1", "last"]);
});

test("stop closes the lifeline, and twice is once", async () => {
  await using one = run("trap 'echo term' TERM; echo up; cat; echo eof; exit 4");
  await one.printed(1);
  const exit = one.running.stop(5_000);
  expect(one.running.stop(1)).toBe(exit);
  expect(await exit).toMatchObject({ signal: null });
  expect(one.lines).toContain("eof");
});

test("stop kills what ignores SIGTERM, with its children, also those in a session of their own", async () => {
  await using one = run(
    "trap '' TERM; setsid sleep 872.1 & sleep 872.2 & echo up; while :; do sleep 872.3; done",
  );
  await one.printed(1);
  const family: ProcessInfo[] = [];
  while (family.length < 3) family.splice(0, family.length, ...descendantsOf(one.running.pid));
  expect(await one.running.stop(100)).toEqual({ code: null, signal: "SIGKILL" });
  await Promise.all(family.map(ended));
});

test("what a process leaves behind when it ends by itself is ended too", async () => {
  await using one = run("setsid sleep 873.1 & sleep 873.2 & echo $!; exit 0");
  await one.printed(1);
  const child = processInfo(Number(one.lines[0]));
  await one.running.gone;
  expect(child === null || !isAlive(child)).toBe(true);
});

test("a program that does not exist says so", () => {
  using temp = tempFolder();
  const source = shell("", { argv: [join(temp.path, "none")], path: join(temp.path, "none") });
  const start = () =>
    new PluginProcess(realEnv, {
      source,
      port: 0,
      home: temp.path,
      pythonPath: "",
      leftovers: new Leftovers(realEnv, join(temp.path, "run.json")),
      isolation: { self: [], cgroups: null, sectionOf: () => undefined },
      onLine() {},
      onRefused() {},
    });
  expect(start).toThrow("Plugin sh could not be started: ENOENT");
});

test.each([
  ["memory", { memory: 4 * 1_048_576 }, "it took more than its 4 MiB of memory"],
  ["processes", { processes: 2 }, "it had more than its 2 processes"],
])(
  "where the kernel does not see to %s, a process that takes too much is ended",
  async (_, limits, excess) => {
    using temp = tempFolder();
    const refused: string[] = [];
    const running = new PluginProcess(realEnv, {
      source: shell(`${process.execPath} -e 'setInterval(() => {}, 1000)' & sleep 600 & wait`),
      port: 0,
      home: temp.path,
      pythonPath: "",
      leftovers: new Leftovers(realEnv, join(temp.path, "run.json")),
      isolation: { self: [], cgroups: null, sectionOf: (plugin) => ({ plugin, ...limits }) },
      onLine() {},
      onRefused: (what) => refused.push(what),
    });
    expect(running.isolation.limits).toMatchObject([{ by: "the host, which looks every second" }]);
    expect(exitText(await running.gone)).toBe(`signal SIGKILL, because ${excess}`);
    expect(refused).toEqual([`was ended, because ${excess}`]);
  },
);
