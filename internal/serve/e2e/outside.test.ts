/**
 * What goes in and out through the host for plugins, on a real host with three of them
 * (TypeScript, the Python SDK, and a stranger on stock grpcio): WebSockets of a real
 * client, and what is fetched from the web. However a connection ends, the browser
 * is told why, and the plugin notices.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { FRAME_BYTES_MAX } from "../../http/plugin-socket.ts";
import { SOCKETS_MAX } from "../../plugins/web-socket.ts";
import { Place } from "./host.ts";
import { PYTHON_PATH, writePlugin, writeStranger } from "./python.ts";

setDefaultTimeout(60_000);

const PLUGINS = ["echo", "echoes", "walker"] as const;
let place: Place;
let page: Bun.Server<undefined>;
let hidden: Bun.Server<undefined>;
let asked = 0;

beforeAll(async () => {
  page = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("a page") });
  const count = () => new Response(String(++asked));
  hidden = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: count });
  const enabled = `[plugin]\nenabled = ${JSON.stringify(PLUGINS)}\nbundled = false\n`;
  place = new Place(`${enabled}[fetch]\nallowed_private_addresses = ["127.0.0.1:${page.port}"]\n`);
  writePlugin(place, "echo.ts");
  writePlugin(place, "echoes.py");
  writeStranger(place, "walker");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
});
afterAll(async () => {
  await place[Symbol.asyncDispose]();
  await Promise.all([page.stop(true), hidden.stop(true)]);
});

const token = () => readFileSync(join(place.home, "operator.token"), "utf8").trim();
const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");

/** A browser's end, by the operator's token. */
class Browser {
  readonly socket: WebSocket;
  readonly heard: string[] = [];
  readonly closed: Promise<[code: number, reason: string]>;
  #changed = Promise.withResolvers<void>();

  constructor(path: string, headers: Record<string, string> = { authorization: `Bearer ${token()}` }) {
    const url = `${place.host.address.replace("http", "ws")}${path}`;
    this.socket = new WebSocket(url, { headers, protocols: ["qntx-plugin-v1"] } as unknown as string[]);
    this.socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(String(data)) as { type: number; data: string };
      expect(frame.type).toBe(1);
      this.heard.push(Buffer.from(frame.data, "base64").toString());
      this.#tell();
    });
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => {
        resolve([code, reason]);
        this.#tell();
      });
    });
  }

  say(text: string | Uint8Array): void {
    this.socket.send(JSON.stringify({ type: 1, data: base64(text) }));
  }

  /** Resolves with the message number `count`, from 1. */
  async message(count: number): Promise<string> {
    while (this.heard.length < count) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("it was closed");
      await this.#changed.promise;
    }
    return this.heard[count - 1] ?? "";
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

async function opened(plugin: string, who = "Ada"): Promise<Browser> {
  const browser = new Browser(`/ws/${plugin}?who=${who}`);
  await browser.message(1);
  return browser;
}

describe.each([...PLUGINS])("%s", (plugin) => {
  test("hears what a browser says, and says what it hears; neither the token nor anything else is lost or added", async () => {
    const browser = await opened(plugin);
    expect(browser.heard[0]).toMatch(/^hello Ada (null|None)$/);
    expect(browser.socket.protocol).toBe("qntx-plugin-v1");
    for (const text of ["Köln", "", "x".repeat(200_000)]) browser.say(text);
    expect([await browser.message(2), await browser.message(3), (await browser.message(4)).length]).toEqual([
      "Köln",
      "",
      200_000,
    ]);
    browser.say("end");
    expect(await browser.closed).toEqual([1000, ""]);
  });

  test("fetches what is allowed, and nothing else", async () => {
    const browser = await opened(plugin);
    browser.say(`fetch ${page.url}`);
    expect(await browser.message(2)).toBe("a page");
    browser.say(`fetch ${hidden.url}`);
    expect(await browser.message(3)).toContain("is not on the public internet. Allow it in qntx.toml");
    expect(asked).toBe(0);
    const { entries } = await place.call<{ entries: object[] }>("audit.list", { limit: 1 });
    expect(entries[0]).toMatchObject({
      operation: "http.fetch",
      principal: `plugin:${plugin}`,
      allowed: false,
    });
    browser.socket.close();
  });

  test("fails, and the browser is told; the next one is served", async () => {
    const browser = await opened(plugin);
    browser.say("fail");
    expect(await browser.closed).toEqual([1011, `Plugin ${plugin} failed to answer.`]);
    (await opened(plugin)).socket.close();
  });

  test("is told when the browser goes", async () => {
    const who = `Grace-${plugin}`;
    (await opened(plugin, who)).socket.close();
    await place.until("the plugin's line", async () => {
      const { lines } = await place.call<{ lines: string[] }>("plugin.logs", { name: plugin });
      return lines.some((line) => line.includes(`gone ${who}`));
    });
  });

  test("goes, and the browser is told to come again", async () => {
    const browser = await opened(plugin);
    await place.call("plugin.restart", { name: plugin });
    expect(await browser.closed).toEqual([1012, `Plugin ${plugin} was stopped or restarted.`]);
    const again = await opened(plugin);
    process.kill((await place.plugin(plugin)).pid ?? 0, "SIGKILL");
    expect(await again.closed).toEqual([1012, `Plugin ${plugin} was stopped or restarted.`]);
    await place.until("it", async () => (await place.plugin(plugin)).state === "ready");
  });
});

