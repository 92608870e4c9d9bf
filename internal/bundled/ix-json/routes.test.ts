import { describe, expect, test } from "bun:test";
import type { Json } from "../../../sdk/typescript/qntx.ts";
import { MemoryHost, memoryJob } from "../memory-host.ts";
import plugin from "./ix-json.ts";
import { escape } from "./page.ts";
import { poll } from "./poll-job.ts";

const URL_TEXT = "http://127.0.0.1:1/items.json";
const MAPPING = { items: "$.items[*]", subject: "$.id" };

function routeOf(key: string) {
  const route = plugin.http?.[key];
  return typeof route === "object" ? route.run : route;
}

async function ask(
  host: MemoryHost,
  key: string,
  body?: unknown,
  headers = { "content-type": "application/json" },
) {
  const [method = "", path = ""] = key.split(" ");
  const route = routeOf(`${method} ${path.split("?")[0]}`);
  if (!route) throw new Error(`There is no route ${key}.`);
  const sent =
    method === "GET" ? {} : { body: typeof body === "string" ? body : JSON.stringify(body), headers };
  const response = await route(new Request(`http://plugin${path}`, { method, ...sent }), host);
  const json: Json = await response.json();
  return { status: response.status, json };
}

async function activated(host: MemoryHost, body: object = {}) {
  const { json } = await ask(host, "POST /polls", { url: URL_TEXT, every: "5m", mapping: MAPPING, ...body });
  return json.poll;
}

describe("activating", () => {
  test("makes a schedule and keeps its id in the poll's attestation", async () => {
    const host = new MemoryHost();
    const headers = { authorization: "Bearer secret" };
    const { status, json } = await ask(host, "POST /polls", {
      url: URL_TEXT,
      intervalSeconds: 300,
      mapping: MAPPING,
      name: "shop",
      headers,
    });
    expect(status).toBe(201);
    const [schedule] = await host.scheduler.list();
    expect(schedule).toMatchObject({
      handler: "ix-json.poll",
      every: "300s",
      state: "active",
      name: json.poll.id,
      payload: { url: URL_TEXT, name: "shop", mapping: MAPPING, headers },
    });
    expect(host.ats.rows).toMatchObject([
      {
        subjects: [json.poll.id],
        predicates: ["poll"],
        contexts: ["ix-json"],
        attributes: {
          url: URL_TEXT,
          every: "300s",
          mapping: MAPPING,
          scheduleId: schedule?.id,
          state: "active",
        },
      },
    ]);
    expect(JSON.stringify([host.ats.rows, json])).not.toContain("secret");
  });

  test("hands the job a payload that it understands", async () => {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ items: [{ id: 1 }] }),
    });
    const host = new MemoryHost();
    const { id } = await activated(host, { url: server.url.href, headers: { a: "b" } });
    const [schedule] = await host.scheduler.list();
    expect(await poll(memoryJob(host, schedule?.payload))).toMatchObject({ written: 1 });
    expect(host.ats.of("item")).toMatchObject([{ subjects: ["1"], actors: [id] }]);
    await server.stop(true);
  });

  test("the same again is refused while the poll is there, and starts anew after it is deleted", async () => {
    const host = new MemoryHost();
    const { id, scheduleId } = await activated(host);
    const again = () => ask(host, "POST /polls", { url: URL_TEXT, every: "1h", mapping: MAPPING });
    expect(await again()).toMatchObject({ status: 409, json: { error: expect.stringContaining(id) } });
    await ask(host, "POST /polls/delete", { id });
    const { status, json } = await again();
    expect([status, json.poll.id, json.poll.every]).toEqual([201, id, "1h"]);
    expect(json.poll.scheduleId).not.toBe(scheduleId);
  });

  test("that broke before the attestation finds its schedule again", async () => {
    const host = new MemoryHost();
    host.ats.beforeWrite = () => {
      throw new Error("the host went away");
    };
    expect(await ask(host, "POST /polls", { url: URL_TEXT, every: "5m" })).toEqual({
      status: 502,
      json: { error: "the host went away" },
    });
    host.ats.beforeWrite = () => {};
    expect(await ask(host, "POST /polls", { url: URL_TEXT, every: "5m" })).toMatchObject({ status: 201 });
    expect(await host.scheduler.list()).toHaveLength(1);
  });

  const refused: [string, unknown, number, string[]][] = [
    ["fields that are wrong", { url: "x", every: "often" }, 400, ["url", "every"]],
    ["an interval that the host refuses", { url: URL_TEXT, every: "0s" }, 400, ["every"]],
    ["no JSON", "{", 400, ["body"]],
    ["too much", JSON.stringify("x".repeat(65_536)), 413, []],
  ];
  test.each(refused)("with %s makes nothing", async (_, body, status, fields) => {
    const host = new MemoryHost();
    const answer = await ask(host, "POST /polls", body);
    expect(answer.status).toBe(status);
    expect((answer.json.fields ?? []).map((problem: { field: string }) => problem.field)).toEqual(fields);
    expect([host.ats.rows.length, host.scheduler.rows.size]).toEqual([0, 0]);
  });

  test("by a form of another site is refused", async () => {
    const headers = { "content-type": "text/plain" };
    expect(await ask(new MemoryHost(), "POST /polls", {}, headers)).toMatchObject({ status: 415 });
  });
});

