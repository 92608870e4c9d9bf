/**
 * What is fetched, and what is not: every way that people have found from a program that
 * fetches into the machine and the network behind it, against real listeners on loopback
 * that must not be reached, and a resolver that lies.
 */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { realEnv } from "../base/env.ts";
import { FakeEnv } from "../base/fake-env.ts";
import { Fault } from "../base/fault.ts";
import { type IpRange, parseIpRange } from "../base/ip.ts";
import { Fetcher, type FetcherOptions, type Resolve } from "./fetcher.ts";
import { Turns } from "./turns.ts";
import { FETCH_LIMITS } from "./limits.ts";

setDefaultTimeout(30_000); // Real sockets on a loaded machine.

type Server = Bun.Server<undefined>;
const DATA = join(import.meta.dir, "testdata");
const CRT = readFileSync(join(DATA, "good.crt"), "utf8");

let servers: Server[];
/** What must not be reached, and how often it was. */
let forbidden: Server;
let reached: number;
beforeEach(() => {
  servers = [];
  reached = 0;
  forbidden = serve(() => {
    reached++;
    return new Response("the secret");
  });
});
afterEach(() => Promise.all(servers.map((server) => server.stop(true))));

function serve(
  answer: (request: Request) => Response | Promise<Response>,
  more: { hostname?: string; tls?: Bun.TLSOptions } = {},
): Server {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, ...more, fetch: answer });
  servers.push(server);
  return server;
}

function range(text: string): IpRange {
  const found = parseIpRange(text);
  if (!found) throw new Error(`${text} is no range`);
  return found;
}

function fetcher(more: Partial<FetcherOptions> & { allow?: readonly (string | Server)[] } = {}): Fetcher {
  const { allow = [], ...options } = more;
  const allowed = allow.map((one) => range(typeof one === "string" ? one : `127.0.0.1:${one.port}`));
  return new Fetcher({ env: realEnv, version: "1", allowed, resolve: async () => ["127.0.0.1"], ...options });
}

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof Fault) return error;
  throw error ?? new Error("it was fetched");
}

const one = { caller: "demo" };
const PORT = "PORT"; // That of the listener that must not be reached.

test.each([
  `http://127.0.0.1:${PORT}/`,
  `http://127.1:${PORT}/`,
  `http://2130706433:${PORT}/`,
  `http://0x7f000001:${PORT}/`,
  `http://0x7f.1:${PORT}/`,
  `http://0177.0.0.1:${PORT}/`,
  `http://017700000001:${PORT}/`,
  `http://0:${PORT}/`,
  `http://0.0.0.0:${PORT}/`,
  `http://①②⑦.⓪.⓪.①:${PORT}/`,
  `http://127。0。0。1:${PORT}/`,
  `http://[::]:${PORT}/`,
  `http://[::1]:${PORT}/`,
  `http://[::ffff:127.0.0.1]:${PORT}/`,
  `http://[::ffff:7f00:1]:${PORT}/`,
  `http://[0:0:0:0:0:ffff:127.0.0.1]:${PORT}/`,
  `http://[::127.0.0.1]:${PORT}/`,
  `http://[64:ff9b::7f00:1]:${PORT}/`,
  `http://[2002:7f00:1::]:${PORT}/`,
  `http://[fe80::1]:${PORT}/`,
  `http://[fd00:ec2::254]/latest/meta-data/`,
  "http://169.254.169.254/latest/meta-data/",
  "http://2852039166/",
  "http://100.100.100.200/",
  "http://168.63.129.16/",
  "http://10.0.0.1/",
  "http://100.64.0.1/",
  "http://172.16.0.1/",
  "http://192.168.0.1/",
  "http://198.18.0.1/",
  "http://224.0.0.1/",
  "http://255.255.255.255/",
  `http://localhost:${PORT}/`,
  `http://localhost.:${PORT}/`,
  `http://LOCALHOST:${PORT}/`,
  `http://anything.test:${PORT}/`,
  `http://user@127.0.0.1:${PORT}/`,
  `http://good.test@127.0.0.1:${PORT}/`,
  `http://user:word@good.test:${PORT}/`,
  `http:127.0.0.1:${PORT}`,
  `http:\\\\127.0.0.1:${PORT}`,
  `http://127.0.0.1:${PORT}#@good.test/`,
  `https://127.0.0.1:${PORT}/`,
  "file:///etc/passwd",
  "gopher://127.0.0.1:6379/_FLUSHALL",
  "ftp://127.0.0.1/",
  "dict://127.0.0.1:11211/",
  "ws://127.0.0.1/",
  "data:text/plain,x",
  "javascript:1",
  "unix:///var/run/docker.sock",
  "blob:x",
])("%s is refused, and nobody is asked", async (url) => {
  const fault = await refusal(fetcher().fetch(url.replace(PORT, String(forbidden.port)), one));
  expect(fault.code).toBe("denied");
  expect(reached).toBe(0);
});

