/** What the plugin makes of code: saved handlers, webhooks, rows of CSV. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BOUND_MS, Fixture, HANDLER, resultOf } from "./testdata/fixture.ts";

describe("saved handlers", () => {
  test(
    "those that exist are announced, the newest version of each, and run",
    async () => {
      const python = new Fixture();
      await python.ats.save("double", "def handler(job): return 0");
      await python.ats.save("double", "def handler(job): return job.payload * 2");
      await python.ats.save("gone", "result = 1");
      await python.ats.remove("gone");
      await python.ats.save("script", "result = 'not allowed'");
      await python.ats.save("a b", "result = 'not allowed'");
      await using _ = await python.start();

      const { handlerNames } = await python.driver.initialize();
      expect(handlerNames.sort()).toEqual(["python.csv", "python.double", "python.script", "python.webhook"]);
      expect(resultOf(await python.driver.run("python.double", 21))).toBe(42);
    },
    BOUND_MS,
  );

  test(
    "a new one, a changed one and a removed one are live without a restart",
    async () => {
      await using python = await new Fixture().start();
      const stream = await python.driver.open();
      const announced = () =>
        stream.messages
          .findLast((message) => message.handlersChanged)
          ?.handlersChanged?.handlers.map(({ name }) => name) ?? [];

      await python.ats.save("late", "result = 'first'");
      await stream.until(() => announced().includes("python.late"));
      expect(resultOf(await stream.finished(stream.start("python.late")))).toBe("first");

      const before = stream.messages.length;
      await python.ats.save("late", "result = 'second'");
      await stream.until(() => stream.messages.slice(before).some((message) => message.handlersChanged));
      expect(resultOf(await stream.finished(stream.start("python.late")))).toBe("second");

      await python.ats.remove("late");
      await stream.until(() => !announced().includes("python.late"));
      expect((await stream.finished(stream.start("python.late"))).error?.kind).toBe("unknown-handler");
      stream.end();
    },
    BOUND_MS,
  );

  test(
    "one saved while the stream did not stand yet is found a second later",
    async () => {
      await using python = await new Fixture().start();
      await python.ats.memory.create({
        subjects: ["silent"],
        ...HANDLER,
        attributes: { code: "result = 1" },
      });
      const stream = await python.driver.open();
      await stream.until(() =>
        stream.messages.some(({ handlersChanged }) =>
          handlersChanged?.handlers.some(({ name }) => name === "python.silent"),
        ),
      );
      stream.end();
    },
    BOUND_MS,
  );
});

describe("python.webhook", () => {
  test(
    "a POST becomes a job, and the job finds the request",
    async () => {
      const python = new Fixture();
      await python.ats.save(
        "hook",
        "p = job.payload\nresult = [p['method'], p['path'], p['query'], p['body'], p['headers']['x-a']]",
      );
      await using _ = await python.start();
      const headers = { "content-type": "application/json", "x-a": "b", "idempotency-key": "k" };
      expect(await python.post("/hook?q=1", '{"n":1}', headers)).toEqual({
        status: 202,
        body: { job: "JB_7" },
      });

      const [handler, input, options] = python.enqueued[0] ?? [];
      expect([handler, options]).toEqual(["python.webhook", { uniqueKey: "hook k" }]);
      expect(resultOf(await python.driver.run("python.webhook", input))).toEqual([
        "POST",
        "/hook",
        { q: "1" },
        { n: 1 },
        "b",
      ]);
    },
    BOUND_MS,
  );

  test(
    "a name that nobody saved is a 404, and a job for it fails for good",
    async () => {
      await using python = await new Fixture().start();
      expect(await python.post("/nobody", "")).toEqual({
        status: 404,
        body: { error: 'There is no saved handler "nobody".' },
      });
      expect((await python.driver.run("python.webhook", { handler: "nobody" })).error).toMatchObject({
        message: 'There is no saved handler "nobody". Save one with: qntx handler create.',
        permanent: true,
      });
    },
    BOUND_MS,
  );
});

describe("python.csv", () => {
  let python: Fixture;
  beforeAll(async () => {
    python = new Fixture();
    await python.ats.save("price", "def row(row): return float(row['price'])");
    await python.ats.save("whole", "def handler(job): return job.payload['a']");
    await python.start();
  }, BOUND_MS);
  afterAll(() => python[Symbol.asyncDispose]());

  const text = 'name,price\nté,1.5\n"b, c",2\n';
  const results: [string, object, unknown][] = [
    ["a saved row(row)", { text, handler: "price" }, { rows: 2, returned: 2, results: [1.5, 2] }],
    [
      "a saved handler(job), with the row as its payload",
      { text: "a\n1\n", handler: "whole" },
      { rows: 1, returned: 1, results: ["1"] },
    ],
    [
      "an inline row(row)",
      { text, code: "def row(row): return row['name']" },
      { rows: 2, returned: 2, results: ["té", "b, c"] },
    ],
    [
      "another delimiter, and columns given",
      { text: "1;2\n", columns: ["x", "y"], delimiter: ";", code: "def row(row): return row" },
      { rows: 1, returned: 1, results: [{ x: "1", y: "2" }] },
    ],
    ["nothing returned", { text, code: "def row(row): pass" }, { rows: 2, returned: 0, results: [] }],
    ["no rows", { text: "a,b\n", code: "def row(row): pass" }, { rows: 0, returned: 0, results: [] }],
  ];
  test.each(results)(
    "%s",
    async (_name, payload, expected) => {
      expect(resultOf(await python.driver.run("python.csv", payload))).toEqual(expected);
    },
    BOUND_MS,
  );

  test(
    "a file is read row by row, with progress",
    async () => {
      const file = join(python.folder, "rows.csv");
      writeFileSync(file, `\ufeffn\n${Array.from({ length: 3000 }, (_, n) => n).join("\n")}\n`);
      const stream = await python.driver.open();
      const job = stream.start("python.csv", { file, code: "def row(row): return int(row['n'])" });
      const result = resultOf(await stream.finished(job));
      expect(result).toMatchObject({ rows: 3000, returned: 3000 });
      expect(stream.progress.at(-1)).toMatchObject({ current: 3000, total: 3000 });
      stream.end();
    },
    BOUND_MS,
  );

  const failures: [string, object, object][] = [
    [
      "names the row and its line",
      { text: "price\n1\nx\n", handler: "price" },
      { message: "row 2 (line 3): ValueError: could not convert string to float: 'x'", kind: "ValueError" },
    ],
    [
      "needs a function",
      { text, code: "x = 1" },
      { message: "The code of a python.csv job has to define row(row) or handler(job).", permanent: true },
    ],
    [
      "needs rows",
      { code: "def row(row): pass" },
      { message: "payload: give exactly one of text, file.", permanent: true },
    ],
    ["needs code", { text }, { message: "payload: give exactly one of code, content, handler." }],
  ];
  test.each(failures)(
    "%s",
    async (_name, payload, expected) => {
      expect((await python.driver.run("python.csv", payload)).error).toMatchObject(expected);
    },
    BOUND_MS,
  );
});