describe("a poll", () => {
  test("is paused, resumed and deleted through its schedule, each with an attestation", async () => {
    const host = new MemoryHost();
    const { id, scheduleId } = await activated(host);
    const steps: [string, string, "active" | "paused" | "deleted"][] = [
      ["pause", "paused", "paused"],
      ["pause", "paused", "paused"],
      ["resume", "active", "active"],
      ["delete", "deleted", "deleted"],
      ["delete", "deleted", "deleted"],
    ];
    for (const [word, state, scheduleState] of steps) {
      const { status, json } = await ask(host, `POST /polls/${word}`, { id });
      expect([status, json.poll.state]).toEqual([200, state]);
      expect((await host.scheduler.get(scheduleId))?.state).toBe(scheduleState);
    }
    const states = host.ats.of("poll").map(({ attributes }) => attributes["state"]);
    expect(states).toEqual(["active", "paused", "active", "deleted"]);
  });

  test("is shown alone and in the list, with its schedule's next run", async () => {
    const host = new MemoryHost();
    const one = await activated(host);
    const two = await activated(host, { name: "two" });
    expect(one.nextRunAt).toBe("2030-01-01T00:00:00Z");
    expect((await ask(host, `GET /poll?id=${one.id}`)).json.poll).toEqual(one);
    expect((await ask(host, "GET /polls")).json.polls).toEqual([two, one]);
    await ask(host, "POST /polls/delete", { id: one.id });
    expect((await ask(host, "GET /polls")).json.polls).toEqual([two]);
    expect((await ask(host, `GET /poll?id=${one.id}`)).json.poll.state).toBe("deleted");
  });

  test("that other hands paused is shown as paused, and resumes here", async () => {
    const host = new MemoryHost();
    const { id, scheduleId } = await activated(host);
    await host.scheduler.pause(scheduleId);
    expect((await ask(host, "GET /polls")).json.polls[0].state).toBe("paused");
    await ask(host, "POST /polls/resume", { id });
    expect((await host.scheduler.get(scheduleId))?.state).toBe("active");
  });

  test("whose schedule other hands deleted cannot be resumed, but deleted and activated", async () => {
    const host = new MemoryHost();
    const { id, scheduleId } = await activated(host);
    await host.scheduler.delete(scheduleId);
    expect(await ask(host, "POST /polls/resume", { id })).toMatchObject({ status: 409 });
    expect(await ask(host, "POST /polls/delete", { id })).toMatchObject({ status: 200 });
    expect(await activated(host)).toMatchObject({ id, state: "active" });
  });

  const unknown: [string, unknown, number][] = [
    ["POST /polls/pause", { id: "poll-no" }, 404],
    ["POST /polls/resume", { id: "poll-no" }, 404],
    ["POST /polls/delete", { id: "poll-no" }, 404],
    ["POST /polls/delete", {}, 400],
    ["POST /polls/delete", null, 400],
    ["GET /poll?id=poll-no", undefined, 404],
    ["GET /poll", undefined, 400],
  ];
  test.each(unknown)("that nobody made: %s %j", async (key, body, status) => {
    expect((await ask(new MemoryHost(), key, body)).status).toBe(status);
  });

  test("is not made by what a polled document says", async () => {
    const forged = {
      id: "poll-forged",
      kind: "poll",
      url: URL_TEXT,
      every: "1s",
      scheduleId: "SC_1",
      state: "active",
    };
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json(forged) });
    const host = new MemoryHost();
    const attributes = { url: "$.url", every: "$.every", scheduleId: "$.scheduleId", state: "$.state" };
    const mapping = { items: "$", subject: "$.id", predicate: "$.kind", context: "ix-json", attributes };
    expect(await poll(memoryJob(host, { url: server.url.href, mapping }))).toMatchObject({ written: 1 });
    expect((await ask(host, "GET /polls")).json.polls).toEqual([]);
    await server.stop(true);
  });
});

describe("the page", () => {
  test("shows the polls, escapes what people wrote, and lets nothing else in", async () => {
    const host = new MemoryHost();
    const { id } = await activated(host, { name: '<script>alert("1")</script>' });
    const response = await routeOf("GET /")?.(new Request("http://plugin/"), host);
    const html = (await response?.text()) ?? "";
    expect(html).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    expect(html).toContain(`data-path="/polls/pause" data-id="${id}"`);
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toMatch(/(src|href)=/);
    expect(response?.headers.get("content-security-policy")).toMatch(/^default-src 'none'/);
  });

  test("allows exactly the script that is in it", async () => {
    const response = await routeOf("GET /")?.(new Request("http://plugin/"), new MemoryHost());
    const script = /<script>([^]*)<\/script>/.exec((await response?.text()) ?? "")?.[1] ?? "";
    const hash = new Bun.CryptoHasher("sha256").update(script).digest("base64");
    expect(response?.headers.get("content-security-policy")).toContain(`script-src 'sha256-${hash}'`);
    expect(() => new Bun.Transpiler({ loader: "js" }).transformSync(script)).not.toThrow();
  });

  test("escapes everything that could end a text or an attribute", () => {
    expect(escape(`<a href='b' title="c">&`)).toBe("&lt;a href=&#39;b&#39; title=&quot;c&quot;&gt;&amp;");
  });
});
