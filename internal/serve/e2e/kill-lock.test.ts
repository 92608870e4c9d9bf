/**
 * The lock of a data folder, held by a host that does nothing for a while and then
 * much: an idle runtime collects what nobody refers to, and a lock that is
 * collected is no lock. And free at once when its holder is killed.
 */
import { expect, test } from "bun:test";
import { type Ended, Place } from "./host.ts";

const CONFIG = "[plugin]\nbundled = false\n";
const IDLE_MS = Number(process.env["QNTX_PROVE_IDLE_MS"] ?? 6_000); // An unreferenced handle was collected within a second.
const PROMISED_MS = 1_000; // To be refused, and to be ready. The fastest of some is held to it: others use the machine too.
const PAYLOAD_CHARS = 200_000;
const STORY_LIMIT_MS = 120_000;

async function second(place: Place): Promise<Ended & { tookMs: number }> {
  const from = performance.now();
  const ended = await place.cli(["serve", "--port", "0"]);
  return { ...ended, tookMs: performance.now() - from };
}

/** Makes the host allocate some hundred megabytes, so that it has to collect. */
async function press(place: Place): Promise<void> {
  const payload = "x".repeat(PAYLOAD_CHARS);
  const jobs = Array.from({ length: 20 }, () => ({ handler: "nobody.does", payload }));
  for (let round = 0; round < 10; round++) {
    await place.call("job.enqueueMany", { jobs });
    await place.call("job.list", { limit: 100 });
  }
}

test(
  "a second host is refused at once, also when the first has been idle and has collected its garbage",
  async () => {
    await using place = new Place(CONFIG);
    await place.start();
    const phases = [async () => {}, () => Bun.sleep(IDLE_MS), () => press(place), () => Bun.sleep(IDLE_MS)];
    const took: number[] = [];
    for (const phase of phases) {
      await phase();
      const { code, stderr, tookMs } = await second(place);
      expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining("A host runs on") });
      took.push(tookMs);
    }
    expect(Math.min(...took)).toBeLessThan(PROMISED_MS);
    expect(await place.call("host.status")).toMatchObject({ running: true });
  },
  STORY_LIMIT_MS,
);

test(
  "the lock is free at once when its holder is killed",
  async () => {
    await using place = new Place(CONFIG);
    await (await place.start()).crash();
    const took: number[] = [];
    for (let round = 0; round < 5; round++) {
      const from = performance.now();
      const host = await place.start();
      took.push(performance.now() - from);
      await host.crash();
    }
    expect(Math.min(...took)).toBeLessThan(PROMISED_MS);
  },
  STORY_LIMIT_MS,
);
