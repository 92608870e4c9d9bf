/** Cron: what it costs to ask when a schedule fires, and to refuse what cannot be one, whoever says it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cron } from "croner";
import { recurrence } from "../../internal/schedule/recurrence.ts";
import { BenchHome, type BenchHost } from "./host.ts";
import { type Bench, median, quantile, type Row } from "./measure.ts";

const COMMON = [
  "* * * * *",
  "*/5 * * * *",
  "0 * * * *",
  "30 2 * * *",
  "0 9 * * MON-FRI",
  "*/15 9-17 * * 1-5",
  "0 0 * * SUN",
  "0 0 1 * *",
  "0 0 1 1 *",
];
const ZONES = ["UTC", "Europe/Amsterdam", "America/New_York"];
const ASKED = 500; // Of each expression in each zone.
const YEARS_MS = 4 * 365 * 86_400_000;
const FROM = Date.UTC(2026, 0, 1);
const NEXT_MAX_US = 5;
const NEXT_WORST_MS = 10;

/** A fifth Sunday that is the 29th of February: from March 2088 on, forty years away. */
const RARE = "30 2 */28 2 SUN#5";
/** The rarest that all can read, eight years away. */
const LEAP_DAY = "30 2 29 2 *";

const CALLS = 50;
const PROCESSES = 9;
/** What is refused, and how long that may take beyond what the same way takes when it is answered. */
const REFUSED = [
  { what: "an hour of 24", text: "0 24 * * *", times: 1, limitMs: 5 },
  { what: "what never fires", text: "0 0 30 2 *", times: 1, limitMs: 50 },
  { what: "a megabyte", text: "1 ", times: 2 ** 19, limitMs: 5 },
];
const ARGUMENT_CHARS_MAX = 120_000; // Linux gives no more to a program in one word.

type Refused = (typeof REFUSED)[number];

function cronOf({ text, times }: Refused): string {
  return text.repeat(times);
}

/** The benchmark of one binary. */
export function cronBench(binary: string): Bench {
  return {
    name: "cron",
    title: "Cron",
    how:
      "When a schedule fires next: nine common expressions in three zones, at random instants of four years, each " +
      "question with the plan made anew from the stored text, as the host does. `Bun.cron.parse` and croner are asked " +
      "the same in turn; croner with a `Cron` that was made before. The slowest is the first question about a date " +
      "forty years away in each zone of the database; its floor is the slowest that `Bun.cron.parse` needs for the " +
      "next leap day behind 2100. What is refused is refused over each way in, as a whole: a request to the socket, a " +
      "call of a plugin to `HostService`, a command line and a check of `qntx.toml` from the start of the process to " +
      "its end. The floor of each is the same way when it is answered: a schedule is shown, a file is right. What " +
      "must hold is that floor and 5 ms more, or 50 for what never fires. A command line takes no more than 120,000 " +
      "characters.",
    run: async () => [...nextRows(), ...(await refusalRows(binary))],
  };
}

function nextRows(): Row[] {
  const [ours, bun, croner] = commonTimes();
  const floor = quantile(bun, 0.5);
  const floorIs = "`Bun.cron.parse`";
  const [rare, leap] = slowestMs();
  return [
    { what: "next, p50", value: quantile(ours, 0.5), unit: "µs", floor, floorIs, target: NEXT_MAX_US },
    { what: "next, p99", value: quantile(ours, 0.99), unit: "µs", floor: quantile(bun, 0.99), floorIs },
    { what: "croner, p50", value: quantile(croner, 0.5), unit: "µs", floor, floorIs },
    {
      what: "next, the slowest of all zones",
      value: rare,
      unit: "ms",
      floor: leap,
      floorIs: "`Bun.cron.parse`",
      target: NEXT_WORST_MS,
    },
  ];
}

/** Microseconds of each question: ours, Bun's, croner's. A first round warms them up. */
function commonTimes(): [number[], number[], number[]] {
  const pairs = COMMON.flatMap((cron) => ZONES.map((zone) => ({ cron, zone })));
  const round = () => {
    const times: [number[], number[], number[]] = [[], [], []];
    for (const { cron, zone } of pairs) {
      const croner = new Cron(cron, { timezone: zone, paused: true });
      for (let i = 0; i < ASKED; i++) {
        const at = FROM + Math.floor(Math.random() * YEARS_MS);
        const date = new Date(at);
        times[0].push(microseconds(() => plan(cron, zone).next(at)));
        times[1].push(microseconds(() => Bun.cron.parse(cron, at, { tz: zone })));
        times[2].push(microseconds(() => croner.nextRun(date)));
      }
    }
    return times;
  };
  round();
  return round();
}

