/** Installed plugins: what there is, what became of it, and what is switched off. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Install, Program } from "../../plugin/install.ts";
import type { Opened, OpenStore } from "./fixture.ts";

const OLD: Program = { digest: "aa", kind: "typescript", entry: "plugin.ts", file: "demo-1.tar.gz" };
const NEW: Program = { digest: "bb", kind: "executable", entry: "qntx-demo", file: "demo-2.tar.gz" };
const wanted = (name: string, more: Partial<Install> = {}) => ({
  name,
  tenant: "",
  by: "me",
  ...OLD,
  ...more,
});

/** Runs the suite against an engine. */
export function pluginSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: plugins`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    const history = async (name: string, limit = 50) => {
      const { items } = await at.store.plugins.history(name, { limit });
      return items.map(({ change, digest, by }) => [change, digest, by]);
    };

    test("what plugins provide is what they said last", async () => {
      const { plugins } = at.store;
      await plugins.provide("b", ["search"]);
      await plugins.provide("a", ["llm"]);
      await plugins.provide("a", ["llm", "embedding"]);
      await plugins.provide("b", []);
      expect(await plugins.provided()).toEqual([{ plugin: "a", services: ["llm", "embedding"] }]);
    });

    test("a name is installed once, for one tenant, and all are listed by name", async () => {
      const { plugins } = at.store;
      const two = await plugins.install(wanted("demo-b", { tenant: "b" }));
      const one = await plugins.install(wanted("demo-a", { tenant: "a" }));
      expect(one).toEqual({ ...wanted("demo-a", { tenant: "a" }), at: at.env.now() });
      expect(await plugins.install(wanted("demo-a", { tenant: "c" }))).toBeNull();
      expect(await plugins.installs()).toEqual([one, two].flatMap((install) => install ?? []));
    });

    test("its program changes and its tenant does not; everything that became of it is kept, also when it is removed", async () => {
      const { plugins } = at.store;
      await plugins.install(wanted("demo", { tenant: "a" }));
      await at.env.advance(10);
      const upgraded = await plugins.change("demo", { program: NEW, change: "upgraded", by: "you" });
      expect(upgraded).toEqual({ name: "demo", tenant: "a", by: "you", at: at.env.now(), ...NEW });
      expect(await plugins.installs()).toMatchObject([{ digest: "bb" }]);
      await plugins.change("demo", { program: OLD, change: "rolled-back", by: "host" });
      expect(await plugins.remove("demo", "me")).toMatchObject({ digest: "aa" });
      expect(await plugins.installs()).toEqual([]);
      expect(await plugins.remove("demo", "me")).toBeNull();
      expect(await plugins.change("demo", { program: NEW, change: "upgraded", by: "you" })).toBeNull();
      expect(await history("demo")).toEqual([
        ["removed", "aa", "me"],
        ["rolled-back", "aa", "host"],
        ["upgraded", "bb", "you"],
        ["installed", "aa", "me"],
      ]);
      expect(await history("demo", 1)).toEqual([["removed", "aa", "me"]]);
      expect(await history("other")).toEqual([]);
    });

    test("a plugin is switched off for good, installed or not; what is removed and installed again is on", async () => {
      const { plugins } = at.store;
      expect(await plugins.enable("python", false, "me")).toBe(true);
      expect(await plugins.enable("python", false, "me")).toBe(false);
      await plugins.install(wanted("demo"));
      await plugins.enable("demo", false, "me");
      expect(await plugins.disabled()).toEqual(["demo", "python"]);
      await plugins.remove("demo", "me");
      expect(await plugins.disabled()).toEqual(["python"]);
      expect(await plugins.enable("python", true, "me")).toBe(true);
      expect(await plugins.enable("python", true, "me")).toBe(false);
    });
  });
}
