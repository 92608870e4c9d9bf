/** Quotas of a guest on a real host: every limit of schedules over both protocols, and many processes against one. */
import { credentials } from "@grpc/grpc-js";
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ATSStoreServiceClient } from "../../../proto/gen/protocol/atsstore.ts";
import { ScheduleServiceClient } from "../../../proto/gen/protocol/schedule.ts";
import type { HostError } from "../../../sdk/typescript/host-error.ts";
import { connectHost } from "../../../sdk/typescript/host.ts";
import { createPluginLog } from "../../../sdk/typescript/log.ts";
import type { Scheduler } from "../../../sdk/typescript/qntx.ts";
import { Place } from "./host.ts";

const STORY_LIMIT_MS = 60_000;

/** A plugin of QNTX's own kind that leaves what it was told where the test finds it. */
const GRASPER = `import { writeFileSync } from "node:fs";
export default {
  name: "grasper", version: "1", handler_names: ["grasper.work"],
  init(request) { writeFileSync("told.json", JSON.stringify(request)); },
};`;

interface Told {
  queue_endpoint: string;
  auth_token: string;
}

/** A host with the plugin as a guest of a tenant, that may make schedules. */
async function withGrasper(config = ""): Promise<Place & Told> {
  const place = new Place(`[plugin]\nbundled = false\n${config}`);
  await place.start();
  await place.working();
  const file = place.write("grasper.ts", GRASPER);
  const grant = ["--grant", "cap:scheduler.manage"];
  const { code, stderr } = await place.cli(["plugin", "install", file, "--tenant", "acme", ...grant]);
  if (code !== 0) throw new Error(stderr);
  const told = readFileSync(join(place.home, "plugins-data/acme@grasper/told.json"), "utf8");
  return Object.assign(place, JSON.parse(told) as Told);
}

function schedulerOf({ queue_endpoint: address, auth_token: token }: Told): Scheduler & Disposable {
  const { host, close } = connectHost(
    { address, token, config: {} },
    { log: createPluginLog(() => {}), setJobs: async () => {} },
  );
  return Object.assign(host.scheduler, { [Symbol.dispose]: close });
}

async function refusal(promise: Promise<unknown>): Promise<Partial<HostError>> {
  return promise.then(
    () => Promise.reject(new Error("It was not refused.")),
    ({ code, message, limit, fields, retryAfterMs }: HostError) => ({
      code,
      message,
      limit,
      fields,
      retryAfterMs,
    }),
  );
}

interface Shown {
  quotas: {
    plugin: string;
    limits: { limit: string; allows: number; used: number | null; setBy: string }[];
  }[];
}

async function shown(place: Place, limit: string): Promise<unknown> {
  const { quotas } = await place.call<Shown>("quota.show", { name: "grasper" });
  return quotas[0]?.limits.find((each) => each.limit === limit);
}

const HOURLY = { handler: "grasper.work", every: "1h" };