test.each([
  "",
  "127.0.0.1",
  "//127.0.0.1/",
  "/etc/passwd",
  "http://",
  "http://a b/",
  "http://[::1",
  "http://1.2.3.4:99999/",
  "http://\0/",
])("%p is no address", async (url) => expect((await refusal(fetcher().fetch(url, one))).code).toBe("usage"));

test("what the operator allows is fetched, on that port alone", async () => {
  const mine = serve(async (request) => new Response(`${request.method} ${request.headers.get("host")}`));
  const guarded = fetcher({ allow: [mine] });
  const answer = await guarded.fetch(`http://good.test:${mine.port}/a?b`, one);
  expect(answer).toEqual({ status: 200, body: `GET good.test:${mine.port}` });
  const fault = await refusal(guarded.fetch(`http://good.test:${forbidden.port}/`, one));
  expect([fault.message, fault.hint]).toEqual([
    `http://good.test:${forbidden.port} is 127.0.0.1, which is not on the public internet.`,
    `Allow it in qntx.toml, under [fetch]: allowed_private_addresses = ["127.0.0.1:${forbidden.port}"]`,
  ]);
  expect(reached).toBe(0);
});

test("a redirect is an address like any other: to what is not public, to another scheme, with a password", async () => {
  for (const [location, code] of [
    [`http://127.0.0.1:${forbidden.port}/`, "denied"],
    [`//127.0.0.1:${forbidden.port}/`, "denied"],
    [`http://[::ffff:7f00:1]:${forbidden.port}/`, "denied"],
    [`https://localhost:${forbidden.port}/`, "denied"],
    ["file:///etc/passwd", "denied"],
    [`http://user@good.test:${forbidden.port}/`, "denied"],
    ["http://", "failed"],
  ] as const)
    for (const status of [301, 302, 303, 307, 308]) {
      const mine = serve(() => new Response(null, { status, headers: { location } }));
      const fault = await refusal(
        fetcher({ allow: [mine], limits: { hostGapMs: 0 } }).fetch(`http://good.test:${mine.port}/`, one),
      );
      expect([location, fault.code]).toEqual([location, code]);
    }
  expect(reached).toBe(0);
});

test("redirects that stay in order are followed, a relative one and five of them, and not more", async () => {
  const mine = serve((request) => {
    const left = Number(new URL(request.url).pathname.slice(1));
    if (left === 0) return new Response("arrived");
    return new Response(null, {
      status: 302,
      headers: { location: left % 2 ? `/${left - 1}` : `http://other.test:${mine.port}/${left - 1}` },
    });
  });
  const guarded = fetcher({ allow: [mine], limits: { hostGapMs: 0 } });
  expect((await guarded.fetch(`http://good.test:${mine.port}/5`, one)).body).toBe("arrived");
  const fault = await refusal(guarded.fetch(`http://good.test:${mine.port}/6`, one));
  expect(fault.message).toBe(`http://good.test:${mine.port} leads on more than 5 times.`);
});

