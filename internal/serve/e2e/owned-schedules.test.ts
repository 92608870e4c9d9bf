/**
 * Whose a schedule is, in a real host: what is declared stays as it is over many starts,
 * nobody changes what another owns, and a document moves all of it to another host.
 */
import { expect, test } from "bun:test";
import { Place } from "./host.ts";
import { PYTHON_PATH, writePlugin, writeStranger } from "./python.ts";

const STORY_LIMIT_MS = 180_000; // Each starts several hosts; alone it takes some ten seconds.

const CONFIG = `
[plugin]
enabled = ["meddler"]
bundled = false

[[schedule]]
id = "interval"
handler = "meddler.work"
every = "53m"
overlap = "buffer-all"
blackouts = ["holidays", { from = 2090-01-01T00:00:00Z, to = 2090-01-02T00:00:00Z }]
metadata = { team = "web" }
payload = { list = [1, 2.5, true], at = 2030-01-01T00:00:00Z }

[[schedule]]
id = "cron"
handler = "meddler.work"
cron = ["0 3 * * *", "@weekly"]
timezone = "Europe/Amsterdam"
jitter = "1m"

[[schedule]]
id = "instants"
handler = "meddler.work"
at = [2090-01-31T09:00:00Z, "2089-01-31T09:00:00+01:00"]
paused = true
note = "not yet"
`;

interface Shown {
  id: string;
  name: string;
  owner: string;
  state: string;
  revision: number;
  nextRunAt: string | null;
  runCount: number;
  everyMs: number | null;
}

interface Row {
  occurrence: string;
  outcome: string;
}

async function startedPlace(): Promise<Place> {
  const place = new Place(CONFIG);
  writePlugin(place, "meddler.ts");
  await place.cli([
    "blackout",
    "set",
    "holidays",
    "2090-12-24..2090-12-26 Christmas",
    "--tz",
    "Europe/Paris",
  ]);
  await start(place);
  return place;
}

async function start(place: Place): Promise<void> {
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
}

async function schedulesOf(place: Place): Promise<Shown[]> {
  const { schedules } = await place.json<{ schedules: Shown[] }>(
    "schedule",
    "list",
    "--deleted",
    "-n",
    "1000",
  );
  return schedules;
}

/** Everything about a schedule that does not fire meanwhile, with its ledger; of the one that does, what must not move. */
async function stateOf(place: Place): Promise<unknown[]> {
  const schedules = await schedulesOf(place);
  return Promise.all(
    schedules.map(async (schedule) => {
      const ledger = await place.json<{ occurrences: Row[] }>("schedule", "ledger", schedule.id, "--all");
      if (schedule.name !== "beat") return { ...schedule, ledger };
      const { id, revision, everyMs, owner, state, nextRunAt } = schedule;
      return { id, revision, everyMs, owner, state, grid: Date.parse(nextRunAt ?? "") % 1_000 };
    }),
  );
}

test(
  "five starts with the same declarations change nothing, whatever people did in between",
  async () => {
    await using place = await startedPlace();
    for (const words of [
      ["pause", "grid", "--note", "by hand"],
      ["delete", "gone", "--yes"],
      ["create", "mine", "--handler", "meddler.work", "--every", "59m"],
    ])
      expect((await place.cli(["schedule", ...words])).stderr).toBe("");
    await place.post("/api/meddler/make", { handler: "meddler.work", every: "47m", name: "made" });
    await place.until("a beat", async () => (await named(place, "beat")).runCount > 0);
    const before = await stateOf(place);
    expect(before).toHaveLength(10);
    for (let starts = 1; starts <= 5; starts++) {
      if (starts % 2 === 0) await place.host.crash();
      else await place.host.stop();
      await start(place);
      expect(await stateOf(place)).toEqual(before);
    }
    const beat = await named(place, "beat");
    const { occurrences } = await place.json<{ occurrences: Row[] }>("schedule", "ledger", beat.id, "--all");
    const fired = occurrences.filter(({ outcome }) => /^(fired|caught)/.test(outcome));
    expect(fired.length).toBeGreaterThanOrEqual(beat.runCount);
    expect((await place.cli(["schedule", "verify", "--all"])).code).toBe(0);
  },
  STORY_LIMIT_MS,
);

async function named(place: Place, name: string): Promise<Shown> {
  const found = (await schedulesOf(place)).find((schedule) => schedule.name === name);
  if (!found) throw new Error(`There is no schedule ${name}.`);
  return found;
}

const DOCUMENT = "source: prod\nschedules:\n  - {name: stated, handler: meddler.work, every: 61m}\n";

