/** Holds that peers are measured as is said: with a queue of our own in the place of theirs, and nothing downloaded. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../measure.ts";
import { table } from "../report.ts";
import { Scratch } from "../scratch.ts";
import { measuredIn, reason } from "./child.ts";
import { theBest } from "./drain.ts";
import { PEERS, promises } from "./list.ts";
import { startPlace } from "./place.ts";
import { against, failures, inRounds } from "./rounds.ts";

setDefaultTimeout(60_000);

const ADAPTERS = join(import.meta.dir, "adapters");

/** An array is a queue, too. */
const ARRAY = `
export async function open({ place }) {
  const jobs = [];
  let handler = () => {};
  const run = async () => { while (jobs.length > 0) handler(jobs.shift()); };
  if (place.broken) throw new Error("it is broken. It was before.");
  return {
    add: async (payload) => { jobs.push(payload); setTimeout(run); },
    addMany: async (payloads) => void jobs.push(...payloads),
    work: async (given) => { handler = given; setTimeout(run); },
  };
}`;

function folder(): Scratch {
  const scratch = new Scratch();
  copyFileSync(join(ADAPTERS, "measure.mjs"), join(scratch.path, "measure.mjs"));
  writeFileSync(join(scratch.path, "array.mjs"), ARRAY);
  return scratch;
}

test.each(["bun", "node"] as const)("a queue is measured under %s", async (runtime) => {
  using scratch = folder();
  const peer = { runtime, adapter: "array" };
  const drained = await measuredIn(scratch.path, peer, { measure: "drain", place: {}, count: 2_500 });
  expect([drained.ran, drained.batch > 0, drained.drain > 0]).toEqual([2_500, true, true]);
  const { latencies } = await measuredIn(scratch.path, peer, { measure: "latency", place: {}, count: 3 });
  expect(latencies).toHaveLength(3);
});

test("why a queue cannot be measured is one line", async () => {
  using scratch = folder();
  const peer = { runtime: "bun", adapter: "array" } as const;
  const broken = measuredIn(scratch.path, peer, { measure: "drain", place: { broken: true }, count: 1 });
  expect(reason(await broken.catch((error: unknown) => error))).toBe("it is broken");
});

test.each([
  ["Error: no such module\n    at somewhere", "no such module"],
  ["file:///x.mjs:1\n  ^\nSyntaxError: no a|b. Tried:\n -> c", "no a\\|b"],
  ["Killed", "Killed"],
  ["", "it said nothing"],
])("of %j is shown %j", (text, shown) => {
  expect(reason(new Error(text))).toBe(shown);
});

test("each peer has an adapter, exact versions and a promise", () => {
  for (const { adapter, packages, durability } of PEERS) {
    expect(existsSync(join(ADAPTERS, `${adapter}.mjs`))).toBe(true);
    expect(Object.values(packages).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    expect(promises()).toContain(durability);
  }
});

test("ours and each peer have their turns; who fails or is far behind has one", async () => {
  const turns: string[] = [];
  const taken = await inRounds<number>({
    ours: async () => turns.push("ours"),
    theirs: async ({ name }) => {
      turns.push(name);
      if (name === "liteque") throw new Error("no bindings");
      return name === "bunqueue" ? 1 : 10;
    },
    far: (first, all) => first < Math.max(...all) / 2,
  });
  const times = (name: string) => turns.filter((turn) => turn === name).length;
  expect(["ours", "pg-boss", "bunqueue", "liteque"].map(times)).toEqual([3, 3, 1, 1]);
  expect(turns.slice(0, 2)).toEqual(["ours", PEERS[0]?.name ?? ""]);
  expect(failures(taken)).toEqual([{ what: "liteque", note: "not measured: no bindings" }]);
  const rows = against(taken, { what: "drain", unit: "jobs/s", of: ([first = 0]) => first });
  expect(rows.map(({ what }) => what)).not.toContain("drain: liteque");
  expect(rows).toHaveLength(PEERS.length - 1);
});

test.each([
  // theirs  must
  [40_000, 60_000],
  [20_000, 50_000],
])("ours must be half as fast again as %d, and fast at all: %d", (theirs, target) => {
  const row = (floor: number): Row => ({
    what: `drain: ${floor}`,
    unit: "jobs/s",
    value: 59_000,
    floor,
    floorIs: "1.0.0",
  });
  expect(theBest([row(9), row(theirs)])).toMatchObject({ what: `drain, the best: ${theirs}`, target });
});

test("figures stand beside a peer's, and notes without", () => {
  const rate: Row = { what: "drain: x", unit: "jobs/s", value: 300, floor: 200, floorIs: "1.0.0, bun" };
  expect(table([rate, { what: "y", note: "not measured: no bindings" }], "peer")).toBe(`\
| what | qntx | peer | qntx to peer | must |
| --- | --- | --- | --- | --- |
| drain: x | 300 jobs/s | 200 jobs/s (1.0.0, bun) | 1.50 × |  |
| y | not measured: no bindings |  |  |  |`);
});

test("a place is there for a measurement, and gone after it", async () => {
  const place = await startPlace("redis always");
  const port = Number(place.where["port"]);
  const answer = async () => {
    const said = Promise.withResolvers<string>();
    const data = (_: unknown, bytes: Buffer) => said.resolve(bytes.toString());
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data } });
    socket.write("CONFIG GET appendfsync\r\n");
    return await said.promise.finally(() => socket.end());
  };
  expect(await answer()).toContain("always");
  await place[Symbol.asyncDispose]();
  await expect(answer()).rejects.toThrow();
});
