/**
 * What people and programs get wrong, over every door of the real binary: each
 * mistake gets one sentence that names the field and the way out, the right exit
 * code, and no stack trace. The host is alive afterwards.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ATSStoreServiceClient } from "../../../proto/gen/protocol/atsstore.ts";
import { QueueServiceClient } from "../../../proto/gen/protocol/queue.ts";
import { type GetScheduleResponse, ScheduleServiceClient } from "../../../proto/gen/protocol/schedule.ts";
import { Place, type RunningHost } from "./host.ts";

/** Looks like a stack trace, or like our insides. */
const INSIDES =
  /^\s+at .+:\d+|\.ts:\d+|node_modules|undefined is not|\[object Object\]|mistake in qntx itself/m;

/** A plugin of QNTX's own kind that leaves what it was told where the test finds it. */
const TELLTALE = `import { writeFileSync } from "node:fs";
export default {
  name: "telltale", version: "1", handler_names: ["telltale.work"],
  init(request) { writeFileSync("told.json", JSON.stringify(request)); },
};`;

const PLUGINS: Record<string, string> = {
  "telltale.ts": TELLTALE,
  "misnamed.ts": `import { definePlugin } from "qntx"; export default definePlugin({ name: "somebody", version: "1" });`,
  "broken.ts": "this is not TypeScript",
  "empty.ts": "export const nothing = 1;",
  "badcron.ts": `import { definePlugin } from "qntx"; export default definePlugin({ name: "badcron", version: "1",
    jobs: { work() {} }, schedules: [{ id: "nightly", handler: "badcron.work", when: "61 * * * *" }] });`,
  "badhandler.ts": `export default { name: "badhandler", version: "1", handler_names: ["ok.name", "not a name"] };`,
  "open.ts": `import { definePlugin } from "qntx"; export default definePlugin({ name: "open", version: "1" });`,
  quits: "#!/bin/sh\necho one last word >&2\nexit 3\n",
};

const NAMES = ["telltale", "misnamed", "broken", "empty", "badcron", "badhandler", "open", "quits", "absent"];

let place: Place;
let host: RunningHost;

beforeAll(async () => {
  place = new Place(`[plugin]\nbundled = false\nstartup = "20s"\nenabled = ${JSON.stringify(NAMES)}\n`);
  for (const [name, text] of Object.entries(PLUGINS))
    place.write(`plugins/${name}`, text, name === "quits" ? 0o755 : 0o644);
  chmodSync(join(place.home, "plugins/open.ts"), 0o666);
  host = await place.start();
  await place.working();
}, 60_000);
afterAll(() => place[Symbol.asyncDispose]());

describe("on the command line", () => {
  test.each([
    // words                                                                    exit  says
    [["shcedule", "list"], 2, /no command "shcedule".*qntx schedule/s],
    [["schedule", "create", "x", "--handler", "a.b", "--evry", "5s"], 2, /--evry.*--every/s],
    [["schedule", "create", "x", "--handler", "a.b"], 2, /every|cron|at/],
    [
      ["schedule", "create", "x", "--handler", "a.b", "--every", "soon"],
      2,
      /every: "soon" is not a duration.*"30s"/s,
    ],
    [
      ["schedule", "create", "x", "--handler", "a.b", "--every", "5s", "--cron", "* * * * *"],
      2,
      /cannot be given together/,
    ],
    [["schedule", "create", "x", "--handler", "a.b", "--cron", "0 25 * * *"], 2, /cron.*25/s],
    [
      ["schedule", "create", "x", "--handler", "a.b", "--cron", "@daily", "--tz", "Europe/Atlantis"],
      2,
      /Europe\/Atlantis/,
    ],
    [["schedule", "create", "x", "--handler", "a.b", "--at", "2020-01-01T00:00:00Z"], 2, /in the past/],
    [["schedule", "create", "../x", "--handler", "a.b", "--every", "5s"], 2, /"\.\.\/x" cannot be a name/i],
    [["schedule", "show", "nothing-here"], 4, /no schedule "nothing-here".*schedule list/s],
    [["job", "show", "JB_nothing"], 4, /no job/i],
    [["job", "enqueue", "telltale.work", "--payload", "{oops"], 2, /payload.*not JSON/s],
    [["job", "enqueue", "not a name"], 2, /not the name of a handler/],
    [["handler", "create", "x"], 2, /--file.*--code|--code.*--file/s],
    [["handler", "create", "--file", "nowhere.py"], 2, /nowhere\.py.*cannot be read/s],
    [["plugin", "show", "nobody"], 4, /no plugin "nobody"/i],
    [["serve", "--port", "0"], 5, /A host runs on .* already/],
    [["serve", "--port", "99999"], 2, /--port.*65535/s],
    [["status", "--server", "http://127.0.0.1:1"], 2, /QNTX_TOKEN/],
  ] as [string[], number, RegExp][])("%j", async (words, exit, says) => {
    const { code, stdout, stderr } = await place.cli(words);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(INSIDES);
    expect([code, stdout]).toEqual([exit, ""]);
  });
});

