/**
 * Secrets of plugins, on a real host: who is given which, and that a plugin that says its
 * secrets in every way in which it can say something is heard without them.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";
import { PYTHON_PATH } from "./python.ts";

setDefaultTimeout(60_000);

const LINES = 5; // Of the job: two in halves, two that are cut, one that it logs.
const GIVEN = "given-at-the-start-7Hq2"; // In its configuration.
const ASKED = "asked-for-by-name-9Kx4"; // By host.secrets.
const TS = `
import { existsSync, writeFileSync } from "node:fs";
import { definePlugin } from "qntx";
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));
async function inHalves(stream: NodeJS.WriteStream, text: string) {
  stream.write(text.slice(0, 8));
  await soon();
  stream.write(text.slice(8) + "\\n");
}
export default definePlugin({
  name: "blurter", version: "1.0.0",
  start(host) { console.log("I start with", host.config["token"]); },
  jobs: {
    async everywhere(job) {
      const key = await job.qntx.secrets.get("API_KEY");
      await inHalves(process.stdout, "halves: " + key);
      await inHalves(process.stderr, "halves: " + key);
      process.stdout.write("y".repeat(8_180) + key + "y".repeat(100) + "\\n");
      console.log("z".repeat(16_370) + key + "z".repeat(100));
      job.log.warn("the key is " + key, { key, list: [key] });
      job.progress(1, 2, "with " + key);
      job.qntx.log.error("of the plugin: " + key);
      while (!existsSync("heard")) await soon(); // What is printed comes by another way than the end.
      throw Object.assign(new Error("refused: " + key), { name: key });
    },
    async dies(job) {
      if (existsSync("died")) return;
      writeFileSync("died", "");
      const key = await job.qntx.secrets.get("API_KEY");
      process.stderr.write("last words: " + key + "\\n", () => process.exit(3));
      await new Promise(() => {});
    },
    data: (job) => job.qntx.secrets.get("API_KEY"),
  },
  http: {
    async "POST /ask"(request, { secrets }) {
      const { name } = await request.json();
      return Response.json(await secrets.get(name).then((value) => ({ value }), ({ code, message }) => ({ code, message })));
    },
  },
});`;
const PYTHON = `
import sys, time
from qntx import Plugin
plugin = Plugin("stammerer", version="1.0.0")

@plugin.job("everywhere")
def everywhere(job):
    key = plugin.host.secrets.get("API_KEY")
    sys.stdout.write("halves: " + key[:8]); sys.stdout.flush(); time.sleep(0.02); print(key[8:])
    job.log.warn("the key is " + key, key=key)
    job.progress(1, 2, "with " + key)
    raise ValueError("refused: " + key)

plugin.run()
`;
const SULKER = `
import { definePlugin } from "qntx";
export default definePlugin({
  name: "sulker", version: "1.0.0", jobs: {},
  start({ config }) { throw new Error("no login with " + config["token"]); },
});`;
const CONFIG = `[plugin]
enabled = ["blurter", "stammerer", "sulker"]
bundled = false
[log]
level = "debug"
[blurter]
token = "env:QNTX_TEST_GIVEN"
[sulker]
token = "env:QNTX_TEST_GIVEN"
[secrets.blurter]
API_KEY = "file:api.key"
GONE = "file:gone.key"
[secrets.stammerer]
API_KEY = "env:QNTX_TEST_ASKED"
THEIRS = "env:QNTX_TEST_GIVEN"
`;

let place: Place;

beforeAll(async () => {
  place = new Place(CONFIG);
  place.write("plugins/blurter.ts", TS);
  place.write("plugins/stammerer.py", PYTHON);
  place.write("plugins/sulker.ts", SULKER);
  place.write("api.key", `${ASKED}\n`);
  await place.start({ vars: { QNTX_TEST_GIVEN: GIVEN, QNTX_TEST_ASKED: ASKED, PATH: PYTHON_PATH } });
  await place.working();
});
afterAll(() => place[Symbol.asyncDispose]());

const ask = (name: string) =>
  place.post<{ value?: string; code?: string; message?: string }>("/api/blurter/ask", { name });

/** Everything that a person or a program could look at, but the files of the secrets themselves. */
async function looked(): Promise<string[][]> {
  const commands = [
    ["plugin", "list"],
    ["plugin", "show", "blurter"],
    ["plugin", "logs", "blurter"],
    ["plugin", "logs", "sulker"],
    ["job", "list"],
    ["event", "list"],
    ["audit", "list"],
    ["config", "show"],
  ];
  const said = await Promise.all(
    commands.map(async (words) => {
      const [text, json] = await Promise.all([place.cli(words), place.cli([...words, "--json"])]);
      return [words.join(" "), text.stdout, text.stderr, json.stdout];
    }),
  );
  const files = readdirSync(place.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".key"))
    .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), "latin1")]);
  return [...said, ...files, ["what the host said", place.host.text]];
}