test("a name is resolved once, and the connection goes to what was checked", async () => {
  const mine = serve((request) => new Response(`mine ${request.headers.get("host")}`));
  const asked: string[] = [];
  const rebinding: Resolve = async (host) => {
    asked.push(host);
    return [asked.length === 1 ? "127.0.0.1" : "127.0.0.2"];
  };
  servers.push(
    Bun.serve({ hostname: "127.0.0.2", port: mine.port ?? 0, fetch: () => new Response(String(reached++)) }),
  );
  const guarded = fetcher({ allow: [mine], resolve: rebinding });
  expect(await guarded.fetch(`http://good.test:${mine.port}/`, one)).toEqual({
    status: 200,
    body: `mine good.test:${mine.port}`,
  });
  expect([asked, reached]).toEqual([["good.test"], 0]);
  expect((await refusal(guarded.fetch(`http://good.test:${mine.port}/`, one))).code).toBe("denied");
});

test.each([
  [["93.184.216.34", "127.0.0.1"]],
  [["127.0.0.1", "93.184.216.34"]],
  [["93.184.216.34", "::1"]],
  [["::ffff:127.0.0.1"]],
  [["0177.0.0.1"]],
  [["garbage"]],
])("a name with the addresses %j is refused whole", async (addresses) => {
  const guarded = fetcher({ resolve: async () => addresses });
  expect((await refusal(guarded.fetch(`http://mixed.test:${forbidden.port}/`, one))).code).toBe("denied");
  expect(reached).toBe(0);
});

test("a name that does not exist, a host that does not answer, and the next address of one that does", async () => {
  const mine = serve(() => new Response("here"));
  const gone = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  await gone.stop(true);
  const nowhere = fetcher({
    resolve: async () => {
      throw new Error("ENOTFOUND");
    },
  });
  expect((await refusal(nowhere.fetch("http://nowhere.test/", one))).message).toBe(
    'There is no host "nowhere.test".',
  );
  const refusing = fetcher({ allow: ["127.0.0.1"] });
  const fault = await refusal(refusing.fetch(`http://good.test:${gone.port}/`, one));
  expect(fault).toMatchObject({ code: "unreachable", message: expect.stringContaining("did not answer") });
  const second = fetcher({ allow: ["127.0.0.0/8"], resolve: async () => ["127.0.0.3", "127.0.0.1"] });
  expect((await second.fetch(`http://good.test:${mine.port}/`, one)).body).toBe("here");
});

test("the certificate must be of the name, and the name is asked for", async () => {
  const tls = { cert: CRT, key: readFileSync(join(DATA, "good.key"), "utf8") };
  const mine = serve((request) => new Response(request.headers.get("host")), { tls });
  const guarded = fetcher({ allow: [mine], ca: CRT });
  expect((await guarded.fetch(`https://good.test:${mine.port}/`, one)).body).toBe(`good.test:${mine.port}`);
  for (const name of ["evil.test", "127.0.0.1"])
    expect((await refusal(guarded.fetch(`https://${name}:${mine.port}/`, one))).code).toBe("unreachable");
  const strict = fetcher({ allow: [mine] });
  expect((await refusal(strict.fetch(`https://good.test:${mine.port}/`, one))).code).toBe("unreachable");
});

test("an answer has a size, also one that says another, that never ends, or that unpacks to more", async () => {
  const endless = new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(65_536)) });
  const bomb = Bun.gzipSync(new Uint8Array(32_000_000));
  const mine = serve((request) => {
    if (request.url.endsWith("/endless")) return new Response(endless);
    return new Response(bomb, { headers: { "content-encoding": "gzip" } });
  });
  const guarded = fetcher({ allow: [mine], limits: { hostGapMs: 0 } });
  const fault = await refusal(guarded.fetch(`http://good.test:${mine.port}/endless`, one));
  expect(fault.message).toBe(`http://good.test:${mine.port} answered with more than 3 MiB.`);
  const { body } = await guarded.fetch(`http://good.test:${mine.port}/bomb`, one);
  expect(body.length).toBeLessThan(bomb.length + 1);
});