describe("in the configuration", () => {
  test.each([
    ["[plugin]\nenabeld = []\n", /qntx\.toml:2.*enabeld.*enabled/s],
    ["[serve]\nport = 70000\n", /serve\.port.*70000/s],
    ['[serve]\nhost = "0.0.0.0"\n', /serve\.host.*0\.0\.0\.0/s],
    ['[pulse]\nnap = "fast"\n', /pulse\.nap.*fast/s],
    ["[plugin\n", /qntx\.toml/],
    ['[[schedule]]\nid = "x"\nevery = "5s"\n', /handler/],
    ['[[schedule]]\nid = "x"\nhandler = "a.b"\ncron = "99 * * * *"\n', /"x".*99/s],
    ['[plugin]\nenabled = ["../etc"]\n', /\.\.\/etc/],
  ] as [string, RegExp][])("%j", async (text, says) => {
    await using other = new Place(text);
    const { code, stderr } = await other.cli(["serve", "--port", "0"]);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(INSIDES);
    expect(code).toBe(3);
  });
});

describe("in a plugin's handshake", () => {
  test.each([
    ["misnamed", /somebody/],
    ["broken", /broken\.ts/],
    ["empty", /empty\.ts/],
    ["badcron", /"nightly".*61/s],
    ["open", /can be changed by others.*chmod go-w/],
    ["quits", /exit code 3.*one last word/s],
    ["absent", /absent/],
  ] as [string, RegExp][])("%s", async (name, says) => {
    const { state, reason } = await place.until(`plugin ${name} to have failed`, async () => {
      const plugin = await place.plugin(name);
      return plugin.state !== "starting" && plugin.reason !== "" && plugin;
    });
    expect(state).not.toBe("ready");
    expect(reason).toMatch(says);
    expect(reason).not.toMatch(/node_modules|sdk\/typescript/);
  });

  test("a handler with a bad name is left out, and the others are there", async () => {
    expect(await place.plugin("badhandler")).toMatchObject({ state: "ready", handlers: ["ok.name"] });
  });
});

