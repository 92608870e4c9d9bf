import { afterAll, describe, expect, test } from "bun:test";
import { PermanentError, RetryAfterError } from "../../../sdk/typescript/qntx.ts";
import { MemoryHost, memoryJob } from "../memory-host.ts";
import { download, retryAfterMs } from "./download.ts";
import { poll } from "./poll-job.ts";

type Answer = (request: Request) => Response | Promise<Response>;

const servers: Bun.Server<undefined>[] = [];
afterAll(() => Promise.all(servers.map((server) => server.stop(true))));

/** Serves on a port of its own and answers its address. */
function serve(answer: Answer): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  servers.push(server);
  return `http://127.0.0.1:${server.port}/`;
}

const MAPPING = { items: "$.items[*]", subject: "$.id", attributes: { price: "$.price" } };
const run = (host: MemoryHost, payload: object) => poll(memoryJob(host, payload));
const failure = (url: string) => run(new MemoryHost(), { url }).catch((error) => error);

describe("a poll", () => {
  test("writes what has changed, and only that", async () => {
    let items: object[] = [
      { id: "a", price: 1 },
      { id: "b", price: 2 },
    ];
    const url = serve(() => Response.json({ items }));
    const host = new MemoryHost();
    const counts = async () => {
      const { items, written, unchanged, status } = await run(host, { url, mapping: MAPPING });
      return [items, written, unchanged, status];
    };
    expect(await counts()).toEqual([2, 2, 0, 200]);
    expect(await counts()).toEqual([2, 0, 2, 200]);
    items = [{ id: "a", price: 1, more: "not mapped" }, { id: "b", price: 3 }, { id: "c" }];
    expect(await counts()).toEqual([3, 2, 1, 200]);
    items = [{ id: "b", price: 2 }];
    expect(await counts()).toEqual([1, 1, 0, 200]);
    expect(host.ats.rows.map(({ subjects, attributes }) => [subjects[0], attributes["price"]])).toEqual([
      ["a", 1],
      ["b", 2],
      ["b", 3],
      ["c", null],
      ["b", 2],
    ]);
  });

  test("without a mapping keeps the document under its address", async () => {
    const url = serve(() => Response.json([1, { two: 3 }]));
    const host = new MemoryHost();
    expect(await run(host, { url })).toEqual({ items: 1, written: 1, unchanged: 0, status: 200 });
    expect(await run(host, { url })).toMatchObject({ written: 0, unchanged: 1 });
    expect(host.ats.rows).toMatchObject([
      { subjects: [url], predicates: ["document"], attributes: { value: [1, { two: 3 }] } },
    ]);
  });

  test("does not see what another poll wrote about the same subject", async () => {
    const url = serve(() => Response.json({ items: [{ id: "a", price: 1 }] }));
    const host = new MemoryHost();
    await run(host, { url, mapping: MAPPING });
    expect(await run(host, { url, mapping: MAPPING, name: "other" })).toMatchObject({ written: 1 });
  });

  test("takes the last of two items with one subject, and stays with it", async () => {
    const url = serve(() =>
      Response.json({ items: [{ id: "a", price: 1 }, { id: "a", price: 2 }, { price: 3 }] }),
    );
    const host = new MemoryHost();
    const job = memoryJob(host, { url, mapping: MAPPING });
    expect(await poll(job)).toMatchObject({ items: 1, written: 1 });
    expect(job.lines.join("\n")).toContain('without a subject are left out {"count":1}');
    expect(job.lines.join("\n")).toContain('of a later one are left out {"count":1}');
    expect(await run(host, { url, mapping: MAPPING })).toMatchObject({ written: 0, unchanged: 1 });
    expect(host.ats.rows.map(({ attributes }) => attributes["price"])).toEqual([2]);
  });

  test("of a thousand items writes them in batches and continues where it broke", async () => {
    const items = Array.from({ length: 1_000 }, (_, id) => ({ id, price: id }));
    const url = serve(() => Response.json({ items }));
    const host = new MemoryHost();
    let writes = 0;
    host.ats.beforeWrite = () => {
      if (++writes === 3) throw new Error("the host went away");
    };
    await expect(run(host, { url, mapping: MAPPING })).rejects.toThrow("the host went away");
    expect(await run(host, { url, mapping: MAPPING })).toMatchObject({ written: 600, unchanged: 400 });
    expect(writes).toBe(6);
  });

  test("sends its headers, and keeps them from other origins", async () => {
    const seen: (string | null)[] = [];
    const note: Answer = (request) => {
      seen.push(request.headers.get("x-key"));
      return Response.json({});
    };
    const other = serve(note);
    const away = serve((request) => {
      note(request);
      return Response.redirect(other, 302);
    });
    await run(new MemoryHost(), { url: away, headers: { "X-Key": "secret" } });
    expect(seen).toEqual(["secret", null]);
  });

  const subjectless = () => Response.json({ items: [{ price: 1 }] });
  test("whose items have no subject at all fails for good", async () => {
    await expect(run(new MemoryHost(), { url: serve(subjectless), mapping: MAPPING })).rejects.toThrow(
      /^mapping\.subject: none of the 1 items/,
    );
  });

  test("whose payload is no poll fails for good and names the field", async () => {
    const failed = await run(new MemoryHost(), { url: "ftp://example.org" }).catch((error) => error);
    expect(failed).toBeInstanceOf(PermanentError);
    expect(failed.message).toBe("url: must start with http:// or https://.");
  });
});