/** The slowest first question of all zones in milliseconds: ours and Bun's. */
function slowestMs(): [number, number] {
  const zones = Intl.supportedValuesOf("timeZone").filter((zone) => !ZONES.includes(zone));
  const ours = zones.map((zone) => microseconds(() => plan(RARE, zone).next(Date.UTC(2088, 2, 1))));
  const bun = zones.map((tz) => microseconds(() => Bun.cron.parse(LEAP_DAY, Date.UTC(2096, 2, 1), { tz })));
  return [Math.max(...ours) / 1_000, Math.max(...bun) / 1_000];
}

function plan(cron: string, timezone: string) {
  const spec = { kind: "cron" as const, cron: [cron] };
  return recurrence({ spec, timezone, anchor: 0, dstGap: "run-after", dstFold: "first" });
}

function microseconds(work: () => unknown): number {
  const startedAt = Bun.nanoseconds();
  work();
  return (Bun.nanoseconds() - startedAt) / 1_000;
}

/** One way in: how long it takes to be refused, and to be answered. */
interface Way {
  name: string;
  floorIs: string;
  refusedMs: (refused: Refused) => Promise<number>;
  answeredMs: () => Promise<number>;
}

/** Measures how long refusals take over every way in, beside what is answered there. */
export async function refusalRows(
  binary: string,
  { calls = CALLS, processes = PROCESSES } = {},
): Promise<Row[]> {
  await using home = new BenchHome(binary);
  await using other = new BenchHome(binary);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  await host.call("schedule.create", { name: "there", handler: "bench.noop", cron: "@daily" });
  const rows: Row[] = [];
  for (const way of [
    overSocket(host, calls),
    overGrpc(host, calls),
    overCommandLine(home, processes),
    overFile(other, processes),
  ]) {
    const floor = await way.answeredMs();
    for (const refused of REFUSED) {
      const what = `${refused.what}, ${way.name}`;
      const value = await way.refusedMs(refused);
      const target = floor + refused.limitMs;
      rows.push({ what, value, unit: "ms", floor, floorIs: way.floorIs, target });
    }
  }
  return rows;
}

function overSocket(host: BenchHost, calls: number): Way {
  const timed = async (expected: RegExp, operation: string, input: object) => {
    const times: number[] = [];
    for (let i = 0; i < calls; i++) {
      const startedAt = performance.now();
      const answer = await host.call(operation, input).then(JSON.stringify, String);
      times.push(performance.now() - startedAt);
      if (!expected.test(answer)) throw new Error(`${operation} was answered: ${answer.slice(0, 500)}`);
    }
    return median(times);
  };
  return {
    name: "socket",
    floorIs: "`schedule show`",
    refusedMs: (refused) =>
      timed(/answered 400/, "schedule.create", { handler: "bench.noop", cron: cronOf(refused) }),
    answeredMs: () => timed(/bench\.noop/, "schedule.show", { id: "there" }),
  };
}

function overGrpc(host: BenchHost, calls: number): Way {
  return {
    name: "gRPC",
    floorIs: "`GetSchedule`",
    refusedMs: async ({ text, times }) =>
      median(await host.run<number[]>("bench.refused", { text, times, calls })),
    answeredMs: async () => median(await host.run<number[]>("bench.shown", { calls })),
  };
}

function overCommandLine(home: BenchHome, processes: number): Way {
  const create = ["schedule", "create", "x", "--handler", "bench.noop", "--cron"];
  return {
    name: "command line",
    floorIs: "`schedule show`",
    refusedMs: async (refused) =>
      processMs(home, [...create, cronOf(refused).slice(0, ARGUMENT_CHARS_MAX)], 2, processes),
    answeredMs: async () => processMs(home, ["schedule", "show", "there"], 0, processes),
  };
}

function overFile(home: BenchHome, processes: number): Way {
  const checkMs = (cron: string, code: number) => {
    const lines = ["[[schedule]]", 'id = "x"', 'handler = "bench.noop"', `cron = "${cron}"`, ""];
    writeFileSync(join(home.path, "qntx.toml"), lines.join("\n"));
    return processMs(home, ["config", "check"], code, processes);
  };
  return {
    name: "qntx.toml",
    floorIs: "`config check`",
    refusedMs: async (refused) => checkMs(cronOf(refused), 3),
    answeredMs: async () => checkMs("@daily", 0),
  };
}

/** Milliseconds of a command from its start to its end, which must be the one that is expected. */
function processMs(home: BenchHome, words: readonly string[], code: number, times: number): number {
  return median(
    Array.from({ length: times }, () => {
      const startedAt = performance.now();
      const { exitCode, stderr } = Bun.spawnSync([home.binary, ...words], { env: home.vars, stderr: "pipe" });
      if (exitCode !== code)
        throw new Error(`${words.slice(0, 3).join(" ")} ended with ${exitCode}: ${stderr}`);
      return performance.now() - startedAt;
    }),
  );
}