test(
  "a guest is told which limit it meets, how far it went and what to do; over QNTX's service in one sentence",
  async () => {
    await using place = await withGrasper();
    using scheduler = schedulerOf(place);
    const often = (every: string, found: string) =>
      `every: Plugin grasper may not schedule more often than every 5m; two occurrences of this would be ${found} apart.`;
    expect(await refusal(scheduler.create({ ...HOURLY, every: "299s" }))).toMatchObject({
      code: "quota",
      message: expect.stringContaining(often("299s", "4m59s")),
      limit: { name: "scheduleInterval", allows: 300_000, used: 299_000 },
      fields: [{ field: "every" }],
      retryAfterMs: undefined,
    });
    for (const cron of ["0-59 * * * *", "*/1 9-17 * * *"])
      expect(await refusal(scheduler.create({ handler: HOURLY.handler, cron }))).toMatchObject({
        limit: { name: "scheduleInterval", used: 60_000 },
        fields: [{ field: "cron" }],
      });
    // In JSON, with its quotes, and two bytes a letter.
    const payload = (bytes: number) => ({
      ...HOURLY,
      payload: "x".repeat(bytes % 2) + "ü".repeat(Math.floor(bytes / 2) - 1),
    });
    expect(await refusal(scheduler.create(payload(100_001)))).toMatchObject({
      limit: { name: "schedulePayloadBytes", allows: 100_000, used: 100_001 },
      fields: [{ field: "payload" }],
    });
    const { id } = await scheduler.create(payload(100_000)); // The first change of this minute.
    for (let i = 0; i < 4; i++) await scheduler.create(HOURLY);
    await scheduler.update(id, { description: "x" });
    await scheduler.pause(id);
    await scheduler.resume(id);
    for (let i = 0; i < 2; i++) await scheduler.create(HOURLY);
    const eleventh = await refusal(scheduler.delete(id));
    expect(eleventh).toMatchObject({
      code: "quota",
      message: expect.stringMatching(
        /^Plugin grasper has changed schedules 10 times within a minute and may do so 10 times. Try again in \d+[ms]\./,
      ),
      limit: { name: "scheduleWritesPerMinute", allows: 10, used: 10 },
    });
    expect(eleventh.retryAfterMs).toBeWithin(1, 60_001);

    const legacy = new ScheduleServiceClient(place.queue_endpoint, credentials.createInsecure());
    const request = { authToken: place.auth_token, handlerName: "grasper.work", payload: Buffer.alloc(0) };
    const created = (intervalSeconds: number) =>
      new Promise((resolve, reject) =>
        legacy.createSchedule({ ...request, intervalSeconds, metadata: {} }, (error, answer) =>
          error ? reject(error) : resolve(answer),
        ),
      );
    try {
      const refused = (error: RegExp) => ({ success: false, error: expect.stringMatching(error) });
      expect(await created(60)).toMatchObject(refused(/every 5m; .* 1m apart\. Write a longer interval\./));
      expect(await created(300)).toMatchObject(refused(/10 times within a minute .* Try again in/));
    } finally {
      legacy.close();
    }
    expect(await shown(place, "scheduleWritesPerMinute")).toMatchObject({ used: 10, setBy: "usual" });
    expect(await shown(place, "schedulePayloadBytes")).toMatchObject({ used: 100_000, allows: 100_000 });
    const { stdout } = await place.cli(["quota", "show", "grasper"]);
    expect(stdout).toMatch(/grasper +scheduleInterval +5m +usual/);
    const mine = ["schedule", "create", "mine", "--handler", "acme@grasper.work", "--every", "1s"];
    expect((await place.cli(mine)).code).toBe(0); // It is not for people.
  },
  STORY_LIMIT_MS,
);

/** A plugin that says that it takes all jobs at once, enqueues as many as it is asked to, and has jobs that talk. */
const HOARDER = `import { definePlugin } from "qntx";
export default definePlugin({
  name: "hoarder", version: "1", concurrency: 10_000,
  jobs: {
    wait: (job) => new Promise((resolve) => job.signal.addEventListener("abort", resolve)),
    talk: (job) => { for (let i = 0; i < 100; i++) job.log.info("x".repeat(1_000)); },
  },
  http: {
    async "POST /enqueue"(request, host) {
      const { handler, count } = await request.json();
      const ended = await Promise.allSettled(
        Array.from({ length: count }, () => host.queue.enqueue("hoarder." + handler)),
      );
      const [refused] = ended.flatMap(({ reason }) => reason ?? []);
      const made = ended.filter(({ status }) => status === "fulfilled").length;
      return Response.json({ made, message: refused?.message, limit: refused?.limit, after: refused?.retryAfterMs });
    },
  },
});`;

