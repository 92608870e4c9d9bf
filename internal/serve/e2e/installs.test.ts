/** Plugins that are installed: by file and archive, for two tenants, upgraded under load, and broken in every way that an upgrade can be. */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { type JobShown, Place, type PluginShown } from "./host.ts";

const STORY_LIMIT_MS = 120_000;

interface Version {
  version?: string;
  handlers?: readonly string[];
  /** Code that runs when it starts. */
  start?: string;
}

/** The program of one version. */
function program({ version = "1.0.0", handlers = ["work"], start = "" }: Version = {}): string {
  const jobs = handlers.map((name) => `${name}: (job) => ({ version: "${version}", tenant: job.tenant })`);
  return `import { definePlugin } from "qntx";
export default definePlugin({
  name: "demo",
  version: "${version}",
  jobs: { ${jobs.join(", ")} },
  async start() { ${start} },
});
`;
}

async function ranBy(place: Place, handler: string): Promise<unknown> {
  return (await place.ended(await place.enqueue(handler, {}))).result;
}

test(
  "one plugin for two tenants: each runs the jobs of its own, and nobody else's",
  async () => {
    await using place = new Place();
    const file = place.write("demo.ts", program());
    const beside = await place.cli(["plugin", "install", file, "--name", "demo-acme", "--tenant", "acme"]);
    expect(beside).toMatchObject({ code: 0 });
    expect(beside.stdout).toMatch(
      /^Plugin demo-acme is installed \(SHA-256 [0-9a-f]{16}\) and starts with the host.\n$/,
    );
    await place.start();
    await place.working();
    const packed = await packTar([
      { header: { name: "demo/plugin.ts", size: Buffer.byteLength(program()) }, body: program() },
      { header: { name: "demo/package.json", size: 21 }, body: '{"qntx-plugin": true}' },
    ]);
    writeFileSync(join(place.home, "demo-1.2.tar.gz"), Bun.gzipSync(new Uint8Array(packed)));
    const words = ["plugin", "install", "demo-1.2.tar.gz", "--name", "demo-globex", "--tenant", "globex"];
    expect((await place.cli(words)).stdout).toStartWith("Plugin demo-globex is ready. It is installed");
    expect(await ranBy(place, "acme@demo.work")).toEqual({ version: "1.0.0", tenant: "acme" });
    expect(await ranBy(place, "globex@demo.work")).toEqual({ version: "1.0.0", tenant: "globex" });
    expect(await ranBy(place, "globex@demo-globex/demo.work")).toMatchObject({ tenant: "globex" });

    const nobody = await place.enqueue("demo.work", {});
    expect((await place.call<JobShown>("job.show", { id: nobody })).waiting).toBe(
      'no plugin offers "demo.work"',
    );
    const list = async (handler: string) =>
      (await place.call<{ jobs: unknown[] }>("job.list", { handler })).jobs;
    expect([(await list("acme@demo.work")).length, (await list("demo.work")).length]).toEqual([1, 1]);
    const twin = await place.cli([...words.slice(0, 4), "globex-2", "--tenant", "globex"]);
    expect(twin.stdout).toContain("that of plugin globex-2 is reachable as globex@globex-2/demo.work.");
    const again = await place.cli(words);
    expect(again.code).toBe(5);
    expect(again.stderr).toContain('There is a plugin "demo-globex" already.');
  },
  STORY_LIMIT_MS,
);

