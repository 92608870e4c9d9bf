/** Two who read a configuration again at once, and one that is refused between them. */
import { expect, test } from "bun:test";
import { Fault } from "../base/fault.ts";
import { loadConfig } from "../config/config.ts";
import { LiveConfig, type Reloadable } from "./live-config.ts";

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
