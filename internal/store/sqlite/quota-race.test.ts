/** Several processes on one database, as several hosts would be, against one quota: the count and the insert are one step for all. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PEOPLE } from "../../access/quota.ts";
import { openDatabase } from "./open.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "qntx-race-"));
  openDatabase(join(home, "qntx.db")).close(); // Its schema is made before they meet.
});
afterEach(() => rmSync(home, { recursive: true }));

const at = (path: string) => JSON.stringify(join(import.meta.dir, path));
const WINDOW_MS = 60_000;

/** Makes schedules at once, as soon as it is told to. */
const CREATOR = `
  import { realEnv } from ${at("../../base/env.ts")};
  import { openDatabase } from ${at("open.ts")};
  import { SqliteStore } from ${at("store.ts")};
  import { newSchedule } from ${at("../storetest/fixture.ts")};
  const [home, who, quota, count] = process.argv.slice(1);
  const store = new SqliteStore(realEnv, {
    db: openDatabase(home + "/qntx.db"), logPath: home + "/" + process.pid + ".db", tzdata: "test",
  });
  const { plugin, tenant, kind } = JSON.parse(who);
  const changes = store.schedules.within({ plugin, tenant, quota: JSON.parse(quota) });
  const own = { tenant, owner: { kind, name: plugin } };
  process.stderr.write("ready");
  await Bun.stdin.text();
  const all = Array.from({ length: Number(count) }, () => changes.create(newSchedule(realEnv, own)));
  const refused = (await Promise.all(all)).map((answer) => answer.exceeded?.limit ?? "made");
  await store.close();
  process.stdout.write(JSON.stringify(refused));`;

const DEMO = { plugin: "demo", tenant: "acme", kind: "plugin" };
const ANYBODY = { ...PEOPLE, kind: "person" };

test.each([
  // who, limit, how many of two hundred are made
  [DEMO, { schedules: 50, scheduleWritesPerMinute: 100_000 }, "schedules", 50],
  [DEMO, { schedules: 1_000, scheduleWritesPerMinute: 10 }, "scheduleWritesPerMinute", 10],
  [ANYBODY, { schedules: 50, scheduleWritesPerMinute: 100_000 }, "schedules", 50],
])(
  "%p, %p: of two hundred creates by four processes, exactly so many are made",
  async (who, quota, limit, made) => {
    const words = [process.execPath, "-e", CREATOR, home, JSON.stringify(who), JSON.stringify(quota), "50"];
    const pipes = { stdin: "pipe", stdout: "pipe", stderr: "pipe" } as const;
    const processes = Array.from({ length: 4 }, () => Bun.spawn(words, pipes));
    for (const { stderr } of processes) await stderr.getReader().read();
    const begun = performance.now();
    for (const { stdin } of processes) void stdin.end();
    const ended = await Promise.all(processes.map(async ({ stdout }) => (await stdout.json()) as string[]));
    expect(performance.now() - begun).toBeLessThan(WINDOW_MS); // Or the window has moved on.
    const all = ended.flat();
    expect(all.filter((each) => each === "made")).toHaveLength(made);
    expect(all.filter((each) => each === limit)).toHaveLength(200 - made);
  },
  60_000,
);
