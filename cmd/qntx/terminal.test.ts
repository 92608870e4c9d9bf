/**
 * Terminal: what a person sees where a program would see instants and whole ids.
 * All of it in this process, in a world that stands still at the start of 2030,
 * and on data folders of its own without a host.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realEnv } from "../../internal/base/env.ts";
import { completionLines } from "./completion.ts";
import { run } from "./run.ts";
import { tree } from "./tree.ts";
import { NOW, testWorld, type TestWorld } from "./world-for-tests.ts";

let folder = "";
let homes = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qntx-terminal-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A data folder that nothing was done in yet. */
function newHome(): string {
  return join(folder, String(homes++));
}

/** Types one line; gives what was printed, with the ends of ids replaced. */
async function type(
  home: string,
  line: string,
  given: Parameters<typeof testWorld>[0] = {},
): Promise<string> {
  const words = line.match(/'[^']*'|\S+/g) ?? [];
  const argv = ["--home", home, "--no-color", ...words.map((word) => word.replaceAll("'", ""))];
  const world = testWorld({ argv, terminal: true, columns: 120, ...given });
  await run(tree, world);
  return scrubbed(world.printed.stdout + world.printed.stderr);
}

function scrubbed(text: string): string {
  return text
    .replace(/\b[A-Z]{2}_[0-9A-Z]{26}\b/g, "<id>")
    .replace(/^(?!SCHEDULE)[0-9A-Z]{8}(?= )/gm, "<end-id>");
}

test("schedules are listed with the ends of their ids, in words, and relative to now", async () => {
  const home = newHome();
  await type(home, "schedule create poll --handler python.poll --every 5m");
  await type(
    home,
    "schedule create report --handler python.report --cron '0 9 1 * MON' --tz Europe/Amsterdam",
  );
  await type(home, "schedule create launch --handler python.launch --at 2031-01-31T09:00:00Z");
  const [titles, ...rows] = (await type(home, "schedule list")).trimEnd().split("\n");
  expect(titles).toBe("ID        NAME    STATE   HANDLER        NEXT        WHEN");
  // Made in one instant of a clock that stands still, they have no order.
  expect(rows.toSorted()).toEqual([
    "<end-id>  launch  active  python.launch  2031-01-31  Once, at 2031-01-31 09:00, UTC",
    "<end-id>  poll    active  python.poll    in 5 min    Every 5 minutes",
    "<end-id>  report  active  python.report  in 8 h      At 09:00, on day 1 of the month or on Monday, Europe/Amsterdam",
  ]);
  expect(await type(home, "schedule pause poll --note 'it is late'")).toBe("Schedule poll is paused.\n");
  expect(await type(home, "schedule show poll")).toContain("paused    now, by person:operator: it is late\n");
  expect(await type(home, "schedule resume poll")).toBe("Schedule poll is active. It runs next in 5 min.\n");
});

test("what others wrote does not drive the terminal", async () => {
  const home = newHome();
  const evil = "a\x1b[2Jb\x07\x9bc";
  await type(home, `schedule create poll --handler python.poll --every 5m --paused --note '${evil}'`);
  expect(await type(home, "schedule show poll")).toContain("person:operator: a [2Jb  c\n");
  expect(await type(home, "schedule show poll", { terminal: false })).toContain(evil);
});

test("what would fire is shown with the clock on the wall there, and how long until then", async () => {
  const line = "schedule next --cron '30 2 * * *' --tz Europe/Amsterdam --from 2030-03-30T12:00:00Z -n 2";
  expect(await type(newHome(), line)).toBe(
    `INSTANT                   EUROPE/AMSTERDAM     FROM NOW
2030-03-31T01:00:00.000Z  2030-03-31 03:00:00  2030-03-31
2030-04-01T00:30:00.000Z  2030-04-01 02:30:00  2030-04-01
`,
  );
});

test("a job can be named by the end of its id, as the list shows it", async () => {
  const home = newHome();
  await type(home, "job enqueue python.report --payload '{\"month\":1}'");
  const list = testWorld({ argv: ["--home", home, "job", "list"], terminal: true });
  await run(tree, list);
  const [, row = ""] = list.printed.stdout.split("\n");
  const [end = ""] = row.split(" ");
  expect(end).toHaveLength(8);
  expect(await type(home, `job show ${end}`)).toBe(
    `id       <id>
state    queued: no host is running
handler  python.report
attempt  0 of 3
payload  {
           "month": 1
         }
trigger  enqueue
created  now (2030-01-01T00:00:00.000Z)
from     operator:operator
owner    person:operator
`,
  );
});

test("status is one screen", async () => {
  const home = newHome();
  await type(home, "schedule create poll --handler python.poll --every 5m");
  await type(home, "job enqueue python.poll --id first");
  expect(await type(home, "status")).toBe(
    `host       not running
home       ${home}
jobs       1 queued
schedules  1 active

Waiting
HANDLER      JOBS  WHY
python.poll  1     no host is running

Next
SCHEDULE  WHEN
poll      in 5 min

Recent jobs
ID     HANDLER      STATE   CREATED  FINISHED
first  python.poll  queued  now      -
`,
  );
});