test.each([
  ["is no JSON", "hello", 1007, "This is no JSON object."],
  ["is a list", "[1]", 1007, "This is no JSON object."],
  ["has no type", '{"data":"aGk="}', 1007, "type: undefined is not 1 or 2."],
  ["is a CONNECT", '{"type":0}', 1007, "type: 0 is not 1 or 2."],
  ["is not in base64", '{"type":1,"data":"äöü"}', 1007, "data: is not base64."],
  ["has no text", '{"type":1,"data":{}}', 1007, "data: is not base64."],
  ["has a number for headers", '{"type":1,"headers":1}', 1007, "headers: is no object."],
  ["is a CLOSE", '{"type":2}', 1000, ""],
  ["is too long", `{"type":1,"data":"${"A".repeat(FRAME_BYTES_MAX)}"}`, 1009, ""],
])("a frame that %s ends the connection with the reason", async (_, frame, code, reason) => {
  const browser = await opened("echo");
  browser.socket.send(frame);
  const [had, because] = await browser.closed;
  expect([had, because.slice(0, reason.length)]).toEqual([code, reason]);
});

test("much more than fits anywhere arrives, in order, and is not kept", async () => {
  const browser = await opened("echo");
  browser.say("flood");
  await browser.message(402); // 26 MB.
  expect(browser.heard.slice(1, 401).every((text) => text.length === 65_536)).toBe(true);
  expect(browser.heard[401]).toBe("flood");
  browser.socket.close();
});

test("nobody gets in without the token, from elsewhere, or where there is no WebSocket", async () => {
  const bearer = { authorization: `Bearer ${token()}` };
  const upgrade = {
    upgrade: "websocket",
    connection: "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64("0123456789abcdef"),
  };
  const answers = async (path: string, headers: Record<string, string>) =>
    (await fetch(`${place.host.address}${path}`, { headers })).status;
  expect(await answers("/ws/echo", upgrade)).toBe(403);
  expect(await answers("/ws/echo", { ...upgrade, authorization: "Bearer wrong" })).toBe(403);
  expect(await answers("/ws/echo", { ...upgrade, ...bearer, origin: "http://evil.example" })).toBe(403);
  expect(await answers("/ws/echo", { ...upgrade, ...bearer, host: "evil.example" })).toBe(403);
  expect(await answers("/ws/echo", bearer)).toBe(400);
  expect(await answers("/ws/nobody", { ...upgrade, ...bearer })).toBe(404);
  await place.cli(["plugin", "revoke", "echo", "cap:http.serve"]);
  expect(await answers("/ws/echo", { ...upgrade, ...bearer })).toBe(403);
  await place.cli(["plugin", "grant", "echo", "cap:http.serve"]);
});

test("a plugin has so many at once; when they are gone, the next are served", async () => {
  const browsers = await Promise.all(Array.from({ length: SOCKETS_MAX }, () => opened("echo")));
  const [code] = await new Browser("/ws/echo").closed;
  expect(code).not.toBe(1000);
  for (const { socket } of browsers) socket.close();
  await Promise.all(browsers.map(({ closed }) => closed));
  const again = await place.until("a free place", () => opened("echo").catch(() => null));
  again.socket.close();
});

test("a plugin's name leads nowhere but to a plugin: over HTTP, WebSocket, and where plugins are installed", async () => {
  const bearer = { authorization: `Bearer ${token()}` };
  const program = place.write("program.ts", "export default { name: 'program' };");
  for (const name of [
    "..",
    "../x",
    "a/b",
    "/etc/passwd",
    "-rf",
    "A",
    "a".repeat(64),
    "%2e%2e%2f",
    "..%c0%af",
    "__proto__",
    "constructor",
    "$(id)",
    "a\nb",
  ]) {
    for (const door of ["api", "ws"]) {
      const url = `${place.host.address}/${door}/${encodeURIComponent(name)}`;
      const answer = await fetch(url, {
        headers: { ...bearer, upgrade: "websocket", connection: "upgrade" },
      });
      expect([
        door,
        name,
        answer.status,
        ((await answer.json()) as { error: { code: string } }).error.code,
      ]).toEqual([door, name, 404, "not-found"]);
    }
    if (name === "constructor") continue; // A name like any other.
    const installed = await place.cli(["plugin", "install", program, "--name", name]);
    expect([name, installed.code === 0]).toEqual([name, false]);
    expect(installed.stderr).not.toContain("mistake in qntx itself");
  }
});
