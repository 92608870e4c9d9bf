/** One host per data folder: who comes second is refused, and who comes next need not wait to be sure. */
import { expect, test } from "bun:test";
import { Place } from "./host.ts";

const CONFIG = "[plugin]\nbundled = false\n";
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
  "a host that was killed can be started again at once, while its processes are still ending",
  async () => {
    await using place = new Place("");
    for (let times = 0; times < 3; times++) {
      const host = await place.start();
      host.process.kill("SIGKILL"); // The keeper; the host behind it ends its plugins, and holds the lock until then.
      await host.process.exited;
    }
    await place.start();
    expect(await place.call("host.status")).toMatchObject({ running: true });
  },
  LIMIT_MS,
);

test(
  "a host that starts while commands use the folder waits for its turn",
  async () => {
    await using place = new Place(CONFIG);
    const words = ["ats", "create", "--subject", "s"];
    const commands = Array.from({ length: 4 }, () => place.cli(words));
    await place.start();
    for (const { code, stderr } of await Promise.all(commands)) expect([code, stderr]).toEqual([0, ""]);
  },
  LIMIT_MS,
);
