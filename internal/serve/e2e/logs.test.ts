/** What a job says while it runs: all of it, in order, whatever becomes of the host. */
import { expect, test } from "bun:test";
import { Place } from "./host.ts";

const LIMIT_MS = 120_000;
const LINES = 100_000;

const PLUGIN = `
import { definePlugin } from "qntx";
const ever = () => new Promise(() => {});
export default definePlugin({ name: "loud", version: "1.0.0", jobs: {
  async burst() {
    for (let n = 1; n <= ${LINES}; n++) console.log(String(n));
    await ever();
  },
  async paced() {
    for (let n = 1; ; n++) {
      console.log(String(n));
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
  long() {
    console.log("x".repeat(1_000_000));
  },
}});
`;

interface Lines {
  lines: { seq: number; message: string }[];
}

async function loud(): Promise<Place> {
  const place = new Place('[plugin]\nenabled = ["loud"]\nbundled = false\n');
  place.write("plugins/loud.ts", PLUGIN);
  await place.start();
  return place;
}

/** The number of the newest line; 0 before the first. */
async function newest(place: Place, id: string, after: number): Promise<number> {
  const { lines } = await place.call<Lines>("job.logs", { id, after, limit: 10_000 });
  return lines.at(-1)?.seq ?? after;
}

test.each(["burst", "paced"])(
  "of a job that prints number after number and a host that is killed, no number is missing (%s)",
  async (handler) => {
    await using place = await loud();
    const id = await place.enqueue(`loud.${handler}`, {});
    const enough = handler === "burst" ? LINES : 5_000;
    let seen = 0;
    await place.until("lines of the job", async () => (seen = await newest(place, id, seen)) >= enough);
    await place.host.crash();
    const kept = await place.jsonLines<{ message: string }>("job", "logs", id);
    expect(kept.findIndex(({ message }, index) => message !== String(index + 1))).toBe(-1);
    expect(kept.length).toBeGreaterThanOrEqual(handler === "burst" ? LINES - 2_000 : 1);
  },
  LIMIT_MS,
);

test(
  "of a job whose process is killed while it prints, no number is missing either, and the next try begins anew",
  async () => {
    await using place = await loud();
    const id = await place.enqueue("loud.paced", {});
    let seen = 0;
    await place.until("lines of the job", async () => (seen = await newest(place, id, seen)) >= 5_000);
    const { pid } = await place.plugin("loud");
    process.kill(pid ?? 0, "SIGKILL");
    const again = await place.until("the next try to say its first line", async () => {
      const { lines } = await place.call<Lines>("job.logs", { id, after: seen, limit: 10_000 });
      seen = Math.max(seen, (lines.at(-1)?.seq ?? 0) - 1); // The first line may be the last one here.
      return lines.find(({ message }) => message === "1");
    });
    await place.host.crash();
    const kept = (await place.jsonLines<{ message: string }>("job", "logs", id)).map(
      ({ message }) => message,
    );
    expect(again.seq).toBeGreaterThan(5_000);
    expect(kept.findIndex((message, n) => n < again.seq - 1 && message !== String(n + 1))).toBe(-1);
  },
  LIMIT_MS,
);

test(
  "a line of a megabyte is cut, and says how long it was",
  async () => {
    await using place = await loud();
    const id = await place.enqueue("loud.long", {});
    await place.ended(id);
    const { lines } = await place.call<Lines>("job.logs", { id });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.message).toEndWith("x… (cut: 1000000 characters)");
  },
  LIMIT_MS,
);