/** Runs `status --watch` until Ctrl-C; `turns` are done one by one where it would wait for a second. */
async function watch(home: string, turns: readonly (() => Promise<unknown>)[], given: object) {
  const quit = new AbortController();
  const left = [...turns];
  const env = {
    ...realEnv,
    now: () => NOW,
    after(delayMs: number, work: () => void) {
      if (delayMs !== 1_000) return realEnv.after(delayMs, work);
      const turn = left.shift();
      void (turn?.() ?? Promise.resolve()).then(() => {
        if (left.length === 0) quit.abort();
        work();
      });
      return () => {};
    },
  };
  const world: TestWorld = {
    ...testWorld({ argv: ["--home", home, "status", "--watch"], env, ...given }),
    quit: () => ({ quit: quit.signal, hurry: quit.signal }),
  };
  return { code: await run(tree, world), printed: world.printed.stdout };
}

test("status --watch draws the screen again every second, until Ctrl-C", async () => {
  const nothing = async () => {};
  const home = newHome();
  mkdirSync(home);
  const { code, printed } = await watch(home, [nothing, nothing, nothing], { terminal: true });
  expect(printed.split("\x1b[H\x1b[J").slice(1)).toHaveLength(3);
  expect(code).toBe(130);
});

test("status --watch --json prints a line when something has changed, and none when nothing has", async () => {
  const home = newHome();
  mkdirSync(home);
  const enqueue = () => type(home, "job enqueue python.poll --id first");
  const nothing = async () => {};
  const argv = ["--home", home, "--json", "status", "--watch"];
  const { printed } = await watch(home, [nothing, enqueue, nothing, nothing], { argv });
  const counts = printed
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line).jobs.queued);
  expect(counts).toEqual([0, 1]);
});

test("whoever only looks makes no data folder where somebody may have mistyped its name", async () => {
  const home = newHome();
  const said = `qntx: There is no data folder ${home}.\n      Is the path right? `;
  for (const line of ["schedule list", "job show x", "doctor", "status", "schedule simulate --all"])
    expect(await type(home, line)).toStartWith(said);
  expect(existsSync(home)).toBe(false);
  await type(home, "job enqueue python.poll --id first");
  expect(await type(home, "job list")).toContain("first");
});

test("what is destroyed without --yes is asked about, and nobody is there to answer in a pipe", async () => {
  const home = newHome();
  await type(home, "handler create hello --code print(1)");
  expect(await type(home, "handler delete hello", { terminal: false })).toBe(
    "qntx: Delete the handler hello? There is nobody here to ask.\n      Add --yes to go ahead.\n",
  );
});

/** What Tab offers, with all the time that it takes: the limit is another test's. */
async function offered(home: string, line: string): Promise<string[]> {
  const patient = { ...realEnv, now: () => NOW, after: () => () => {} };
  return completionLines(tree, testWorld({ env: patient }), "fish", ["--home", home, ...line.split(" ")]);
}

test("Tab offers the names of what is there", async () => {
  const home = newHome();
  await type(home, "schedule create nightly --handler python.clean --every 1h");
  await type(home, "schedule create weekly --handler python.clean --cron @weekly");
  await type(home, "handler create clean --code print(1)");
  await type(home, "job enqueue python.clean --id first");
  // line, what is offered
  const offers: readonly (readonly [string, readonly string[]])[] = [
    ["schedule pause ", ["nightly\tactive, runs python.clean", "weekly\tactive, runs python.clean"]],
    ["schedule run we", ["weekly\tactive, runs python.clean"]],
    ["schedule create x --handler p", ["python.clean\tsaved script"]],
    ["schedule create x --tz Europe/Ams", ["Europe/Amsterdam\t"]],
    ["schedule list --state pa", ["paused\t"]],
    ["job show ", ["first\tqueued, python.clean"]],
    ["run list --schedule n", ["nightly\tactive, runs python.clean"]],
    ["handler show ", ["python.clean\tsaved script (py)"]],
    ["handler create --file ", [":files"]],
    ["plugin restart ", []],
  ];
  for (const [line, words] of offers) expect((await offered(home, line)).toSorted()).toEqual([...words]);
});

test("Tab makes no data folder", async () => {
  const home = newHome();
  expect(await offered(home, "schedule pause ")).toEqual([]);
  expect(existsSync(home)).toBe(false);
});

test("why a plugin is in its state stands whole below the table, where a column would be cut", async () => {
  const plugin = {
    state: "ready",
    pid: 7,
    version: "1.0.0",
    running: 0,
    handlers: ["a.b"],
    reason: "",
    hint: "",
  };
  const reason = `It ended: ${"and said more than a line holds, ".repeat(5)}at last.`;
  const hint = "Start it again with: qntx plugin restart bad";
  const plugins = [
    { ...plugin, name: "good" },
    { ...plugin, name: "bad", state: "quarantined", pid: null, reason, hint },
  ];
  using host = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ plugins }) });
  const line = `plugin list --server http://127.0.0.1:${host.port}`;
  const vars = { QNTX_TOKEN: "t" };
  expect(await type(newHome(), line, { columns: 60, vars })).toBe(
    "NAME  STATE        PID  VERSION  RUNNING  HANDLERS\n" +
      "good  ready        7    1.0.0    0        1\n" +
      `bad   quarantined  -    1.0.0    0        1\n\nbad: ${reason} ${hint}\n`,
  );
  const piped = await type(newHome(), line, { terminal: false, vars });
  expect(piped.split("\n")[2]).toEndWith(`${reason} ${hint}`);
});