test(
  "a guest has so many jobs in the queue, so many at once, adds so many a second, and each says so much",
  async () => {
    const config =
      "[plugin]\nbundled = false\n[quota.hoarder]\nqueueDepth = 12\njobsPerSecond = 2\njobsAtOnce = 3\njobLogBytes = 10_000\n";
    await using place = new Place(config);
    await place.start();
    await place.working();
    const { code } = await place.cli(["plugin", "install", place.write("hoarder.ts", HOARDER)]);
    expect(code).toBe(0);
    const enqueue = (handler: string, count: number) =>
      place.post<Record<string, unknown>>("/api/hoarder/enqueue", { handler, count });

    const talk = await place.enqueue("hoarder.talk", {}); // By a person, who has no quota.
    await place.ended(talk);
    const { lines } = await place.call<{ lines: { message: string }[] }>("job.logs", { id: talk });
    expect(lines.length).toBeLessThan(20);
    expect(lines.at(-1)?.message).toStartWith("The log of this job is full (10000 bytes)");

    expect(await enqueue("wait", 10)).toEqual({ made: 10 });
    await place.until("three to run", async () => (await place.plugin("hoarder")).running === 3);
    const slip = "[quota.hoardr]\nschedules = 3\n";
    place.write("qntx.toml", `${config.replace("jobsAtOnce = 3", "jobsAtOnce = 4")}\n${slip}`);
    expect(await place.cli(["config", "reload"])).toMatchObject({
      stdout: "Plugin hoarder has another quota: qntx quota show hoarder\n",
      stderr: expect.stringContaining("[quota.hoardr] in qntx.toml is for a plugin that is not there now."),
    });
    await place.until("four to run", async () => (await place.plugin("hoarder")).running === 4);
    expect(await place.call("plugin.show", { name: "hoarder" })).toMatchObject({ concurrency: 4 });
    expect(await enqueue("wait", 3)).toMatchObject({
      made: 0,
      message: expect.stringMatching(
        /^Plugin hoarder would have 13 jobs that have not ended and may have 12\. Wait until/,
      ),
      limit: { name: "queueDepth", allows: 12, used: 13 },
    });
    expect(await enqueue("wait", 2)).toEqual({ made: 2 });
    const { jobs } = await place.call<{ jobs: { id: string }[] }>("job.list", { handler: "hoarder.wait" });
    await Promise.all(jobs.map(({ id }) => place.call("job.cancel", { id })));
    await place.until("all to have ended", async () => {
      const { quotas } = await place.call<Shown>("quota.show", { name: "hoarder" });
      return quotas[0]?.limits.find(({ limit }) => limit === "queueDepth")?.used === 0;
    });
    const flood = await enqueue("talk", 12); // Of twenty in ten seconds, twelve are made.
    expect(flood).toMatchObject({
      made: 0,
      message: expect.stringContaining("enqueues 3 jobs a second and may enqueue 2, over ten seconds."),
      limit: { name: "jobsPerSecond", allows: 2, used: 3 },
    });
    expect(flood["after"]).toBeWithin(1, 10_200);
  },
  STORY_LIMIT_MS,
);

test(
  "a guest writes so many attestations, over the protocol of QNTX",
  async () => {
    await using place = await withGrasper("[quota.grasper]\nattestations = 2\n");
    const ats = new ATSStoreServiceClient(place.queue_endpoint, credentials.createInsecure());
    const command = {
      subjects: ["x"],
      predicates: [],
      contexts: [],
      actors: [],
      source: "",
      sourceVersion: "",
      attributes: {},
    };
    const write = (count: number) =>
      new Promise((resolve, reject) => {
        const commands = Array.from({ length: count }, () => command);
        const request = { authToken: place.auth_token, commands };
        ats.batchGenerateAndCreateAttestations(request, (error, answer) =>
          error ? reject(error) : resolve(answer),
        );
      });
    try {
      expect(await write(1)).toMatchObject({ success: true, created: 1 });
      expect(await write(2)).toMatchObject({
        success: false,
        error: expect.stringMatching(
          /^Plugin grasper would have written 3 attestations and may write 2\. .*attestations under \[quota\.grasper\]/,
        ),
        created: 0,
      });
      expect(await write(1)).toMatchObject({ success: true, created: 1 });
    } finally {
      ats.close();
    }
    expect(await shown(place, "attestations")).toMatchObject({ allows: 2, used: 2, setBy: "config" });
    expect(await shown(place, "attestationBytes")).toMatchObject({ allows: 104_857_600, setBy: "usual" });
  },
  STORY_LIMIT_MS,
);