describe("an answer that is no document", () => {
  const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
  const retry = { headers: { "retry-after": "7" } };
  const cases: [string, Answer, string, RegExp][] = [
    ["500", () => new Response("", { status: 500 }), "Error", /answered 500\.$/],
    [
      "503 with Retry-After",
      () => new Response("", { status: 503, ...retry }),
      "RetryAfterError",
      /answered 503/,
    ],
    ["404", () => new Response("", { status: 404 }), "PermanentError", /answered 404\. Delete the poll/],
    ["410", () => new Response("", { status: 410 }), "PermanentError", /answered 410/],
    ["304", () => new Response(null, { status: 304 }), "Error", /answered 304/],
    ["HTML", () => new Response("<p>"), "Error", /did not answer JSON/],
    ["nothing", () => new Response(null, { status: 204 }), "Error", /did not answer JSON/],
    ["more than 5 MiB", () => new Response("x".repeat(5_242_881)), "PermanentError", /more than 5 MiB/],
    ["a bomb", () => bomb(), "PermanentError", /more than 5 MiB/],
    ["a document deeper than a stack", () => new Response(deep), "PermanentError", /nested deeper than 100/],
    [
      "a large one",
      () => Response.json("x".repeat(300_000)),
      "PermanentError",
      /more than 262144 characters/,
    ],
    [
      "itself",
      (request) => Response.redirect(request.url, 302),
      "PermanentError",
      /redirects more than 3 times/,
    ],
    ["a file", () => redirect("file:///etc/passwd"), "PermanentError", /which must start with http/],
    ["a login", () => redirect("http://a:b@example.org/"), "PermanentError", /which carries a login/],
  ];
  test.each(cases)("%s", async (_, answer, name, sentence) => {
    const failed = await failure(serve(answer));
    expect([failed.name, failed.message]).toEqual([name, expect.stringMatching(sentence)]);
  });

  test("says when to come again", async () => {
    const failed = await failure(serve(() => new Response("", { status: 429, ...retry })));
    expect(failed).toBeInstanceOf(RetryAfterError);
    expect(failed.afterMs).toBe(7_000);
  });

  test("from nobody says so", async () => {
    const failed = await failure("http://127.0.0.1:1/");
    expect(failed.message).toMatch(/^http:\/\/127\.0\.0\.1:1\/ could not be reached/);
  });

  const silent = () => serve(() => new Promise<Response>(() => {}));
  test("that does not come ends at the time limit", async () => {
    const request = { url: silent(), headers: {}, signal: new AbortController().signal, timeoutMs: 20 };
    await expect(download(request)).rejects.toThrow(/did not answer within 20 ms/);
  });

  test("that a cancelled job waits for ends with the job", async () => {
    const cancel = new AbortController();
    const reached = Promise.withResolvers<void>();
    const url = serve(() => {
      reached.resolve();
      return new Promise<Response>(() => {});
    });
    const polled = poll(memoryJob(new MemoryHost(), { url }, { signal: cancel.signal }));
    await reached.promise;
    cancel.abort(new Error("cancelled"));
    await expect(polled).rejects.toThrow("cancelled");
  });

  const dates: [string | null, string | null, number | undefined][] = [
    [null, null, undefined],
    ["0", null, 1_000],
    ["120", null, 120_000],
    ["99999999", null, 86_400_000],
    ["soon", null, undefined],
    ["Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 30_000],
    ["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:30 GMT", 1_000],
    ["Wed, 21 Oct 2026 07:28:30 GMT", null, undefined],
  ];
  test.each(dates)("Retry-After %p at %p", (retryAfter, date, ms) => {
    expect(retryAfterMs(retryAfter, date)).toBe(ms);
  });
});

function bomb(): Response {
  const zeros = Bun.gzipSync(new Uint8Array(50_000_000));
  return new Response(zeros, { headers: { "content-encoding": "gzip" } });
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } });
}
