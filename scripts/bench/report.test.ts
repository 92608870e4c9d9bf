/** Holds that the page can be taken piece by piece. */
import { expect, test } from "bun:test";
import type { Bench } from "./measure.ts";
import { page, type Section } from "./report.ts";

const FACTS = [
  ["Processors", "2 × slow"],
  ["Memory", "1 GiB"],
  ["Disk", "0.2 ms"],
] as const;

const benches = ["start", "drain", "cron"].map((name): Bench => ({
  name,
  title: name,
  how: `How ${name} is measured.`,
  run: async () => [],
}));

function section(name: string, commit: string): Section[] {
  return benches
    .filter((bench) => bench.name === name)
    .map((bench) => ({
      bench,
      rows: [{ what: name, unit: "ms", value: 2, floor: 1, floorIs: "nothing" }],
      taken: { date: "2026-01-02", commit, load: 0.25, seconds: 7 },
    }));
}

const first = page(FACTS, {
  benches,
  sections: [...section("start", "c1"), ...section("cron", "c1")],
  old: "",
});

test("a section says when it was taken, and of what", () => {
  expect(first).toContain(`
## cron

How cron is measured.

Taken on 2026-01-02 from commit c1, in 7 s; the load before was 0.25.

| what | value | floor | of the floor | must |
| --- | --- | --- | --- | --- |
| cron | 2.00 ms | 1.00 ms (nothing) | 50 % |  |
`);
});

test("a section that is taken anew replaces itself; the others stay, each in its place", () => {
  const sections = [...section("drain", "c2"), ...section("cron", "c2")];
  const next = page(FACTS, { benches, sections, old: first });
  const marks = next.match(/^## .*$|commit c\d/gm)?.join(", ");
  expect(marks).toBe("## start, commit c1, ## drain, commit c2, ## cron, commit c2");
  expect(page(FACTS, { benches, sections: [], old: next })).toBe(next);
});

test("what another machine took is not kept", () => {
  const facts = [["Processors", "64 × fast"], ...FACTS.slice(1)] as const;
  const next = page(facts, { benches, sections: section("drain", "c2"), old: first });
  expect(next.match(/^## .*$/gm)).toEqual(["## drain"]);
});

test("what has to be read beside the figures stands above them", () => {
  const sections = section("drain", "c1").map((one) => ({
    ...one,
    bench: { ...one.bench, legend: "| a | b |" },
  }));
  expect(page(FACTS, { benches, sections, old: "" })).toMatch(/\| a \| b \|\n\nTaken on/);
});