describe("over gRPC", () => {
  const told = () =>
    JSON.parse(readFileSync(join(place.home, "plugins-data/telltale/told.json"), "utf8")) as {
      queue_endpoint: string;
      auth_token: string;
    };
  /** Calls a method of a service of QNTX and gives its answer. */
  const ask = <T>(send: (done: (error: Error | null, answer: T) => void) => void) =>
    new Promise<T>((resolve, reject) => send((error, answer) => (error ? reject(error) : resolve(answer))));

  test("every wrong call is answered with a sentence, and a crash of nobody", async () => {
    await place.until("the telltale", async () =>
      existsSync(join(place.home, "plugins-data/telltale/told.json")),
    );
    const { queue_endpoint: address, auth_token: authToken } = told();
    const insecure = credentials.createInsecure();
    const queue = new QueueServiceClient(address, insecure);
    const schedules = new ScheduleServiceClient(address, insecure);
    const ats = new ATSStoreServiceClient(address, insecure);
    const none = Buffer.alloc(0);
    try {
      const answers = await Promise.all([
        ask<{ error: string }>((done) => queue.enqueue({ authToken: "wrong", job: undefined }, done)),
        ask<{ error: string }>((done) => queue.enqueue({ authToken, job: undefined }, done)),
        ask<{ error: string }>((done) => queue.getJob({ authToken, jobId: "JB_nothing" }, done)),
        ask<{ error: string }>((done) => queue.updateJob({ authToken, job: undefined }, done)),
        ask<{ error: string }>((done) =>
          schedules.createSchedule(
            { authToken, handlerName: "telltale.work", intervalSeconds: 0, payload: none, metadata: {} },
            done,
          ),
        ),
        ask<{ error: string }>((done) =>
          schedules.createSchedule(
            { authToken, handlerName: "", intervalSeconds: 5, payload: none, metadata: {} },
            done,
          ),
        ),
        ask<{ error: string }>((done) =>
          schedules.pauseSchedule({ authToken, scheduleId: "SC_nothing" }, done),
        ),
        ask<{ error: string }>((done) => schedules.resumeSchedule({ authToken, scheduleId: "" }, done)),
        ask<{ error: string }>((done) => ats.createAttestation({ authToken, attestation: undefined }, done)),
        ask<{ error: string }>((done) =>
          ats.generateAndCreateAttestation({ authToken, command: undefined }, done),
        ),
        ask<{ error: string }>((done) => ats.getAttestations({ authToken: "", filter: undefined }, done)),
      ]);
      expect(answers.map(({ error }) => error)).toEqual([
        "invalid authentication token",
        "job: is missing.",
        "failed to get job: job not found: JB_nothing",
        "job: is missing.",
        "interval_seconds: 0 is too short. The shortest interval is 1.",
        'handler: "" is not the name of a handler. Names are like "python.report", or "acme@python.report" for one of a tenant.',
        'There is no schedule "SC_nothing". qntx schedule list shows them.',
        "schedule_id: is missing.",
        "attestation is nil",
        "command is nil",
        "invalid authentication token",
      ]);
    } finally {
      for (const client of [queue, schedules, ats]) client.close();
    }
  });

  test("the longest interval that the protocol can say is one", async () => {
    await place.until("the telltale", async () =>
      existsSync(join(place.home, "plugins-data/telltale/told.json")),
    );
    const { queue_endpoint: address, auth_token: authToken } = told();
    const schedules = new ScheduleServiceClient(address, credentials.createInsecure());
    const request = { authToken, handlerName: "telltale.work", payload: Buffer.alloc(0), metadata: {} };
    const intervalSeconds = 2 ** 31 - 1;
    try {
      const { error, scheduleId } = await ask<{ error: string; scheduleId: string }>((done) =>
        schedules.createSchedule({ ...request, intervalSeconds }, done),
      );
      expect(error).toBe("");
      const { job } = await ask<GetScheduleResponse>((done) =>
        schedules.getSchedule({ authToken, scheduleId }, done),
      );
      expect(job).toMatchObject({ intervalSeconds, state: "active" });
    } finally {
      schedules.close();
    }
  });

  test("bytes that are no protobuf, and no HTTP/2, leave the host alive", async () => {
    const [hostname = "", port = "0"] = told().queue_endpoint.split(":");
    const socket = await Bun.connect({ hostname, port: Number(port), socket: { data() {} } });
    socket.write(crypto.getRandomValues(new Uint8Array(65_536)));
    socket.flush();
    socket.end();
    expect(await place.call("host.status")).toMatchObject({ running: true, ready: true });
  });
});

test("over HTTP: no token, a foreign Host or Origin, no JSON, no such thing", async () => {
  const token = readFileSync(join(place.home, "operator.token"), "utf8").trim();
  const url = `${host.address}/api/v1/call/job.list`;
  const authorization = `Bearer ${token}`;
  const json = "application/json";
  const rows: [string, RequestInit, number][] = [
    [url, { method: "POST", body: "{}", headers: { "content-type": json } }, 403],
    [url, { method: "POST", body: "{}", headers: { "content-type": json, authorization: "Bearer x" } }, 403],
    [
      url,
      { method: "POST", body: "{}", headers: { "content-type": json, authorization, host: "evil.example" } },
      403,
    ],
    [
      url,
      {
        method: "POST",
        body: "{}",
        headers: { "content-type": json, authorization, origin: "http://evil.example" },
      },
      403,
    ],
    [url, { method: "POST", body: "{}", headers: { "content-type": "text/plain", authorization } }, 400],
    [url, { method: "POST", body: "{", headers: { "content-type": json, authorization } }, 400],
    [url, { headers: { authorization } }, 400],
    [`${host.address}/nothing`, { headers: { authorization } }, 404],
    [`${host.address}/api/nobody/x`, { headers: { authorization } }, 404],
    [url, { method: "POST", body: "{}", headers: { "content-type": json, authorization } }, 200],
  ];
  for (const [address, init, status] of rows) {
    const answer = await fetch(address, init);
    const text = await answer.text();
    expect([answer.status, text.slice(0, 200)]).toEqual([status, expect.any(String)]);
    expect(text).not.toMatch(INSIDES);
  }
});

test("the host is alive after all that", async () => {
  expect(await place.json("status")).toMatchObject({ running: true, ready: true });
});
