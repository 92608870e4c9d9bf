/** Damages the database of a real host by hand, and sees doctor find it, the host repair it, and an event tell of each repair. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Place } from "./host.ts";

const PATIENCE_MS = 300_000;

interface Doctor {
  ok: boolean;
  checks: { check: string; ok: boolean; detail: string }[];
}

interface EventShown {
  kind: string;
  subject: string;
  message: string;
}

/** What a hand does to the database, and what doctor says of it. */
const DAMAGES: readonly (readonly [name: string, sql: string, sentence: RegExp])[] = [
  [
    "idle",
    "UPDATE schedule_cursor SET next_occurrence = NULL, due_at = NULL WHERE schedule_id = $id",
    /has no next run/,
  ],
  ["lost", "DELETE FROM schedule_cursor WHERE schedule_id = $id", /Where schedule \S+ stands is gone/],
  ["run", "DELETE FROM job WHERE schedule_id = $id AND trigger = 'schedule'", /Job JB_\S+ is gone/],
  [
    "open",
    "UPDATE occurrence SET outcome = 'pending', job_id = NULL WHERE schedule_id = $id",
    /Nobody closes the occurrence/,
  ],
];

test(
  "what a hand has done to the database is found, repaired and told",
  async () => {
    await using place = new Place();
    const ids = await damagedPlace(place);
    expect(await ledgerCheck(place)).toMatchObject({ code: 1, ok: false });
    const { detail } = await ledgerCheck(place);
    for (const [, , sentence] of DAMAGES) expect(detail).toMatch(sentence);

    await place.start();
    await place.until("the repair", async () => (await place.cli(["doctor"])).code === 0);
    const { events } = await place.json<{ events: EventShown[] }>(
      "event",
      "list",
      "--kind",
      "schedule.repaired",
    );
    expect(events.map(({ subject }) => subject).toSorted()).toEqual(ids.toSorted());
    for (const id of ids) expect(place.host.text).toContain(id);
    for (const name of ["idle", "lost"])
      expect(
        (await place.json<{ nextRunAt: string | null }>("schedule", "show", name)).nextRunAt,
      ).not.toBeNull();
    expect((await place.cli(["schedule", "verify", "--all"])).stdout).toMatch(/^dup=0 gap=0 /);
  },
  PATIENCE_MS,
);

test(
  "doctor repairs beside a stopped host, too",
  async () => {
    await using place = new Place();
    const ids = await damagedPlace(place);
    const repaired = await place.cli(["doctor", "--repair"]);
    expect(repaired.code).toBe(0);
    for (const id of ids) expect(repaired.stderr).toContain(id);
    expect(await ledgerCheck(place)).toMatchObject({ code: 0, ok: true });
    expect((await place.cli(["doctor", "--repair"])).stderr).toContain("nothing to repair");
    expect((await place.cli(["schedule", "verify", "--all"])).stdout).toMatch(/^dup=0 gap=0 /);
  },
  PATIENCE_MS,
);

/** A data folder without a host, whose schedules are damaged, each in its way. Returns their ids. */
async function damagedPlace(place: Place): Promise<string[]> {
  place.write("quick.sh", "echo done\n");
  await place.start();
  await place.working();
  await place.json("handler", "create", "--file", "quick.sh");
  const ids: string[] = [];
  for (const [name] of DAMAGES) {
    const words = ["schedule", "create", name, "--handler", "shell.quick", "--every", "1s"];
    ids.push((await place.json<{ id: string }>(...words)).id);
  }
  for (const id of ids) await place.until(`a run of ${id}`, () => hasRun(place, id));
  for (const name of ["run", "open"]) await place.json("schedule", "pause", name);
  await place.host.stop();
  const db = new Database(join(place.home, "qntx.db"), { strict: true });
  DAMAGES.forEach(([, sql], index) => db.query(sql).run({ id: ids[index] ?? "" }));
  db.run("DELETE FROM gone_run WHERE job_id <> (SELECT MIN(job_id) FROM gone_run)"); // One is enough to see.
  db.run(
    "UPDATE occurrence SET outcome = 'expired' WHERE outcome = 'pending' AND occurrence > (SELECT MIN(occurrence) FROM occurrence WHERE outcome = 'pending')",
  );
  db.close();
  return ids;
}

async function hasRun(place: Place, id: string): Promise<boolean> {
  const { occurrences } = await place.call<{ occurrences: { jobId: string | null }[] }>("schedule.ledger", {
    id,
  });
  return occurrences.some(({ jobId }) => jobId !== null);
}

async function ledgerCheck(place: Place) {
  const { code, stdout } = await place.cli(["doctor", "--json"]);
  const found = (JSON.parse(stdout) as Doctor).checks.find(({ check }) => check === "ledger");
  return { code, ok: found?.ok, detail: found?.detail ?? "" };
}