test(
  "statements are a tenant's own, and a guest saves no script that another plugin would run",
  async () => {
    await using place = new Place();
    await place.start();
    await place.working();
    const file = join(import.meta.dir, "testdata/scribbler.ts");
    for (const tenant of ["acme", "globex"])
      await place.cli(["plugin", "install", file, "--name", `notes-${tenant}`, "--tenant", tenant]);
    await place.cli(["plugin", "install", file, "--name", "notes"]);
    const names = ["notes", "notes-acme", "notes-globex"];
    for (const name of names)
      expect(await place.post(`/api/${name}/write`, { subjects: [name] })).toEqual({ said: "written" });
    const { attestations } = await place.call<{ attestations: { id: string }[] }>("ats.query");
    const ids = attestations.map(({ id }) => id).toReversed(); // In the order of their names.
    expect(ids).toHaveLength(3);
    for (const [index, name] of names.entries()) {
      const answer = { found: [name], exists: names.map((_, at) => at === index) };
      expect(await place.post(`/api/${name}/find`, { ids })).toEqual(answer);
      expect(await place.post(`/api/${name}/find`, { subjects: names, ids })).toEqual(answer);
    }
    const script = {
      subjects: ["evil"],
      predicates: ["handler"],
      contexts: ["python"],
      attributes: { code: "1" },
    };
    for (const name of names)
      expect((await place.post<{ said: string }>(`/api/${name}/write`, script)).said).toContain(
        `Grant it with: qntx plugin grant ${name} cap:handlers.save`,
      );
    await place.call("plugin.grant", { name: "notes-acme", capabilities: ["cap:handlers.save"] });
    expect(await place.post("/api/notes-acme/write", script)).toEqual({ said: "written" });
    expect((await place.call<{ handlers: unknown[] }>("handler.list")).handlers).toEqual([]);
  },
  STORY_LIMIT_MS,
);

test(
  "an upgrade under load loses no job and fails none, and both versions have run some",
  async () => {
    await using place = new Place();
    await place.start();
    await place.working();
    place.write("one.ts", program());
    place.write("two.ts", program({ version: "2.0.0" }));
    await place.cli(["plugin", "install", "one.ts", "--name", "demo"]);
    const ids: string[] = [];
    const enough = new AbortController();
    const load = (async () => {
      while (!enough.signal.aborted) {
        const jobs = Array.from({ length: 10 }, () => ({ handler: "demo.work" }));
        const made = await place.call<{ jobs: { id: string }[] }>("job.enqueueMany", { jobs });
        ids.push(...made.jobs.map(({ id }) => id));
        await Bun.sleep(100);
      }
    })();
    await place.until("some jobs", async () => ids.length > 50);
    const upgraded = await place.cli(["plugin", "upgrade", "demo", "--file", "two.ts"]);
    expect(upgraded).toMatchObject({ code: 0 });
    expect(upgraded.stdout).toStartWith("Plugin demo is ready. It is version 2.0.0. SHA-256 ");
    const before = ids.length;
    await place.until("some more", async () => ids.length > before + 50);
    enough.abort();
    await load;
    const versions = new Map<string, number>();
    for (const id of ids) {
      const job = await place.ended(id);
      expect([job.state, job.attempt, job.lost]).toEqual(["completed", 1, 0]);
      versions.set(job.pluginVersion ?? "", (versions.get(job.pluginVersion ?? "") ?? 0) + 1);
    }
    expect([...versions.keys()].toSorted()).toEqual(["1.0.0", "2.0.0"]);

    const { entries } = await place.call<{ entries: { change: string; digest: string }[] }>(
      "plugin.history",
      {
        name: "demo",
      },
    );
    expect(entries.map(({ change }) => change)).toEqual(["upgraded", "installed"]);
    const back = await place.cli(["plugin", "upgrade", "demo", "--to", entries[1]?.digest.slice(0, 8) ?? ""]);
    expect(back.stdout).toContain("It is version 1.0.0.");
    expect(await ranBy(place, "demo.work")).toMatchObject({ version: "1.0.0" });
  },
  STORY_LIMIT_MS,
);

