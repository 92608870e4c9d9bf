/** `qntx bench`: it measures, says what each figure means, and leaves nothing behind. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { processesIn } from "./crash-scene.ts";
import { Place, QNTX } from "./host.ts";

const LIMIT_MS = 120_000;

test(
  "a benchmark gives figures of a folder that is gone afterwards, and touches neither schedules nor plugins",
  async () => {
    await using place = new Place(
      '[plugin]\nenabled = ["nobody"]\n[[schedule]]\nid = "mine"\nhandler = "mine.work"\nevery = "1s"\n',
    );
    const { folder, figures } = await place.json<{
      folder: string;
      figures: { name: string; value: number; means: string }[];
    }>("bench", "--seconds", "5");
    expect(figures).toHaveLength(9);
    for (const { name, value, means } of figures) {
      expect([name, value > 0 && value < 10_000_000]).toEqual([name, true]);
      expect(means).not.toBe("");
    }
    expect(folder).toStartWith(join(place.home, "qntx-bench-"));
    expect(existsSync(folder)).toBe(false);
    // Bun's own folder is there when the program runs from its source.
    expect(readdirSync(place.home).filter((name) => name !== ".bun")).toEqual(["qntx.toml"]);
  },
  LIMIT_MS,
);

test("a folder that cannot be written to is said, with the way out", async () => {
  await using place = new Place();
  const { code, stderr } = await place.cli(["bench", "--on", join(place.home, "none")]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("--on")]);
});

test.each(["SIGKILL", "SIGHUP"] as const)(
  "the host that is measured ends with a benchmark that %s ends",
  async (signal) => {
    await using place = new Place();
    const bench = Bun.spawn([...QNTX, "bench", "--seconds", "60"], {
      cwd: "/",
      env: { PATH: process.env["PATH"] ?? "", HOME: place.home, QNTX_HOME: place.home },
      stdio: ["ignore", "ignore", "ignore"],
    });
    const beside = async (wanted: (processes: number) => boolean) => {
      while (!wanted(processesIn(place.home).length)) await Bun.sleep(20);
    };
    await beside((processes) => processes > 1); // The host, and its plugin.
    bench.kill(signal);
    await beside((processes) => processes === 0);
  },
  LIMIT_MS,
);
