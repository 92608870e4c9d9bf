/**
 * The lock of a data folder, held by a host that does nothing for a while and then
 * much: an idle runtime collects what nobody refers to, and a lock that is
 * collected is no lock. And free at once when its holder is killed.
 */
import { expect, test } from "bun:test";
import { type Ended, Place } from "./host.ts";

const CONFIG = "[plugin]\nbundled = false\n";
const IDLE_MS = Number(process.env["QNTX_PROVE_IDLE_MS"] ?? 6_000); // An unreferenced handle was collected within a second.
const REFUSED_MS = 3_000; // Promised is one second, where a machine does little else.
const READY_MS = 3_000; // The same.
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
    for (const phase of phases) {
      await phase();
      const { code, stderr, tookMs } = await second(place);
      expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining("A host runs on") });
      expect(tookMs).toBeLessThan(REFUSED_MS);
    }
    expect(await place.call("host.status")).toMatchObject({ running: true });
  },
  STORY_LIMIT_MS,
);

test(
  "the lock is free at once when its holder is killed",
  async () => {
    await using place = new Place(CONFIG);
    for (let round = 0; round < 5; round++) {
      const from = performance.now();
      const host = await place.start();
      expect(performance.now() - from).toBeLessThan(READY_MS);
      await host.crash();
    }
  },
  STORY_LIMIT_MS,
);
