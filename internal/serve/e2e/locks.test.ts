/**
 * Locks across hosts: a slice of the lock loop, which `bun scripts/prove/locks.ts` runs
 * whole, and what people read when the lock provider is wrong or away.
 */
import { expect, test } from "bun:test";
import { RedisServer } from "../../bundled/redis-lock/redis-server.ts";
import { Place } from "./host.ts";
import { lockLoop, lockLoopTrouble } from "./lock-loop.ts";
import { PYTHON_PATH } from "./python.ts";

const STORY_LIMIT_MS = 120_000;

test(
  "two hosts that share a lock server run each occurrence once, whoever is killed",
  async () => {
    const report = await lockLoop({ schedules: 20, seconds: 15, outages: 1, seed: 7 });
    expect(lockLoopTrouble(report)).toEqual([]);
    // It was tried in earnest: both ran some, both were killed, and the server was missed.
    expect(report.occurrences).toBeGreaterThan(200);
    expect(Math.min(...report.jobs)).toBeGreaterThan(0);
    expect(report.kills).toBeGreaterThan(1);
    expect(report.told).not.toEqual([]);
  },
  STORY_LIMIT_MS,
);

test.each([
  ["a plugin that nobody enabled", 'provider = "zookeeper"', "no plugin of that name is enabled"],
  ["a plugin that keeps no locks", 'provider = "ix-json"', "that plugin says that it provides no locks"],
  [
    "a plugin that does not start",
    'provider = "redis-lock"\n[redis-lock]\nurl = "localhost"',
    "that plugin has not started: It failed to initialize",
  ],
])(
  "a host whose locks are kept by %s does not stay up",
  async (_, config, sentence) => {
    await using place = new Place(`[locks]\n${config}\n`);
    const { code, stderr } = await place.cli(["serve", "--port", "0"]);
    expect(code).not.toBe(0);
    expect(stderr).toContain(sentence);
  },
  STORY_LIMIT_MS,
);