test(
  "of two hundred creates by four processes exactly fifty are made, while people make theirs; the trail has them all in few rows",
  async () => {
    await using place = await withGrasper("[quota.grasper]\nscheduleWritesPerMinute = 1000\n");
    const script = join(import.meta.dir, "testdata/creator.ts");
    const words = [process.execPath, script, place.queue_endpoint, place.auth_token, "50"];
    const processes = Array.from({ length: 4 }, () => Bun.spawn(words, { stdout: "pipe" }));
    const people = ["a", "b"].map((name) =>
      place.cli(["schedule", "create", name, "--handler", "acme@grasper.work", "--every", "1h"]),
    );
    const ended = await Promise.all(processes.map(async ({ stdout }) => (await stdout.json()) as string[]));
    expect((await Promise.all(people)).map(({ code }) => code)).toEqual([0, 0]);
    const all = ended.flat();
    expect(all.filter((each) => each === "made")).toHaveLength(50);
    const refused = all.filter((each) => each !== "made");
    expect(refused).toHaveLength(150);
    for (const sentence of refused)
      expect(sentence).toStartWith("HostError: Plugin grasper has 50 schedules and may have 50.");
    expect(await shown(place, "schedules")).toEqual({
      limit: "schedules",
      allows: 50,
      used: 50,
      setBy: "usual",
    });
    const { entries } = await place.call<{ entries: { allowed: boolean; count: number }[] }>("audit.list", {
      limit: 500,
    });
    const denied = entries.filter(({ allowed }) => !allowed);
    expect([denied.length, denied.reduce((sum, { count }) => sum + count, 0)]).toEqual([20, 150]);
  },
  STORY_LIMIT_MS,
);

test(
  "of two hundred creates by people, over the host and by command lines with and without one, exactly fifty are made",
  async () => {
    await using place = new Place("[plugin]\nbundled = false\n[people]\nschedules = 50\n");
    const line = (name: string) =>
      place.cli(["schedule", "create", name, "--handler", "x.work", "--every", "1h"]);
    const lines = (label: string, count: number) =>
      Array.from({ length: count }, (_, index) => line(`${label}-${index}`));
    const alone = await Promise.all(lines("alone", 6)); // Each has the folder for itself for a moment.
    expect(alone.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
    await place.start();
    const called = Array.from({ length: 184 }, async () => {
      const create = place.call("schedule.create", { handler: "x.work", every: "1h" });
      return create.then(
        () => "made",
        (error: Error) => error.message,
      );
    });
    const beside = await Promise.all(lines("beside", 10));
    const answers = await Promise.all(called);
    const made = answers.filter((answer) => answer === "made").length;
    const told = beside.filter(({ code }) => code === 0).length;
    expect(alone.length + made + told).toBe(50);
    for (const answer of answers.filter((each) => each !== "made"))
      expect(answer).toContain("People have 50 schedules and may have 50.");
    expect(await place.call("quota.show", { name: "people" })).toMatchObject({
      people: {
        limits: [
          { limit: "schedules", allows: 50, used: 50, setBy: "config" },
          { limit: "scheduleWritesPerMinute", allows: null, setBy: "usual" },
        ],
      },
      quotas: [],
    });
    await place.host.stop();
    const [refused] = await Promise.all([line("late"), line("later")]);
    expect(refused?.stderr).toStartWith("qntx: People have 50 schedules and may have 50.");
    const { schedules } = await place.json<{ schedules: unknown[] }>("schedule", "list", "--limit", "100");
    expect(schedules).toHaveLength(50);
  },
  STORY_LIMIT_MS,
);
