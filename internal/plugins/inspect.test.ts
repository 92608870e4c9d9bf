import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { realEnv } from "../base/env.ts";
import { type Inspection, inspectPlugin } from "./inspect.ts";
import { tempFolder } from "./testdata/harness.ts";

const RAN = (marker: string) => `await Bun.write(${JSON.stringify(marker)}, "");`;

const CASES: [what: string, files: Record<string, string>, path: string, found: object][] = [
  [
    "a module",
    {
      "poller.ts": `export default definePlugin({ name: "poller", version: "1.2.0", capabilities: ["cap:scheduler.manage"],
        jobs: { poll() {} }, schedules: [{ id: "often", handler: "poll", when: "30s" }], http: { "GET /state": () => 1 } });`,
    },
    "poller.ts",
    {
      kind: "typescript",
      problems: [],
      announces: {
        name: "poller",
        version: "1.2.0",
        capabilities: ["cap:scheduler.manage"],
        handlers: ["poller.poll"],
        schedules: ["often: poll at 30s"],
        endpoints: ["GET /state"],
        open: [],
      },
    },
  ],
  [
    "a program in Python",
    {
      "poller.py": `plugin = Plugin("poller", version="1.2.0")\nplugin.schedule("often", "poll", "30s")\n@plugin.job("poll")\ndef poll(job): pass\n@plugin.websocket\ndef talk(socket, host): pass\nplugin.run()`,
    },
    "poller.py",
    {
      kind: "python",
      problems: [],
      announces: { handlers: ["poller.poll"], schedules: ["often: poll at 30s"], endpoints: ["WebSocket"] },
    },
  ],
  [
    "a folder with a manifest",
    {
      "poller/package.json": `{ "name": "poller", "version": "3.0.0", "description": "Polls", "qntx-plugin": true }`,
      "poller/plugin.ts": `const jobs = made(); export default definePlugin({ name: "poller", jobs });`,
    },
    "poller",
    {
      kind: "typescript",
      program: "plugin.ts",
      manifest: { version: "3.0.0", description: "Polls" },
      announces: { handlers: [], open: ["jobs"] },
    },
  ],
  [
    "an executable",
    { "qntx-poller-plugin*": "#!/bin/sh\n" },
    "qntx-poller-plugin",
    {
      name: "poller",
      kind: "executable",
      mode: expect.stringMatching(/^0755/),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      announces: null,
      problems: [],
    },
  ],
  [
    "one for another machine",
    { "poller*": "#!/nowhere/sh\n" },
    "poller",
    { problems: ["This machine cannot start it: its interpreter /nowhere/sh does not exist."] },
  ],
  [
    "one that nobody may start",
    { poller: "#!/bin/sh\n" },
    "poller",
    {
      kind: null,
      problems: [
        expect.stringContaining("nothing in it can be started"),
        expect.stringContaining("chmod +x"),
      ],
    },
  ],
  [
    "a syntax error",
    { "poller.ts": "export default {\n  name: ;" },
    "poller.ts",
    {
      kind: "typescript",
      announces: null,
      problems: [expect.stringMatching(/^It cannot be loaded: line 2: /)],
    },
  ],
  [
    "a capability that there is not, under another name",
    { "poller.ts": `export default { name: "pollr", capabilities: ["cap:schedule.manage"] };` },
    "poller.ts",
    {
      problems: [
        'There is no capability "cap:schedule.manage". Did you mean cap:scheduler.manage?',
        expect.stringMatching(/^It calls itself pollr, and its file poller: /),
      ],
    },
  ],
];

test.each(CASES)("%s is inspected", async (_, files, path, found) => {
  using temp = tempFolder();
  write(temp.path, files);
  expect(await inspect(temp.path, path)).toMatchObject(found);
});

test.each(["poller.ts", "poller.py", "poller"])("nothing of %s is run", async (file) => {
  using temp = tempFolder();
  const marker = join(temp.path, "ran");
  const source: Record<string, string> = {
    "poller.ts": `${RAN(marker)} export default definePlugin({ name: "poller" });`,
    "poller.py": `open(${JSON.stringify(marker)}, "w")\nplugin = Plugin("poller")`,
    poller: `#!/bin/sh\ntouch ${marker}\n`,
  };
  write(temp.path, { [`${file}${file === "poller" ? "*" : ""}`]: source[file] ?? "" });
  expect((await inspect(temp.path, file)).problems).toEqual([]);
  expect(existsSync(marker)).toBe(false);
});

test("a name is looked for where a host would, and so is trusted or not", async () => {
  using temp = tempFolder();
  write(temp.path, { "plugins/qntx-poller.ts": `export default { name: "poller" };` });
  chmodSync(join(temp.path, "plugins", "qntx-poller.ts"), 0o666);
  const found = await inspect(temp.path, "poller", [join(temp.path, "plugins")]);
  expect(found).toMatchObject({
    kind: "typescript",
    path: join(temp.path, "plugins", "qntx-poller.ts"),
    problems: [
      expect.stringContaining("can be changed by others (mode 666). Take that right away: chmod go-w"),
    ],
  });
  expect(found.tried.map((path) => path.slice(temp.path.length))).toEqual([
    "/plugins/qntx-poller-plugin",
    "/plugins/qntx-poller",
  ]);
  expect(inspect(temp.path, "nobody", [join(temp.path, "plugins")])).rejects.toMatchObject({
    code: "not-found",
  });
  expect(await inspect(temp.path, "python")).toMatchObject({ kind: "bundled", problems: [] });
});

function inspect(cwd: string, what: string, paths: readonly string[] = []): Promise<Inspection> {
  return inspectPlugin(realEnv, what, { cwd, paths, bundled: ["python"] });
}

function write(folder: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name.replace("*", ""));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    if (name.endsWith("*")) chmodSync(path, 0o755);
  }
}
