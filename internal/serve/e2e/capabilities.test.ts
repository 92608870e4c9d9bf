/** What a plugin may do, through a real plugin and the command line: refused, granted, revoked; at once, over restarts, and written down. */
import { expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";

const STORY_LIMIT_MS = 60_000;
const ENABLED = '[plugin]\nenabled = ["wisher"]\n';

function withWisher(config = ENABLED): Place {
  const place = new Place(config);
  cpSync(join(import.meta.dir, "testdata/wisher.ts"), join(place.home, "plugins/wisher.ts"));
  return place;
}

/** What the plugin was answered. */
async function tried(place: Place, action: string): Promise<string> {
  return (await place.post<{ said: string }>("/api/wisher/try", { action })).said;
}

const lacks = (capability: string, what: string) =>
  `Plugin wisher lacks ${capability}, ${what} Grant it with: qntx plugin grant wisher ${capability}`;

test(
  "what is revoked is refused from the next call on, with the line that grants it, which helps at once",
  async () => {
    using page = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("a page") });
    const allowed = `[fetch]\nallowed_private_addresses = ["127.0.0.1:${page.port}"]\n`;
    await using place = withWisher(`${ENABLED}${allowed}[wisher]\nurl = "${page.url}"\n`);
    await place.start();
    await place.working();
    const actions = [
      ["schedule", "cap:scheduler.manage", "which schedule.create needs."],
      ["schedule of another", "cap:queue.enqueue-any", 'and "script.report" is not its handler.'],
      ["enqueue", "cap:queue.enqueue", "which job.enqueueMany needs."],
      ["enqueue for another", "cap:queue.enqueue-any", 'and "script.report" is not its handler.'],
      ["attest", "cap:ats.write", "which ats.create needs."],
      ["lock", "cap:locks.use", "which lock.try needs."],
      ["fetch", "cap:http.fetch", "which http.fetch needs."],
    ] as const;
    for (const [action, capability, what] of actions) {
      expect([action, await tried(place, action)]).toEqual([action, "done"]);
      const revoked = await place.cli(["plugin", "revoke", "wisher", capability]);
      expect(revoked).toMatchObject({ code: 0, stdout: `Plugin wisher no longer has ${capability}.\n` });
      expect(await place.post<unknown>("/api/wisher/try", { action })).toEqual({
        said: lacks(capability, what),
        code: "denied",
        hint: `Grant it with: qntx plugin grant wisher ${capability}`,
      });
      const granted = await place.cli(["plugin", "grant", "wisher", capability]);
      expect(granted).toMatchObject({ code: 0, stdout: `Plugin wisher has ${capability}.\n` });
      expect([action, await tried(place, action)]).toEqual([action, "done"]);
    }
    const { entries } = await place.call<{
      entries: { principal: string; allowed: boolean; operation: string }[];
    }>("audit.list", { limit: 100 });
    const refused = entries.filter(({ allowed }) => !allowed);
    expect(refused.map(({ operation, principal }) => [operation, principal]).toReversed()).toEqual([
      ["schedule.create", "plugin:wisher"],
      ["schedule.create", "plugin:wisher"],
      ["job.enqueueMany", "plugin:wisher"],
      ["job.enqueueMany", "plugin:wisher"],
      ["ats.create", "plugin:wisher"],
      ["lock.try", "plugin:wisher"],
      ["http.fetch", "plugin:wisher"],
    ]);
  },
  STORY_LIMIT_MS,
);

test(
  "what a person said outlives the host and stands over the file; what is wanted and missing is told",
  async () => {
    await using place = withWisher(`${ENABLED}[wisher]\ngrant = ["cap:locks.use"]\n`);
    const beside = await place.cli(["plugin", "revoke", "wisher", "cap:locks.use", "cap:http.serve"]);
    expect(beside.code).toBe(0); // No host runs.
    const host = await place.start();
    await host.said(
      /Plugin wisher wants cap:locks.use and does not have it. Grant it with: qntx plugin grant/,
    );
    await place.working();
    expect((await place.http("/api/wisher/try", { body: "{}" })).status).toBe(403);
    const { stdout } = await place.cli(["plugin", "show", "wisher"]);
    expect(stdout).toMatch(/lacks\s+cap:locks.use \(revoked by operator:operator\)/);
    await place.call("plugin.grant", { name: "wisher", capabilities: ["cap:http.serve"] });
    expect(await tried(place, "lock")).toBe(lacks("cap:locks.use", "which lock.try needs."));
  },
  STORY_LIMIT_MS,
);

test(
  "a capability or plugin that does not exist is refused with what was probably meant",
  async () => {
    await using place = withWisher();
    const cli = async (...words: string[]) => {
      const { code, stderr } = await place.cli(["plugin", ...words]);
      return [code, stderr.trim()];
    };
    expect(await cli("grant", "wisher", "cap:http.fecth")).toEqual([
      2,
      'qntx: There is no capability "cap:http.fecth".\n      Did you mean cap:http.fetch?',
    ]);
    expect((await cli("grant", "wisher"))[0]).toBe(2);
    expect((await cli("grant", "../x", "cap:http.fetch"))[0]).toBe(2);
    place.write(
      "bad.toml",
      '[plugin]\nenabled = ["wisher"]\n[wisher]\ngrant = ["fetch", "cap:http.fetch"]\n',
    );
    const checked = await place.cli(["config", "check", "--config", "bad.toml"]);
    expect(checked.code).not.toBe(0);
    expect(checked.stdout + checked.stderr).toContain(
      'bad.toml:4: wisher.grant: There is no capability "fetch".',
    );
    await place.start();
    await place.working();
    const [code, sentence] = await cli("grant", "wishr", "cap:http.fetch");
    expect(code).toBe(4);
    expect(sentence).toContain("Did you mean wisher?");
  },
  STORY_LIMIT_MS,
);

test(
  "who failed for want of a capability is started by the grant of it",
  async () => {
    const declares = `schedules: [{ id: "often", handler: "run", when: "1h" }], jobs: { run() {} }`;
    const asks = `async start({ scheduler }) { await scheduler.list(); }`;
    await using place = new Place("[plugin]\nbundled = false\n");
    await place.start();
    await place.working();
    for (const [name, body] of [
      ["declares", declares],
      ["asks", asks],
    ] as const) {
      const source = `import { definePlugin } from "qntx";\nexport default definePlugin({ name: "${name}", version: "1.0.0", ${body} });\n`;
      const file = place.write(`${name}.ts`, source);
      expect(await place.cli(["plugin", "install", file])).toMatchObject({ code: 1 });
      expect(await place.plugin(name)).toMatchObject({
        state: "failed",
        reason: expect.stringContaining("lacks cap:scheduler.manage"),
      });
      const other = await place.cli(["plugin", "grant", name, "cap:ats.read"]); // It had that.
      expect(other.stdout).toBe(`Plugin ${name} has cap:ats.read.\n`);
      expect(await place.cli(["plugin", "grant", name, "cap:scheduler.manage"])).toMatchObject({
        code: 0,
        stdout: `Plugin ${name} has cap:scheduler.manage. It was started again. Plugin ${name} is ready.\n`,
      });
    }
  },
  STORY_LIMIT_MS,
);
