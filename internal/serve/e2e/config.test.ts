/** The configuration of plugins while their host runs: what they say of their keys, values that change, secrets, and glyphs. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Place } from "./host.ts";
import { PYTHON_PATH, writeStranger } from "./python.ts";

setDefaultTimeout(60_000);

const CLERK = `import { definePlugin } from "qntx";
export default definePlugin({
  name: "clerk",
  version: "1.0.0",
  config: { pace: { type: "integer", min: 1, max: 5, description: "Steps." }, greeting: { required: true } },
  glyphs: [{ symbol: "✉", title: "Desk", module: "/desk.js", width: 200 }],
  jobs: { values: (job) => ({ ...job.qntx.config, pid: process.pid }) },
});
`;

const file = (enabled: string[], sections: string) =>
  `[plugin]\nenabled = ${JSON.stringify(enabled)}\nbundled = false\n${sections}`;
const SECRET = "k-very-secret-indeed";
const RESIDENT = '[resident]\ndepth = 3\nkey = "file:key.txt"\nrooms = [1, 2]\nmood = "calm"\n';

interface Pid {
  pid: number;
}

test("a running host takes on other values, plugins and no nonsense", async () => {
  await using place = new Place(file(["resident", "clerk"], `${RESIDENT}[clerk]\ngreeting = "Hello"\n`));
  writeStranger(place, "resident");
  place.write("plugins/clerk.ts", CLERK);
  place.write("key.txt", `${SECRET}\n`, 0o600);
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
  const resident = () => place.plugin("resident") as Promise<Pid & { lastLines: string[] }>;
  const values = async () => (await place.ended(await place.enqueue("clerk.values", {}))).result;
  const given = () => place.http("/api/resident/config").then((answer) => answer.json());
  const { pid } = await resident();

  expect(await given()).toEqual({ depth: "3", key: SECRET, rooms: "[1,2]", mood: "calm" });
  const shown = await place.cli(["plugin", "show", "resident"]);
  expect(shown.stdout).toContain("depth (number): How deep.");
  expect(shown.stdout).toContain("key (string, needed)");
  expect(shown.stdout).toContain("mood (anything)");
  for (const sentence of [
    'field "mood" has the type "feeling", which is none: any value will do.',
    'field "mood" has the bound "low", which is no number.',
    'field "mood" has a pattern that RE2 does not take (missing closing ): `(`): "(".',
    'glyph "House" has the path "/../other/steal.js", which is not its own.',
  ])
    expect(shown.stdout).toContain(sentence);

  // One section has changed: that plugin starts again, and nobody else.
  place.write("qntx.toml", file(["resident", "clerk"], `${RESIDENT}[clerk]\ngreeting = "Hi"\npace = 2\n`));
  const reloaded = await place.cli(["config", "reload"]);
  expect(reloaded).toMatchObject({ code: 0, stdout: "With its new values: Plugin clerk is ready.\n" });
  expect(await values()).toMatchObject({ greeting: "Hi", pace: "2" });
  expect((await resident()).pid).toBe(pid);

  // What is wrong is said with its place, and nothing changes; a secret is not shown.
  const wrong = RESIDENT.replace("depth = 3", "depth = 10")
    .replace("[1, 2]", '["one"]')
    .replace("key.txt", "bad.txt");
  place.write("bad.txt", "not-for-your-eyes", 0o600);
  place.write("qntx.toml", file(["resident", "clerk"], `${wrong}[clerk]\npace = 9\ngreting = "Hey"\n`));
  const refused = await place.cli(["config", "reload"]);
  expect(refused.code).toBe(3);
  for (const sentence of [
    'qntx.toml:5: [resident] depth is "10", but must be a number from 1 to 9 (How deep).',
    "qntx.toml:6: [resident] key refers to something else, but must be a text like /^k-/.",
    'qntx.toml:7: [resident] rooms is "[\\"one\\"]", but must be a list, each a number.',
    'qntx.toml:10: [clerk] pace is "9", but must be a whole number from 1 to 5 (Steps).',
    "qntx.toml:11: [clerk] greting is no key of this plugin. Did you mean greeting?",
    "[clerk] has no greeting, which the plugin needs.",
  ])
    expect(refused.stderr).toContain(sentence);
  expect(refused.stderr).not.toContain("not-for-your-eyes");
  expect(await values()).toMatchObject({ greeting: "Hi", pace: "2" });
  expect((await resident()).pid).toBe(pid);
  place.write("qntx.toml", "[plugin\n");
  expect((await place.cli(["config", "reload"])).code).toBe(3);

  // A secret that was changed, a plugin that is no longer enabled, and a key that waits for the next start.
  place.write("key.txt", "k-another", 0o600);
  place.write(
    "qntx.toml",
    file(
      ["resident"],
      `${RESIDENT.replace("calm", "malformed")}[pulse]\nworkers = 9\n[isolation.resident]\nfiles = 99\n`,
    ),
  );
  const changed = await place.cli(["config", "reload"]);
  expect(changed.stdout).toBe(
    "Plugin clerk has ended: the file does not enable it any more.\n" +
      "With its new values: Plugin resident is ready.\n" +
      "What waits for the next start of the host: pulse.workers, isolation.resident.\n",
  );
  expect(await given()).toMatchObject({ key: "k-another", mood: "malformed" });
  await place.until("the word about the schema", async () =>
    (await resident()).lastLines.some((line) => line.includes("its ConfigSchema is left out: INTERNAL")),
  );
  place.write("qntx.toml", file(["resident", "clerk"], `${RESIDENT}[clerk]\ngreeting = "Ho"\n`));
  expect((await place.cli(["config", "reload"])).stdout).toContain("New: Plugin clerk is ready.\n");
  expect(await values()).toMatchObject({ greeting: "Ho" });
  expect(place.host.text).not.toContain(SECRET);
  expect(statSync(join(place.home, "qntx.db")).size).toBeGreaterThan(0);
});

test("glyphs are listed, and their parts come with headers that keep them apart from the host", async () => {
  await using place = new Place(
    file(["resident", "clerk"], '[resident]\nkey = "k-1"\n[clerk]\ngreeting = "x"\n'),
  );
  writeStranger(place, "resident");
  place.write("plugins/clerk.ts", CLERK);
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
  const { glyphs } = await place.call<{ glyphs: object[] }>("plugin.glyphs");
  const house = { symbol: "⌂", title: "House", label: "house", content: "/api/resident/house" };
  expect(glyphs).toEqual([
    { plugin: "resident", ...house, css: "/api/resident/house.css", module: "", width: 400, height: 0 },
    {
      plugin: "clerk",
      symbol: "✉",
      title: "Desk",
      label: "Desk",
      content: "",
      css: "",
      module: "/api/clerk/desk.js",
      width: 200,
      height: 0,
    },
  ]);
  const page = await place.http(house.content);
  expect(await page.text()).toBe("<h1>House</h1>");
  const { headers } = page;
  expect(headers.get("content-type")).toBe("text/html");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("content-security-policy")).toMatch(/^default-src 'none', sandbox allow-scripts/);
  expect([headers.get("set-cookie"), headers.get("access-control-allow-origin")]).toEqual([null, null]);
  expect(await (await place.http("/api/resident/house.css")).text()).toContain("color");
});
