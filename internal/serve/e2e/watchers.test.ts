/** Watchers from end to end: what plugins of both kinds watch for becomes jobs, and a host that is killed loses none and makes none twice. */
import { expect, test } from "bun:test";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, writeStranger } from "./python.ts";

const STORY_LIMIT_MS = 60_000;

/** Watches for what it writes itself, too. */
const PARROT = `import { definePlugin } from "qntx";
export default definePlugin({
  name: "parrot",
  version: "1.0.0",
  jobs: {
    async repeat(job) {
      if (job.payload.attributes.again) {
        await job.qntx.ats.create({ subjects: ["echo"], predicates: ["said"], attributes: { again: true } });
      }
      return job.payload.id;
    },
  },
  watchers: [{ id: "said", handler: "repeat", predicates: ["said"], contexts: ["_"], maxPerSecond: 1000 }],
});
`;

interface Shown {
  watchers: { id: string; fires: number; behind: boolean; firesPerSecondMax: number }[];
}

const attest = (place: Place, more: object) =>
  place.call<{ attestations: { id: string }[] }>("ats.create", {
    attestations: [{ subjects: ["Ada"], ...more }],
  });

async function watcherJobs(place: Place, handler: string): Promise<(JobShown & { trigger: string })[]> {
  const { jobs } = await place.call<{ jobs: (JobShown & { trigger: string })[] }>("job.list", {
    handler,
    limit: 1_000,
  });
  return jobs.filter(({ trigger }) => trigger === "watcher");
}

test(
  "a plugin of QNTX runs a job for every attestation that it watches for, with retries; one without a filter is left out aloud",
  async () => {
    await using place = new Place('[plugin]\nenabled = ["resident"]\nbundled = false\n');
    writeStranger(place, "resident");
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    await attest(place, { predicates: ["arrived"] });
    await attest(place, { predicates: ["left"] });
    await attest(place, { predicates: ["arrived"], contexts: ["shy"] });
    const jobs = await place.until("two jobs that have ended", async () => {
      const made = await watcherJobs(place, "resident.greet");
      return made.length === 2 && made.every(({ state }) => state === "completed") && made;
    });
    expect(jobs.map(({ attempt }) => attempt)).toEqual([2, 1]);
    const { result } = await place.call<JobShown>("job.show", { id: jobs[1]?.id });
    expect(result).toEqual({ greeted: ["Ada"], by: "watcher", since: expect.stringMatching(/^\d{4}-.*Z$/) });

    const shown = await place.cli(["plugin", "show", "resident"]);
    expect(shown.stdout).toMatch(
      /watches +arrivals \(resident.greet\): predicates arrived; 10\/s; 2 jobs, the last/,
    );
    expect(shown.stdout).toContain('watcher "everything" is left out: it names no subjects');

    await place.cli(["plugin", "revoke", "resident", "cap:ats.read"]);
    await attest(place, { predicates: ["arrived"] });
    expect(await watcherJobs(place, "resident.greet")).toHaveLength(2);
    expect((await place.call<Shown>("plugin.show", { name: "resident" })).watchers).toEqual([]);
    expect((await place.cli(["plugin", "restart", "resident"])).code).toBe(0);
    expect((await place.cli(["plugin", "logs", "resident"])).stdout).toContain(
      "Plugin resident lacks cap:ats.read, and its watchers are left out. Grant it with: qntx plugin grant resident cap:ats.read",
    );
  },
  STORY_LIMIT_MS,
);

test(
  "a host that is killed while attestations are written has made one job for each that was acknowledged, and for no other two",
  async () => {
    await using place = new Place('[plugin]\nenabled = ["parrot"]\nbundled = false\n');
    place.write("plugins/parrot.ts", PARROT);
    await place.start();
    await place.working();
    const acknowledged: string[] = [];
    const writers = Array.from({ length: 4 }, async () => {
      for (let n = 0; n < 400; n++) {
        const { attestations } = await attest(place, { predicates: ["said"] });
        acknowledged.push(...attestations.map(({ id }) => id));
      }
    });
    const over = Promise.allSettled(writers);
    await place.until("some attestations", async () => acknowledged.length > 100);
    await place.host.crash();
    await over;

    await place.start();
    await place.working();
    const jobs = await place.until("jobs that have ended", async () => {
      const made = await watcherJobs(place, "parrot.repeat");
      return made.every(({ state }) => state === "completed") && made;
    });
    const { attestations } = await place.call<{ attestations: { id: string }[] }>("ats.query", {
      predicates: ["said"],
      limit: 10_000,
    });
    const shown = await Promise.all(jobs.map(({ id }) => place.call<JobShown>("job.show", { id })));
    const seen = shown.map(({ result }) => result as string).toSorted();
    expect(seen).toEqual(attestations.map(({ id }) => id).toSorted());
    expect(acknowledged.filter((id) => !seen.includes(id))).toEqual([]);
  },
  STORY_LIMIT_MS,
);

test(
  "a handler that writes what it watches for goes on, but at its rate, and lets everything else through",
  async () => {
    await using place = new Place('[plugin]\nenabled = ["parrot"]\nbundled = false\n');
    place.write("plugins/parrot.ts", PARROT.replace("maxPerSecond: 1000", "maxPerSecond: 5"));
    await place.start();
    await place.working();
    const began = performance.now();
    await attest(place, { predicates: ["said"], attributes: { again: true } });
    await place.until(
      "the seventh round",
      async () => (await watcherJobs(place, "parrot.repeat")).length > 6,
    );
    expect(performance.now() - began).toBeGreaterThan(950);
    expect((await place.ended(await place.enqueue("parrot.repeat", { id: 1, attributes: {} }))).result).toBe(
      1,
    );
    expect((await place.cli(["plugin", "disable", "parrot"])).code).toBe(0);
    await attest(place, { predicates: ["said"] });
    expect((await place.call<Shown>("plugin.show", { name: "parrot" })).watchers).toEqual([]);
  },
  STORY_LIMIT_MS,
);
