/** A few lives of one schedule; `npm run prove` does thousands. */
import { expect, test } from "bun:test";
import { live } from "./life.ts";

const ZONES = Intl.supportedValuesOf("timeZone");

test("a schedule accounts for every occurrence around a change of clocks, whatever is done to it", async () => {
  for (let seed = 1; seed <= 60; seed++) expect(await live(seed, ZONES)).toBeNull();
});
