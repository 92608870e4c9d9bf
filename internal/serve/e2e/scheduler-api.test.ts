/**
 * The scheduler host API, by plugins as their authors write them: the demo of each SDK
 * keeps its own schedules, and is told what is wrong, field by field; and what becomes
 * of the calls that schedules make to a plugin's routes.
 */
import { expect, test } from "bun:test";
import { copyFileSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type JobShown, Place } from "./host.ts";
import { PYTHON_PATH, TESTDATA } from "./python.ts";

const SDK = join(import.meta.dir, "../../../sdk");
const DEMOS = [
  { language: "TypeScript", file: join(SDK, "typescript/examples/scheduler-demo.ts") },
  { language: "Python", file: join(SDK, "python/examples/scheduler-demo.py") },
];
const LIMIT_MS = 120_000;

interface Shown {
  id: string;
  name: string;
  endpoint: string;
  payload: unknown;
  description: string;
  state: string;
  cron: string;
  every: string;
  revision: number;
}

interface Refusal {
  code: string;
  message: string;
  fieldErrors: Record<string, string>;
}

/** A demo's page of its own schedules. */
class Demo {
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  async ask<T = Shown>(method: string, path: string, body?: unknown): Promise<{ status: number; said: T }> {
    const token = readFileSync(join(this.#place.home, "operator.token"), "utf8").trim();
    const answer = await fetch(`${this.#place.host.address}/api/scheduler-demo/api${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, said: (await answer.json()) as T };
  }

  async done(method: string, path: string, body?: unknown): Promise<Shown> {
    const { status, said } = await this.ask(method, path, body);
    expect({ status, said }).toMatchObject({ status: 200 });
    return said;
  }

  async refused(method: string, path: string, body?: unknown): Promise<Refusal & { status: number }> {
    const { status, said } = await this.ask<Refusal>(method, path, body);
    return { ...said, status };
  }
}

const BEAT = { endpoint: "/api/heartbeat", every: "1h" };

/** What a field is refused for. */
const WRONG: [object, string, string][] = [
  [{ ...BEAT, endpoint: "/api/heartbeats" }, "endpoint", 'has no endpoint "/api/heartbeats"'],
  [{ ...BEAT, endpoint: "GET /api/heartbeat" }, "endpoint", 'has no endpoint "GET /api/heartbeat"'],
  [{ ...BEAT, endpoint: "/api/schedules" }, "endpoint", "could be GET /api/schedules or POST /api/schedules"],
  [{ ...BEAT, endpoint: "POST /api/setup" }, "endpoint", "is not schedulable"],
  [{ ...BEAT, endpoint: "DELETE /api/heartbeat" }, "endpoint", "a schedule calls GET or POST"],
  [{ ...BEAT, endpoint: "/api/items/:id" }, "endpoint", "has a path parameter"],
  [{ ...BEAT, endpoint: "/api/items/{id}" }, "endpoint", "has a path parameter"],
  [{ ...BEAT, handler: "scheduler-demo.work" }, "endpoint", "cannot be given together with handler"],
  [{ every: "1h" }, "handler", "is missing"],
  [{ endpoint: "/api/status", every: "1h", payload: {} }, "payload", "has nowhere to go"],
  [{ endpoint: "/api/heartbeat" }, "every", "when it runs is missing"],
  [{ ...BEAT, cron: "@daily" }, "cron", "cannot be given together"],
  [{ ...BEAT, every: "soon" }, "every", "soon"],
  [{ endpoint: "/api/heartbeat", cron: "99 99 * 77 *" }, "cron", "is out of"],
  [{ endpoint: "/api/heartbeat", cron: "0 0 31 2 *" }, "cron", "never"],
  [{ endpoint: "/api/heartbeat", cron: "@daily", timezone: "Mars/Olympus" }, "timezone", "Mars/Olympus"],
  [{ ...BEAT, timezone: "Europe/Paris" }, "timezone", "has no effect on every"],
  [{ ...BEAT, name: "a b" }, "name", "cannot be a name"],
  [{ ...BEAT, name: "heartbeat" }, "name", "is taken"],
  [{ ...BEAT, overlap: "perhaps" }, "overlap", "must be one of skip"],
  [{ ...BEAT, retry: "often" }, "retry", "often"],
  [{ ...BEAT, timeout: "-1s" }, "timeout", "-1s"],
];

/** In bytes of UTF-8, with the quotes of JSON. */
const TOO_LONG = [
  ["a".repeat(99_999), "100001"],
  ["é".repeat(50_000), "100002"],
] as const;

test.each(DEMOS)(
  "the demo in $language keeps its own schedules, and is told each wrong field",
  async ({ file }) => {
    await using place = new Place(`[plugin]\nenabled = ["scheduler-demo"]\nbundled = false\n`);
    copyFileSync(file, place.write(`plugins/${basename(file)}`, ""));
    await place.start({ vars: { PATH: PYTHON_PATH } });
    const demo = new Demo(place);
    await place.working();

    // Without the capability it is told which one is missing, and what grants it.
    await place.json("plugin", "revoke", "scheduler-demo", "cap:scheduler.manage");
    const denied = await demo.refused("POST", "/setup");
    expect(denied).toMatchObject({ status: 403, code: "denied", fieldErrors: {} });
    expect(denied.message).toEndWith("Grant it with: qntx plugin grant scheduler-demo cap:scheduler.manage");
    await place.json("plugin", "grant", "scheduler-demo", "cap:scheduler.manage");

    // It sets itself up, and doing that again changes nothing.
    const setUp = async () =>
      (await demo.ask<{ schedulable: object[]; schedules: Shown[] }>("POST", "/setup")).said;
    const first = await setUp();
    expect(first.schedulable).toMatchObject([
      { method: "POST", path: "/api/heartbeat", handler: "heartbeat" },
      { method: "GET", path: "/api/status", handler: "status" },
    ]);
    expect(first.schedules).toMatchObject([
      { name: "status", endpoint: "GET /api/status", cron: "*/10 * * * *", state: "active" },
      { name: "heartbeat", endpoint: "POST /api/heartbeat", every: "5m", payload: { from: "setup" } },
    ]);
    expect((await setUp()).schedules.map(({ id }) => id)).toEqual(first.schedules.map(({ id }) => id));
    const { said: endpoints } = await demo.ask<{ path: string }[]>("GET", "/endpoints");
    expect(endpoints.map(({ path }) => path)).toEqual(endpoints.map(({ path }) => path).toSorted());

    // Each wrong field, by its name; what cannot be made cannot be made of another one either.
    for (const [input, field, message] of WRONG) {
      const refused = await demo.refused("POST", "/schedules", input);
      expect({ input, ...refused }).toMatchObject({ status: 400, code: "validation" });
      expect([input, refused.fieldErrors[field]]).toEqual([input, expect.stringContaining(message)]);
    }
    for (const [payload, bytes] of TOO_LONG) {
      const refused = await demo.refused("POST", "/schedules", { ...BEAT, payload });
      expect(refused).toMatchObject({ status: 429, code: "quota" });
      expect(refused.fieldErrors["payload"]).toContain(bytes);
    }
    const moved = await demo.refused("PATCH", "/schedules/status", { endpoint: "/api/schedules" });
    expect(Object.keys(moved.fieldErrors)).toEqual(["endpoint"]);
    expect(await demo.refused("PATCH", "/schedules/status", { name: "heartbeat" })).toMatchObject({
      code: "validation",
      fieldErrors: { name: "is taken" },
    });

    // What is absent stays, what is null is taken away.
    const mine = { endpoint: "api/heartbeat", every: "2h", name: "mine", payload: "é".repeat(49_999) };
    const made = await demo.done("POST", "/schedules", { ...mine, description: "by hand" });
    expect(made.endpoint).toBe("POST /api/heartbeat");
    const patch = (change: object) => demo.done("PATCH", `/schedules/${made.id}`, change);
    const { id, name, endpoint, description, payload } = made;
    const same = { id, name, endpoint, description, payload };
    expect(await patch({ every: "3h" })).toMatchObject({ ...same, every: "3h", revision: 2 });
    expect(await patch({ payload: null })).toMatchObject({ name: "mine", description: "by hand" });
    expect((await demo.done("GET", `/schedules/${made.id}`)).payload ?? null).toBeNull();
    const bare = await patch({ name: null, description: null, endpoint: "GET /api/status" });
    expect(bare).toMatchObject({ name: "", description: "", every: "3h", endpoint: "GET /api/status" });
    const behind = await demo.refused("PATCH", `/schedules/${made.id}`, { every: "1h", revision: 2 });
    expect(behind).toMatchObject({ status: 409, code: "conflict", fieldErrors: {} });

    // Another's is as if it were not there, and so is one that has been deleted, in the list.
    const others = ["schedule", "create", "theirs", "--handler", "x.y", "--every", "1h"];
    const theirs = await place.json<{ id: string }>(...others);
    for (const other of [theirs.id, "theirs", "SC_01M7WT00YMTF58QC143SHZ98HN"]) {
      expect((await demo.done("GET", `/schedules/${other}`)) ?? null).toBeNull();
      for (const [method, body] of [["PATCH", { every: "1h" }], ["DELETE"]] as const) {
        const refused = await demo.refused(method, `/schedules/${other}`, body);
        expect(refused).toMatchObject({ status: 404, code: "not-found" });
        expect(refused.message).toStartWith(`There is no schedule "${other}".`);
      }
    }
    expect((await demo.done("DELETE", `/schedules/${made.id}`)).state).toBe("deleted");
    const { said: left } = await demo.ask<Shown[]>("GET", "/schedules");
    expect(left.map(({ name }) => name)).toEqual(["status", "heartbeat"]);

    // One that runs: asked for by a person, as plugins may not.
    const run = await place.json<JobShown>("schedule", "run", "heartbeat", "--wait");
    expect(run).toMatchObject({ state: "completed", result: { key: run.id, beats: 1 } });
    const { said: status } = await demo.ask<{ last: object }>("GET", "/status");
    expect(status.last).toMatchObject({ trigger: "run-now", attempt: "1", payload: { from: "setup" } });

    // Everything was counted.
    const metrics = await (await place.http("/metrics")).text();
    const calls = (operation: string, what = "calls") =>
      new RegExp(
        `^qntx_scheduler_api_${what}_total\\{operation="${operation}",tenant=""\\} (\\d+)$`,
        "m",
      ).exec(metrics)?.[1];
    expect(Number(calls("create"))).toBe(WRONG.length + TOO_LONG.length + 1 + 4);
    expect(Number(calls("create", "errors"))).toBe(WRONG.length + TOO_LONG.length);
    expect(Number(calls("delete", "errors"))).toBe(3);
    expect(metrics).toContain(
      'qntx_scheduler_api_duration_seconds_count{operation="getEndpoints",tenant=""}',
    );
  },
  LIMIT_MS,
);

test.each(DEMOS)(
  "the demo in $language, installed as a guest, is told of the eleventh change of a minute and of the fifty-first schedule",
  async ({ file }) => {
    await using place = new Place(`[plugin]\nbundled = false\n`);
    await place.json("plugin", "install", file, "--grant", "cap:scheduler.manage");
    await place.start({ vars: { PATH: PYTHON_PATH } });
    const demo = new Demo(place);
    await place.working();
    const create = () => demo.ask<Refusal>("POST", "/schedules", BEAT);
    for (let made = 0; made < 10; made++) expect((await create()).status).toBe(200);
    const often = await demo.refused("POST", "/schedules", BEAT);
    expect(often).toMatchObject({ status: 429, code: "quota" });
    expect(often.message).toContain("has changed schedules 10 times within a minute and may do so 10 times");

    place.write(
      "qntx.toml",
      "[plugin]\nbundled = false\n[quota.scheduler-demo]\nscheduleWritesPerMinute = 600\n",
    );
    await place.json("config", "reload");
    for (let made = 10; made < 50; made++) expect((await create()).status).toBe(200);
    const many = await demo.refused("POST", "/schedules", BEAT);
    expect(many).toMatchObject({ status: 429, code: "quota" });
    expect(many.message).toContain("has 50 schedules and may have 50");
    const { said: listed } = await demo.ask<Shown[]>("GET", "/schedules");
    expect(listed).toHaveLength(50);
    const soon = await demo.refused("PATCH", `/schedules/${listed[0]?.id}`, { every: "299s" });
    expect(soon).toMatchObject({
      code: "quota",
      fieldErrors: { every: expect.stringContaining("every 5m") },
    });
  },
  LIMIT_MS,
);

test.concurrent(
  "a call that is refused, too long or too late fails and is tried again, with the same key for one occurrence",
  async () => {
    await using place = new Place(`[plugin]\nenabled = ["caller"]\nbundled = false\n`);
    copyFileSync(join(TESTDATA, "caller.ts"), place.write("plugins/caller.ts", ""));
    await place.start();
    await place.working();
    const soon = new Date(Date.now() + 2_000).toISOString();
    const create = (name: string, endpoint: string, more: object = {}) => {
      const once = { at: soon, retry: "list:10ms", timeout: "1s" };
      const input = { name, endpoint: `caller/${endpoint}`, ...once, ...more };
      return place.call<{ id: string }>("schedule.create", input);
    };
    const ended = async (schedule: string): Promise<JobShown> => {
      const { jobs } = await place.until(`a job of ${schedule}`, async () => {
        const found = await place.call<{ jobs: JobShown[] }>("job.list", { scheduleId: schedule });
        return found.jobs.length > 0 && found;
      });
      return place.ended(jobs[0]?.id ?? "");
    };
    const made = await Promise.all([
      create("flaky", "POST /flaky", { payload: { deep: [1] } }),
      create("long", "/long", { maxAttempts: 2 }),
      create("just", "/just"),
      create("slow", "/slow", { maxAttempts: 1 }),
      create("broken", "/broken", { maxAttempts: 1 }),
      create("passing", "/passing"),
    ]);
    const [flaky, long, just, slow, broken, passing] = await Promise.all(made.map(({ id }) => ended(id)));

    const key = flaky?.id;
    expect(flaky).toMatchObject({ state: "completed", attempt: 3, handler: "caller/POST /flaky" });
    expect(flaky?.history.map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
      "http: POST /flaky answered 503: not yet, 1",
      "http: POST /flaky answered 503: not yet, 2",
    ]);
    expect(flaky?.result).toEqual({
      trigger: "schedule",
      schedule: made[0]?.id,
      occurrence: soon,
      tries: [`1 ${key}`, `2 ${key}`, `3 ${key}`],
      body: { deep: [1] },
    });
    expect(long).toMatchObject({ state: "failed", attempt: 2 });
    expect(long?.error?.message).toBe(
      "GET /long answered with 262145 bytes; an endpoint that is scheduled may answer 262144.",
    );
    expect([just?.state, passing?.state, passing?.result]).toEqual(["completed", "completed", null]);
    expect(slow).toMatchObject({ state: "failed", error: { kind: "timeout" } });
    expect(broken?.error?.message).toBe("GET /broken answered 500: Plugin caller failed to answer.");
    expect((await place.plugin("caller")).restarts).toBe(0); // Whoever waits in vain ends the call, not the plugin.
  },
  LIMIT_MS,
);

test.concurrent(
  "a schedule whose endpoint is gone is paused and says why; an upgrade is refused with the list",
  async () => {
    const [first, second] = [1, 2].map((version) => {
      const source = readFileSync(join(TESTDATA, "caller.ts"), "utf8");
      return version === 1 ? source : source.replace(/^ +"GET \/passing".*$/m, "").replace("1.0.0", "2.0.0");
    });
    await using place = new Place(`[plugin]\nenabled = ["caller"]\nbundled = false\n`);
    place.write("plugins/caller.ts", first ?? "");
    await place.start();
    await place.working();
    const install = place.write("guest.ts", (first ?? "").replace('name: "caller"', 'name: "guest"'));
    await place.json("plugin", "install", install);
    for (const plugin of ["caller", "guest"])
      for (const path of ["passing", "just"]) {
        const words = ["--endpoint", `${plugin}/GET /${path}`, "--every", "1h"];
        await place.json("schedule", "create", `${plugin}-${path}`, ...words);
      }
    const shown = (name: string) =>
      place.call<{ state: string; endpoint: string; pause: { note: string; by: string } | null }>(
        "schedule.show",
        { id: name },
      );

    // One that is started anew without it. What still waits for it ends: nobody else will ever have it.
    await place.json("plugin", "stop", "caller");
    const { id: waiting } = await place.json<JobShown>("schedule", "run", "caller-passing");
    place.write("plugins/caller.ts", second ?? "");
    await place.json("plugin", "restart", "caller");
    expect(await place.ended(waiting)).toMatchObject({
      state: "failed",
      attempt: 1,
      error: { message: "Plugin caller has no GET /passing as an endpoint that schedules may call." },
    });
    expect(await shown("caller-passing")).toMatchObject({
      state: "paused",
      pause: {
        by: "host",
        note: "plugin caller no longer has GET /passing as an endpoint that schedules may call",
      },
    });
    expect(await shown("caller-just")).toMatchObject({ state: "active", endpoint: "caller/GET /just" });
    const resumed = await place.cli(["schedule", "resume", "caller-passing"]);
    expect(resumed.code).toBe(5);
    expect(resumed.stderr).toContain("calls GET /passing, which plugin caller does not have.");
    await place.json("schedule", "update", "caller-passing", "--endpoint", "caller/just");
    expect((await place.cli(["schedule", "resume", "caller-passing"])).code).toBe(0);

    // One that was installed, and is upgraded.
    place.write("guest.ts", (second ?? "").replace('name: "caller"', 'name: "guest"'));
    const upgrade = ["plugin", "upgrade", "guest", "--file", install];
    const refused = await place.cli(upgrade);
    expect([refused.code, (await place.plugin("guest")).version]).toEqual([5, "1.0.0"]);
    expect(refused.stderr).toMatch(
      /The new version of plugin guest lacks what schedules run:\s+guest-passing \(SC_\w+\) runs guest\/GET \/passing\n/,
    );
    expect((await shown("guest-passing")).state).toBe("active");
    await place.json(...upgrade, "--disable-missing");
    expect(await shown("guest-passing")).toMatchObject({ state: "paused", pause: { by: "host" } });
    expect(await shown("guest-just")).toMatchObject({ state: "active" });
    const run = await place.json<JobShown>("schedule", "run", "guest-just", "--wait");
    expect(run).toMatchObject({ state: "completed", pluginVersion: "2.0.0" });
  },
  LIMIT_MS,
);
