/** One host per data folder: who comes second is refused, and who comes next waits for its turn. */
import { expect, test } from "bun:test";
import { takeHostLock } from "../../store/lock.ts";
import { Place } from "./host.ts";

const CONFIG = '[plugin]\nbundled = false\n[log]\nlevel = "debug"\n';
const LIMIT_MS = 60_000;

test(
  "a second host on a folder is refused, and the first goes on",
  async () => {
    await using place = new Place(CONFIG);
    await place.start();
    const { code, stderr } = await place.cli(["serve", "--port", "0"]);
    expect(code).toBe(5);
    expect(stderr).toContain(`A host runs on ${place.home} already`);
    expect(await place.call("host.status")).toMatchObject({ running: true });
  },
  LIMIT_MS,
);

test(
  "a host that starts while somebody else has the lock for a moment waits for it",
  async () => {
    await using place = new Place(CONFIG);
    const lock = takeHostLock(place.home); // As a command does, and a killed host whose last process is not gone.
    const starting = place.start();
    await place.host.said(/waiting for it/);
    lock?.release();
    await starting;
    expect(await place.call("host.status")).toMatchObject({ running: true });
  },
  LIMIT_MS,
);