test(
  "where nobody keeps locks, what needs one is refused, and runs of a schedule that was made before wait in the open",
  async () => {
    await using place = new Place();
    const made = await place.cli(["schedule", "create", "before", "--handler", "h", "--every", "1s"]);
    expect(made.code).toBe(0);
    place.write("qntx.toml", '[locks]\nprovider = "none"\n');
    const refused = await place.cli(["schedule", "create", "after", "--handler", "h", "--every", "1s"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("--locking: require-global needs somebody who keeps locks");
    const local = [
      "schedule",
      "create",
      "local",
      "--handler",
      "h",
      "--every",
      "1s",
      "--locking",
      "prefer-global",
    ];
    expect((await place.cli(local)).code).toBe(0);

    await place.start();
    await place.until("a run that needs no lock", async () =>
      (await occurrences(place, "local")).some(({ outcome }) => outcome.startsWith("fired")),
    );
    const waiting = await place.until("an occurrence that says why it waits", async () =>
      (await occurrences(place, "before")).find(({ outcome, note }) => outcome === "pending" && note !== ""),
    );
    expect(waiting.note).toContain('[locks] provider is "none"');
    const { sentence } = await place.call<{ sentence: string }>("schedule.explain", {
      id: "before",
      at: waiting.occurrence,
    });
    expect(sentence).toContain("It waits for the lock");
    const outcomes = (await occurrences(place, "before")).map(({ outcome }) => outcome);
    expect(outcomes).not.toContain("fired");
  },
  STORY_LIMIT_MS,
);

test(
  "a schedule that waits for a lock server that is away says so, and runs when it is back",
  async () => {
    await using redis = await RedisServer.start();
    await redis.kill();
    const locks = `[locks]\nprovider = "redis-lock"\n[redis-lock]\nurl = "${redis.url}"\n`;
    await using place = new Place(locks);
    await place.start();
    await place.call("schedule.create", { name: "beat", handler: "h", every: "1s", overlap: "allow" });
    const waiting = await place.until("an occurrence that says why it waits", async () =>
      (await occurrences(place, "beat")).find(({ note }) => note !== ""),
    );
    expect(waiting).toMatchObject({ outcome: "pending" });
    const at = waiting.occurrence;
    const { sentence } = await place.call<{ sentence: string }>("schedule.explain", { id: "beat", at });
    expect(sentence).toBe(
      `It waits for the lock: redis-lock says: Redis at 127.0.0.1:${redis.port}: Connection closed.`,
    );
    const { checks } = await place.call<{ checks: { check: string; ok: boolean }[] }>("host.doctor");
    expect(checks.find(({ check }) => check === "locks")).toMatchObject({ ok: false });

    await redis.restart();
    const ran = await place.until("its run", async () =>
      (await occurrences(place, "beat")).find((row) => row.occurrence === at && row.outcome !== "pending"),
    );
    expect(ran).toMatchObject({ outcome: expect.stringMatching(/^fired/), note: "" });
    const kinds = await place.until("the end of the trouble to be told", async () => {
      const { events } = await place.call<{ events: { kind: string }[] }>("event.list");
      const told = events.map(({ kind }) => kind).filter((kind) => kind.startsWith("locks."));
      return told.includes("locks.recovered") && told;
    });
    expect(kinds).toEqual(["locks.recovered", "locks.failed"]);
  },
  STORY_LIMIT_MS,
);

/** A plugin that does with locks what its jobs say, in two languages. */
const TYPESCRIPT = (name: string) => `
  import { definePlugin } from "qntx";
  export default definePlugin({
    name: "${name}",
    version: "1",
    jobs: {
      take: (job) => job.qntx.locks.tryLock({ key: "k", ttlMs: 60_000, holder: job.payload.holder }),
      release: async (job) => ({ released: await job.qntx.locks.release(job.payload.token) }),
    },
  });
`;
const PYTHON = `
from qntx import Plugin
plugin = Plugin("smith", version="1")

@plugin.job("take")
def take(job):
    lock = job.qntx.locks.try_lock("k", ttl=60, holder=job.payload["holder"])
    return vars(lock)

@plugin.job("release")
def release(job):
    return {"released": job.qntx.locks.release(job.payload["token"])}

plugin.run()
`;

test(
  "plugins take locks of their host: each has keys of its own, and hosts with one lock server share them",
  async () => {
    await using redis = await RedisServer.start();
    const locks = `[locks]\nprovider = "redis-lock"\n[redis-lock]\nurl = "${redis.url}"\n`;
    const config = `${locks}[plugin]\nbundled = false\nenabled = ["smith", "jones"]\n`;
    await using one = new Place(config);
    await using other = new Place(config);
    for (const place of [one, other]) place.write("plugins/jones.ts", TYPESCRIPT("jones"));
    one.write("plugins/smith.ts", TYPESCRIPT("smith"));
    other.write("plugins/smith.py", PYTHON);
    await Promise.all([one.start(), other.start({ vars: { PATH: PYTHON_PATH } })]);
    const run = async (place: Place, handler: string, payload: object): Promise<object> =>
      Object((await place.ended(await place.enqueue(handler, payload))).result);

    const held = await run(one, "smith.take", { holder: "a" });
    expect(Object.keys(held)).toEqual(["token", "fence"]);
    expect(await run(other, "smith.take", { holder: "b" })).toMatchObject({ holder: "a" });
    expect(await run(other, "jones.take", { holder: "b" })).toHaveProperty("token");
    expect(await run(one, "smith.release", held)).toEqual({ released: true });
    const next = await run(other, "smith.take", { holder: "b" });
    expect(Object.keys(next)).toEqual(["token", "fence"]);
    expect(await run(one, "smith.take", { holder: "a" })).toMatchObject({ holder: "b" });
    expect(await run(other, "smith.release", next)).toEqual({ released: true });
  },
  STORY_LIMIT_MS,
);

interface Row {
  occurrence: string;
  outcome: string;
  note: string;
}

/** The ledger of a schedule; null while it is empty. */
async function occurrences(place: Place, id: string): Promise<Row[]> {
  return (await place.call<{ occurrences: Row[] }>("schedule.ledger", { id, limit: 1_000 })).occurrences;
}