test(
  "a plugin changes nothing that a file, a document, a person or another plugin owns, by id or by name",
  async () => {
    await using place = await startedPlace();
    await place.cli(["schedule", "apply", "-f", "-"], { stdin: DOCUMENT });
    await place.cli(["schedule", "create", "mine", "--handler", "meddler.work", "--every", "59m"]);
    const foreign = (await schedulesOf(place)).filter(({ owner }) => owner !== "plugin:meddler");
    const owners = foreign.map(({ owner }) => owner).toSorted();
    expect(owners.join(" ")).toBe("file:prod file:qntx.toml file:qntx.toml file:qntx.toml person:operator");
    const attempt = (verb: string, id: string) =>
      place.post<{ code: string; message: string }>("/api/meddler/try", { verb, id });
    for (const { id, name } of foreign) {
      for (const verb of ["get", "update", "pause", "resume", "delete"])
        for (const reference of [id, name]) expect((await attempt(verb, reference)).code).toBe("not-found");
    }
    const own = await named(place, "nightly");
    expect(await attempt("update", own.id)).toEqual({
      code: "conflict",
      message: `Schedule nightly (${own.id}) is declared by plugin meddler and would be set back. Change its declaration in the plugin. Pausing, resuming and deleting are possible here.`,
    });
    expect((await attempt("upsert", "nightly")).code).toBe("conflict");
    expect((await attempt("pause", "nightly")).code).toBe("done");
    expect((await attempt("resume", "nightly")).code).toBe("done");
    expect(await named(place, "nightly")).toMatchObject({ revision: 1, state: "active" });
    expect((await attempt("upsert", "interval")).code).toBe("done"); // Its own, of the same name.
    const after = (await schedulesOf(place)).filter(({ owner }) => owner !== "plugin:meddler");
    expect(after).toEqual(foreign);
  },
  STORY_LIMIT_MS,
);

test(
  "a plugin of QNTX changes nothing that others own, whatever id it has heard of",
  async () => {
    await using place = new Place(`[plugin]\nenabled = ["poller"]\nbundled = false\n
[[schedule]]\nid = "declared"\nhandler = "poller.poll"\nevery = "53m"\n`);
    writeStranger(place, "poller");
    await start(place);
    await place.cli(["schedule", "apply", "-f", "-"], { stdin: DOCUMENT });
    await place.cli(["schedule", "create", "mine", "--handler", "poller.poll", "--every", "59m"]);
    const before = await schedulesOf(place);
    expect(before).toHaveLength(3);
    for (const { id } of before) {
      const attributes = JSON.stringify({ schedule_id: id });
      const statement = ["--subject", id, "--predicate", "polls-by", "--context", "poller"];
      await place.cli(["ats", "create", ...statement, "--attributes", attributes]);
      for (const verb of ["pause", "resume", "delete"]) {
        const answer = await place.http(`/api/poller/${verb}`, { body: JSON.stringify({ glyph: id }) });
        expect(answer.status).toBe(409);
        expect(await answer.text()).toContain(`There is no schedule "${id}".`);
      }
    }
    expect(await schedulesOf(place)).toEqual(before);
  },
  STORY_LIMIT_MS,
);

test(
  "a person may pause, resume, run and delete what is stated elsewhere, and is told where to change it",
  async () => {
    await using place = await startedPlace();
    await place.cli(["schedule", "apply", "-f", "-"], { stdin: DOCUMENT });
    const rows = [
      ["stated", 'belongs to the document "prod"', "qntx schedule apply -f FILE"],
      ["interval", "is declared in qntx.toml", "Change it in qntx.toml"],
      ["nightly", "is declared by plugin meddler", "Change its declaration in the plugin."],
    ] as const;
    for (const [name, whose, wayOut] of rows) {
      const refused = await place.cli(["schedule", "update", name, "--description", "new"]);
      expect([refused.code, refused.stdout]).toEqual([5, ""]);
      expect(refused.stderr).toContain(`${whose} and would be set back.`);
      expect(refused.stderr).toContain(wayOut);
      for (const words of [["pause"], ["resume"], ["run"], ["delete", "--yes"]])
        expect((await place.cli(["schedule", words[0] ?? "", name, ...words.slice(1)])).code).toBe(0);
    }
  },
  STORY_LIMIT_MS,
);

test(
  "a document moves everything to another host, where its plugin and its file find nothing to change",
  async () => {
    await using here = await startedPlace();
    await here.post("/api/meddler/make", { handler: "meddler.work", every: "47m", payload: "aGk=" });
    await here.cli(["schedule", "pause", "cron", "--note", "by hand", "--until", "2089-01-01T00:00:00Z"]);
    const document = (await here.cli(["schedule", "export"])).stdout;
    const nexts = await nextsOf(here);
    const plan = await here.cli(["schedule", "apply", "-f", "-", "--plan"], { stdin: document });
    expect([plan.code, plan.stderr]).toEqual([0, "No changes.\n"]);
    expect(await nextsOf(here)).toEqual(nexts);

    await using there = new Place(CONFIG);
    writePlugin(there, "meddler.ts");
    expect(await there.cli(["schedule", "apply", "-f", "-"], { stdin: document })).toMatchObject({ code: 0 });
    await start(there);
    const again = await there.cli(["schedule", "apply", "-f", "-", "--plan"], { stdin: document });
    expect([again.code, again.stderr]).toEqual([0, "No changes.\n"]);
    expect(await nextsOf(there)).toEqual(nexts);
    expect((await schedulesOf(there)).map(({ revision }) => revision)).toEqual(nexts.map(() => 1));
  },
  STORY_LIMIT_MS,
);

/** Name, id, owner and next run of all, but for what fires while one looks. */
async function nextsOf(place: Place): Promise<string[]> {
  const schedules = await schedulesOf(place);
  const line = ({ id, name, owner, state, nextRunAt }: Shown) =>
    `${id} ${name} ${owner} ${state} ${name === "beat" ? Date.parse(nextRunAt ?? "") % 1_000 : nextRunAt}`;
  return schedules.map(line).toSorted();
}
