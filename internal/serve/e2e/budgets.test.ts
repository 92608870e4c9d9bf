/**
 * The three calls of a scheduled plugin have a budget each, set in qntx.toml: what
 * takes longer is stopped, and said where a person looks. With the real binary.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writePlugin } from "./python.ts";

setDefaultTimeout(60_000);

const CONFIG = `[plugin]
enabled = ["slow-describe", "slow-run", "slow-cleanup"]
bundled = false
describe = "3s"
run = "1s"
cleanup = "500ms"
`;

describe.each(["sloth.ts", "sloth.py"])("%s", (file) => {
  let place: Place;

  beforeAll(async () => {
    place = new Place(CONFIG);
    for (const name of ["slow-describe", "slow-run", "slow-cleanup"])
      writePlugin(place, file, file.replace("sloth", name));
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
  });

  afterAll(() => place[Symbol.asyncDispose]());

  test("describing its schedules", async () => {
    const said =
      "Plugin slow-describe: Describe took longer than its budget of 3s (plugin.describe in qntx.toml) and its process was ended.";
    const plugin = await place.until("the plugin to fail", async () => {
      const shown = await place.plugin("slow-describe");
      return ["failed", "quarantined"].includes(shown.state) && shown;
    });
    expect(plugin.reason).toContain(said);
    expect(plugin.pid).toBeNull();
    expect(place.host.text).toContain(said);
    const { stdout } = await place.cli(["plugin", "logs", "slow-describe"]);
    expect(stdout).toContain(said);
    const { schedules } = await place.call<{ schedules: { owner: string }[] }>("schedule.list");
    expect(schedules.filter(({ owner }) => owner === "plugin:slow-describe")).toEqual([]);
  });

  const RUNS = [
    ["usual", "its budget of 1s (plugin.run in qntx.toml) and was told to end."],
    ["short", "its budget of 300ms (the timeout of its schedule) and was told to end."],
  ] as const;
  test.each(RUNS)("running one that is %s", async (id, rest) => {
    const { pid } = await place.plugin("slow-run");
    const job = await place.until(`a run of ${id} to fail`, async () => {
      const { jobs } = await place.call<{ jobs: (JobShown & { declaredId: string })[] }>("job.list", {
        handler: "slow-run.run",
      });
      return jobs.find(({ declaredId, state }) => declaredId === id && state === "failed");
    });
    const message = `Plugin slow-run: the run of slow-run.run took longer than ${rest}`;
    expect(job.error).toMatchObject({ kind: "timeout", message });
    expect(await place.plugin("slow-run")).toMatchObject({ state: "ready", pid }); // It is told, not ended.
  });

  test("cleaning up", async () => {
    const said =
      "Plugin slow-cleanup: Cleanup took longer than its budget of 500ms (plugin.cleanup in qntx.toml) and was cut off.";
    const begun = performance.now();
    await place.json("plugin", "stop", "slow-cleanup");
    // Its runs are given ten seconds, one more, and five to shut down: the cleanup adds its half second, not ten minutes.
    expect(performance.now() - begun).toBeLessThan(40_000);
    expect(await place.plugin("slow-cleanup")).toMatchObject({ state: "stopped", pid: null });
    expect(place.host.text).toContain(said);
    const { stdout } = await place.cli(["plugin", "logs", "slow-cleanup"]);
    expect(stdout).toContain(said);
  });
});
