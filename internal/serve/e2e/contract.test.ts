/**
 * The contract of QNTX, kept by three plugins that know nothing of us: in C with HTTP/2
 * and messages by hand, in Python with grpcio, and a module of QNTX's own TypeScript
 * runtime. Each does all that the contract has, in the way that is natural there.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, TESTDATA, writePlugin, writeStranger } from "./python.ts";

setDefaultTimeout(60_000);

const IN_C = ["bare", "late", "mute"];
const PLUGINS = ["bare", "plain", "modular"];
let place: Place;

beforeAll(async () => {
  const sections = PLUGINS.map((name) => `[${name}]\nplace = "Ulm"\n`).join("");
  const enabled = JSON.stringify([...IN_C, "plain", "modular"]);
  place = new Place(`[plugin]\nenabled = ${enabled}\nbundled = false\n${sections}`);
  for (const name of IN_C) compile("bare.c", join(place.home, "plugins", name));
  writeStranger(place, "plain");
  writePlugin(place, "modular.ts");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
});

afterAll(() => place[Symbol.asyncDispose]());

function compile(source: string, program: string): void {
  mkdirSync(dirname(program), { recursive: true });
  const words = ["gcc", "-Wall", "-Werror", "-o", program, join(TESTDATA, source), "-lnghttp2", "-lm"];
  const { success, stderr } = Bun.spawnSync(words);
  if (!success) throw new Error(`gcc: ${stderr}`);
}

async function run(handler: string, payload: unknown): Promise<JobShown> {
  return place.ended(await place.enqueue(handler, payload, "--max-attempts", "1"));
}

test.each(["late", "mute"])(
  "one that says %s where it listens is found at the port that it was asked for",
  async (name) => {
    expect(await place.plugin(name)).toMatchObject({ state: "ready", version: "0.0.7", restarts: 0 });
    expect(await run(`${name}.echo`, [1])).toMatchObject({ state: "completed", result: [1] });
  },
);

describe.each(PLUGINS)("%s", (name) => {
  test("is ready with what it announces", async () => {
    const shown = await place.plugin(name);
    expect(shown).toMatchObject({ state: "ready", version: "0.0.7", restarts: 0 });
    expect(shown.handlers.toSorted()).toEqual(
      ["attest", "echo", "enqueue", "schedule", "seen", "told"].map((each) => `${name}.${each}`),
    );
  });

  test("runs jobs, whatever they say that they cost", async () => {
    const jobs = await Promise.all([1, 2, 3].map((number) => run(`${name}.echo`, { number })));
    for (const [index, job] of jobs.entries())
      expect(job).toMatchObject({
        state: "completed",
        result: { number: index + 1 },
        costActual: 0,
        attempt: 1,
      });
  });

  test("has its configuration, and was initialized once", async () => {
    expect((await run(`${name}.told`, {})).result).toEqual({ initialized: 1, place: "Ulm" });
  });

  test("answers HTTP", async () => {
    const answer = await place.http(`/api/${name}/any/page`, { body: "what is this?" });
    expect([answer.status, await answer.text()]).toEqual([201, "POST /any/page what is this?"]);
  });

  test("makes statements, jobs and schedules at the host", async () => {
    expect(await run(`${name}.attest`, "a kite")).toMatchObject({ state: "completed", error: null });
    const { attestations } = await place.call<{ attestations: object[] }>("ats.query", { contexts: [name] });
    expect(attestations).toMatchObject([
      { subjects: ['"a kite"'], predicates: ["was seen by"], source: "plugin" },
    ]);

    const enqueued = (await run(`${name}.enqueue`, { deep: [2] })).result;
    expect(await place.ended(String(enqueued))).toMatchObject({ state: "completed", result: { deep: [2] } });

    const id = (await run(`${name}.schedule`, { every: "hour" })).result;
    const schedule = await place.call("schedule.show", { id });
    expect(schedule).toMatchObject({ owner: `plugin:${name}`, everyMs: 3_600_000, handler: `${name}.echo` });
  });
});

describe.each(PLUGINS.filter((name) => name !== "modular"))(
  "%s, which QNTX's own runtime leaves out",
  (name) => {
    test("runs a job for what it watches for", async () => {
      const statement = { subjects: [name, "else"], predicates: ["was seen"], contexts: ["at sea"] };
      await place.call("ats.create", { attestations: [statement] });
      const job = await place.until("the watcher's job", async () => {
        const { jobs } = await place.call<{ jobs: JobShown[] }>("job.list", { handler: `${name}.seen` });
        return jobs.find(({ state }) => state === "completed");
      });
      expect(job).toMatchObject({ trigger: "watcher", result: statement });
    });

    test("talks over a WebSocket, while it answers other calls, and hears its end", async () => {
      const token = readFileSync(join(place.home, "operator.token"), "utf8").trim();
      const socket = new WebSocket(`${place.host.address.replace("http", "ws")}/ws/${name}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      const heard: string[] = [];
      socket.addEventListener("message", ({ data }) =>
        heard.push(Buffer.from(JSON.parse(String(data)).data, "base64").toString()),
      );
      await new Promise((resolve, reject) => {
        socket.addEventListener("open", resolve);
        socket.addEventListener("error", reject);
      });
      const say = (text: string) =>
        socket.send(JSON.stringify({ type: 1, data: Buffer.from(text).toString("base64") }));
      say("one");
      await place.until("the first echo", async () => heard.length === 1);
      expect(await run(`${name}.echo`, ["between"])).toMatchObject({ state: "completed" });
      say("two");
      await place.until("the second echo", async () => heard.length === 2);
      expect(heard).toEqual(["one", "two"]);
      const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
      socket.send(JSON.stringify({ type: 2 }));
      await closed;
      expect(await place.plugin(name)).toMatchObject({ state: "ready", restarts: 0 });
    });
  },
);

test("all of them end when their host asks them to", async () => {
  const pids = await Promise.all(
    [...IN_C, "plain", "modular"].map(async (name) => (await place.plugin(name)).pid),
  );
  expect(await place.host.stop()).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid ?? 0, 0)).toThrow();
});