test("an address has a time, whether it is silent before its headers or in its body", async () => {
  const stuck = Promise.withResolvers<Response>();
  const mine = serve((request) => {
    if (request.url.endsWith("/silent")) return stuck.promise;
    return new Response(new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(1)) }));
  });
  const guarded = fetcher({ allow: [mine], limits: { totalMs: 150, hostGapMs: 0 } });
  for (const path of ["silent", "slow"])
    expect((await refusal(guarded.fetch(`http://good.test:${mine.port}/${path}`, one))).message).toBe(
      `http://good.test:${mine.port} was not fetched within 150ms.`,
    );
  stuck.resolve(new Response());
});

test.each([
  ["nothing", "", "did not answer (ECONNRESET)."],
  ["no protocol", "garbage\r\n\r\n", "did not answer (ECONNRESET)."],
  ["less than it said", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "broke off (ECONNRESET)."],
])("a host that says %s is told as such", async (_, text, sentence) => {
  using broken = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        socket.write(text);
        socket.end();
      },
    },
  });
  const guarded = fetcher({ allow: [`127.0.0.1:${broken.port}`] });
  const fault = await refusal(guarded.fetch(`http://good.test:${broken.port}/`, one));
  expect([fault.code, fault.message]).toEqual(["unreachable", expect.stringContaining(sentence)]);
});

test("text is read as the answer says; a status that is no success is an answer", async () => {
  const mine = serve(
    () =>
      new Response(Uint8Array.of(0x4b, 0xf6, 0x6c, 0x6e), {
        status: 404,
        headers: { "content-type": "text/plain; charset=iso-8859-1" },
      }),
  );
  expect(await fetcher({ allow: [mine] }).fetch(`http://good.test:${mine.port}/`, one)).toEqual({
    status: 404,
    body: "Köln",
  });
});

test("one plugin has eight at once, and another is not hindered", async () => {
  const stuck = Promise.withResolvers<void>();
  const mine = serve(() => stuck.promise.then(() => new Response("x")));
  const guarded = fetcher({ allow: [mine], limits: { hostGapMs: 0, hostAtOnce: 100 } });
  const url = `http://good.test:${mine.port}/`;
  const under = Array.from({ length: FETCH_LIMITS.callerAtOnce }, () => guarded.fetch(url, one));
  expect(await refusal(guarded.fetch(url, one))).toMatchObject({ code: "exhausted", retryAfterMs: 1_000 });
  const other = guarded.fetch(url, { caller: "other" });
  stuck.resolve();
  expect((await other).body).toBe("x");
  await Promise.all(under);
  expect((await guarded.fetch(url, one)).body).toBe("x");
});

test("a host is asked three times a second, and four times at once; another host has its own", async () => {
  const env = new FakeEnv();
  const turns = new Turns(env, FETCH_LIMITS);
  const { signal } = new AbortController();
  const begun: string[] = [];
  const take = (host: string) =>
    turns.take(host, signal).then((release) => (begun.push(`${host} ${env.mono()}`), release));
  const startedAt = env.mono();
  const first = [1, 2, 3, 4, 5].map(() => take("a"));
  const other = take("b");
  await env.advance(10_000);
  expect(begun.map((line) => line.replace(/\d+$/, (at) => String(Number(at) - startedAt)))).toEqual([
    "a 0",
    "b 0",
    "a 333",
    "a 666",
    "a 999",
  ]);
  (await first[0])?.();
  await env.advance(0);
  expect(begun.length).toBe(6);
  for (const release of await Promise.all([...first.slice(1), other])) release();
});