test("a plugin that says its secrets in every way is heard without them, and their names stand there", async () => {
  const shown = "[secret blurter.API_KEY]";
  const id = await place.enqueue("blurter.everywhere", {}, "--max-attempts", "1");
  const messages = await place.until("everything that the job says", async () => {
    const { lines: now } = await place.call<{ lines: { message: string }[] }>("job.logs", { id });
    return now.length >= LINES && now.map(({ message }) => message);
  });
  place.write("plugins-data/blurter/heard", "");
  const job = await place.ended(id);
  expect(job).toMatchObject({
    state: "failed",
    error: { message: `refused: ${shown}` },
    progress: { message: `with ${shown}` },
  });
  const { lines } = await place.call<{ lines: { message: string; fields: string }[] }>("job.logs", {
    id: job.id,
  });
  expect(messages).toContain(`the key is ${shown}`);
  expect(messages.filter((message) => message === `halves: ${shown}`)).toHaveLength(2);
  expect(messages.filter((message) => message.includes(`${shown}… (cut: `))).toHaveLength(2);
  expect(lines.find(({ message }) => message.startsWith("the key"))?.fields).toEqual(
    JSON.stringify({ key: shown, list: [shown] }),
  );
  const python = await place.ended(await place.enqueue("stammerer.everywhere", {}, "--max-attempts", "1"));
  expect(python).toMatchObject({ error: { message: expect.stringContaining("refused: [secret ") } });
  await place.ended(await place.enqueue("blurter.dies", {}));

  const places = await looked();
  expect(places.find(([where]) => where === "plugin logs blurter")?.[1]).toContain(
    "I start with [secret blurter.token]",
  );
  expect(places.find(([where]) => where === "plugin logs sulker")?.[1]).toContain("no login with [secret ");
  // Half of one is too much.
  for (const secret of [GIVEN, ASKED].map((whole) => whole.slice(0, whole.length / 2)))
    for (const [where = "", ...texts] of places)
      expect([where, secret, texts.some((text) => text.includes(secret))]).toEqual([where, secret, false]);
});

test("what is not named for a plugin is missing, whoever has it, and both are written down without a value", async () => {
  expect(await ask("API_KEY")).toEqual({ value: ASKED });
  for (const name of ["THEIRS", "NOBODYS", "token", "../api.key"]) {
    const message = `There is no secret "${name}" for this plugin. Those that it may have are named under [secrets.blurter] in qntx.toml.`;
    expect(await ask(name)).toEqual({ code: "not-found", message });
  }
  const { entries } = await place.call<{
    entries: { principal: string; operation: string; subject: string; allowed: boolean }[];
  }>("audit.list", { limit: 100 });
  const asked = entries.filter(
    (each) => each.operation === "secret.get" && each.principal === "plugin:blurter",
  );
  expect(asked.map(({ subject, allowed }) => [subject, allowed]).toReversed()).toEqual([
    ["API_KEY", true],
    ["THEIRS", false],
    ["NOBODYS", false],
    ["token", false],
    ["../api.key", false],
  ]);
  await place.call("plugin.revoke", { name: "blurter", capabilities: ["cap:secrets.get"] });
  expect(await ask("API_KEY")).toMatchObject({ code: "denied" });
  await place.call("plugin.grant", { name: "blurter", capabilities: ["cap:secrets.get"] });
});

test("a secret is what it is when it is asked for; where it should be, the host's log says", async () => {
  place.write("api.key", "another-one-3Jw8");
  expect(await ask("API_KEY")).toEqual({ value: "another-one-3Jw8" });
  rmSync(join(place.home, "api.key"));
  for (const name of ["API_KEY", "GONE"])
    expect(await ask(name)).toEqual({
      code: "unavailable",
      message: `The secret "${name}" cannot be read now. The host's log says why.`,
    });
  await place.host.said(/secrets.blurter.GONE refers to .*gone.key, which cannot be read/);
});

test("what a job gives back is data, and stays", async () => {
  place.write("api.key", ASKED);
  const { id } = await place.ended(await place.enqueue("blurter.data", {}));
  expect(JSON.stringify(await place.call("job.show", { id }))).toContain(ASKED);
});

test("what the host itself logs of a plugin is without its secrets, too", async () => {
  await using other = new Place(
    '[plugin]\nenabled = ["namer"]\nbundled = false\n[namer]\ntoken = "env:QNTX_TEST_GIVEN"\n',
  );
  const jobs = "start: (host) => host.setJobs({ [host.config.token]: () => 1 })"; // A name is not redacted where it is one.
  other.write(
    "plugins/namer.ts",
    `import { definePlugin } from "qntx"; export default definePlugin({ name: "namer", version: "1.0.0", ${jobs} });`,
  );
  await other.start({ vars: { QNTX_TEST_GIVEN: GIVEN } });
  await other.working();
  await other.host.said(/Registering plugin async handler .*namer\.\[secret namer\.token\]/);
  expect(other.host.text).not.toContain(GIVEN);
});