test(
  "a new version that is broken, crashes, hangs or lacks what schedules run: the old one serves, and the command fails",
  async () => {
    await using place = new Place('[plugin]\nstartup = "6s"\n');
    await place.start();
    await place.working();
    place.write("one.ts", program({ handlers: ["work", "report"] }));
    await place.cli(["plugin", "install", "one.ts", "--name", "demo"]);
    await place.json("schedule", "create", "nightly", "--handler", "demo.report", "--cron", "0 3 * * *");
    const { pid } = await place.plugin("demo");
    const upgrade = async (name: string, code: string, ...words: string[]) => {
      const file = place.write(`${name}.ts`, code);
      const { code: exit, stderr } = await place.cli(["plugin", "upgrade", "demo", "--file", file, ...words]);
      return { exit, stderr };
    };
    const all = { handlers: ["work", "report"], version: "2.0.0" };
    for (const [name, code, sentence] of [
      ["broken", "this is no program", "does not run"],
      [
        "crashes",
        program({ ...all, start: "setTimeout(() => process.exit(3), 1_000);" }),
        "its process ended with exit code 3",
      ],
      ["hangs", program({ ...all, start: "await new Promise(() => {});" }), "It was still starting after 6s"],
      ["lacks", program({ version: "2.0.0" }), "nightly (SC_"],
    ] as const) {
      const { exit, stderr } = await upgrade(name, code);
      expect([name, exit]).toEqual([name, name === "lacks" ? 5 : 1]);
      expect(stderr).toContain(sentence);
      expect(stderr).toContain("The old one goes on.");
      expect(await place.plugin("demo")).toMatchObject({ state: "ready", pid, version: "1.0.0" });
      expect(await ranBy(place, "demo.work")).toMatchObject({ version: "1.0.0" });
    }
    const { exit } = await upgrade("lacks", program({ version: "2.0.0" }), "--disable-missing");
    expect(exit).toBe(0);
    const nightly = await place.json<{ state: string; pause: { note: string } }>(
      "schedule",
      "show",
      "nightly",
    );
    expect([nightly.state, nightly.pause.note]).toEqual([
      "paused",
      "the new version of plugin demo lacks its handler",
    ]);
  },
  STORY_LIMIT_MS,
);

test(
  "a program that was changed behind our back does not run; what is disabled stays so; what is removed is gone",
  async () => {
    await using place = new Place();
    await place.start();
    await place.working();
    place.write("demo.ts", program());
    const { install } = await place.json<{ install: { digest: string } }>("plugin", "install", "demo.ts");
    const folder = join(place.home, "installed/demo", install.digest);
    expect((await place.cli(["plugin", "disable", "demo"])).stdout).toContain(
      "Switch it on with: qntx plugin enable demo",
    );
    await place.host.stop();
    await place.start();
    await place.working();
    expect(await place.plugin("demo")).toMatchObject({ state: "disabled", pid: null });
    expect((await place.cli(["plugin", "enable", "demo"])).stdout).toBe("Plugin demo is ready.\n");

    chmodSync(join(folder, "demo.ts"), 0o600);
    writeFileSync(join(folder, "demo.ts"), program({ version: "6.6.6" }));
    const restarted = await place.cli(["plugin", "restart", "demo"]);
    expect(restarted.code).toBe(1);
    expect(restarted.stdout).toContain("Plugin demo is not what was installed");
    const removed = await place.cli(["plugin", "remove", "demo", "--yes"]);
    expect(removed).toMatchObject({ code: 0, stdout: "Plugin demo is removed.\n" });
    expect(existsSync(folder)).toBe(false);
    const { plugins } = await place.call<{ plugins: PluginShown[] }>("plugin.list");
    expect(plugins.map(({ name }) => name)).not.toContain("demo");
    expect((await place.cli(["plugin", "remove", "python", "--yes"])).stderr).toContain("was not installed");
    expect((await place.cli(["plugin", "history", "demo"])).stdout).toContain("removed");
  },
  STORY_LIMIT_MS,
);

test(
  "a plugin finds the files that it left when it comes back, and another tenant's of its name does not",
  async () => {
    await using place = new Place();
    await place.start();
    await place.working();
    const leaveFile = `const file = Bun.file("left.txt");
    console.log((await file.exists()) ? "found " + (await file.text()) : "found nothing");
    await Bun.write(file, "secrets of acme");`;
    place.write("demo.ts", program({ start: leaveFile }));
    const lives: string[] = [];
    for (const tenant of ["acme", "globex", "acme"]) {
      await place.json("plugin", "install", "demo.ts", "--tenant", tenant);
      const { stdout } = await place.cli(["plugin", "logs", "demo"]);
      lives.push(/found .*/.exec(stdout)?.[0] ?? stdout);
      await place.json("plugin", "remove", "demo", "--yes");
    }
    expect(lives).toEqual(["found nothing", "found nothing", "found secrets of acme"]);
  },
  STORY_LIMIT_MS,
);
