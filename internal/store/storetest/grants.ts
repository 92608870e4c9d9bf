/** Grants: what people said about capabilities of plugins. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Opened, OpenStore } from "./fixture.ts";

/** Runs the suite against an engine. */
export function grantSuite(engine: string, open: OpenStore): void {
  describe(`${engine}: grants`, () => {
    let at: Opened;
    beforeEach(async () => {
      at = await open();
    });
    afterEach(() => at.close());

    test("the last word about a capability stands, and says who said it and when", async () => {
      const { grants } = at.store;
      const about = { plugin: "demo", capability: "cap:http.fetch" } as const;
      expect(await grants.all()).toEqual([]);
      const first = await grants.say({ ...about, granted: true, by: "operator:a" });
      expect(await grants.all()).toEqual([first]);
      await at.env.advance(5);
      const second = await grants.say({ ...about, granted: false, by: "operator:b" });
      expect(second).toEqual({ ...about, granted: false, by: "operator:b", at: first.at + 5 });
      const other = await grants.say({ ...about, plugin: "another", granted: true, by: "operator:a" });
      expect(await grants.all()).toEqual([other, second]);
      await grants.forget("demo");
      expect(await grants.all()).toEqual([other]);
    });
  });
}
