/** Two who read a configuration again at once, and one that is refused between them. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { loadConfig } from "../config/config.ts";
import { tempFolder } from "../plugins/testdata/harness.ts";
import { LiveConfig, type Reloadable, straySections } from "./live-config.ts";

const configOf = (port: string) =>
  loadConfig({ vars: { QNTX_SERVE_PORT: port }, cwd: "/", userHome: "/nowhere" });

test("a configuration is read again once the one before it is taken on, or refused", async () => {
  const told: string[] = [];
  const first = Promise.withResolvers<void>();
  const config = configOf("1");
  const ports = ["2", "", "3"];
  const live = new LiveConfig({
    config,
    async load() {
      const port = ports.shift() ?? "";
      told.push(`read ${port}`);
      if (port === "") throw new Fault("config", "That is none.");
      return configOf(port);
    },
  });
  const plugins: Reloadable = {
    statuses: () => [],
    isInstalled: () => false,
    configOf: () => null,
    problemsWith: async () => [],
    async reconfigure() {
      told.push("begun");
      await first.promise;
      told.push("done");
      return [];
    },
  };
  const all = [1, 2, 3].map(() => live.reload(plugins, () => {}));
  const ends = Promise.allSettled(all);
  await Bun.sleep(0); // Whoever did not wait would have begun by now.
  expect(told).toEqual(["read 2", "begun"]);
  first.resolve();
  expect((await ends).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(told).toEqual(["read 2", "begun", "done", "read ", "read 3", "begun", "done"]);
  expect(live.now.serve.port).toBe(3);
});

test("sections that are for nobody are told of, with whom they may be meant for", () => {
  const text = [
    "[quota.weathr]\nschedules = 3",
    "[quota.weather]\nschedules = 3",
    "[isolation.nobody]\nprocesses = 3",
    '[secrets.tides]\nKEY = "env:KEY"',
    '[secrets."acme/tides"]\nKEY = "env:KEY"',
    '[secrets."acme/weather"]\nKEY = "env:KEY"',
  ].join("\n");
  using temp = tempFolder();
  writeFileSync(join(temp.path, "qntx.toml"), text);
  const config = loadConfig({ vars: {}, flags: { home: temp.path }, cwd: "/", userHome: "/nowhere" });
  const plugins = [
    { name: "weather", tenant: "" },
    { name: "tides", tenant: "acme" },
  ];
  const nobodys = "in qntx.toml is for a plugin that is not there now.";
  expect(straySections(config, plugins)).toEqual([
    `[quota.weathr] ${nobodys} Did you mean [quota.weather]?`,
    `[isolation.nobody] ${nobodys}`,
    `[secrets.tides] ${nobodys} Did you mean [secrets."acme/tides"]?`,
    expect.stringContaining(`[secrets."acme/weather"] ${nobodys}`),
  ]);
});
