/** Peers, one job: how many can be added one after the other, and how soon one runs. */
import { BenchHome } from "../host.ts";
import { type Bench, type Line, median, quantile } from "../measure.ts";
import { measured } from "./child.ts";
import { installServers, versions } from "./place.ts";
import { against, failures, inRounds } from "./rounds.ts";

const ADD_MS = 1_000;
const JOBS = 75; // In each round.
const EVERY_MS = 20; // 50 a second.

/** The benchmark of one binary. */
export function peersSingleBench(binary: string): Bench {
  return {
    name: "peers-single",
    title: "Peers: one job",
    beside: "peer",
    asked: true,
    how:
      "One caller adds a job and waits until it is acknowledged, again and again for a second: ours by gRPC, out of a " +
      "plugin's process; theirs by a function, and those on SQLite without leaving the process. Then 50 jobs a second " +
      "are added to a queue that is idle: from the call to the first line of the handler. Polling is set to its " +
      "fastest where it is what finds a job. Three rounds, as above: the median of the rates, the quantiles of all " +
      "jobs. What each promises is said above.",
    run: () => run(binary),
  };
}

interface Figures {
  add: number;
  latencies: number[];
}

async function run(binary: string): Promise<Line[]> {
  installServers();
  const taken = await inRounds<Figures>({
    ours: () => ours(binary),
    theirs: async (peer) => ({
      ...(await measured(peer, "add", 0)),
      ...(await measured(peer, "latency", JOBS)),
    }),
  });
  const latency = (q: number) => (figures: readonly Figures[]) =>
    quantile(
      figures.flatMap(({ latencies }) => latencies),
      q,
    );
  return [
    ...against(taken, {
      what: "add",
      unit: "jobs/s",
      of: (figures) => median(figures.map(({ add }) => add)),
    }),
    ...against(taken, { what: "latency, p50", unit: "ms", of: latency(0.5) }),
    ...against(taken, { what: "latency, p99", unit: "ms", of: latency(0.99) }),
    ...failures(taken),
    ...versions(),
  ];
}

async function ours(binary: string): Promise<Figures> {
  await using home = new BenchHome(binary);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  await host.run("bench.pace", { count: 1, everyMs: EVERY_MS }); // The first is slow everywhere.
  await host.run("bench.pace", { count: JOBS, everyMs: EVERY_MS });
  const { latencies } = await host.run<{ latencies: number[] }>("bench.report");
  const add = await host.run<number>("bench.enqueue", { callers: 1, batch: 1, ms: ADD_MS });
  return { add, latencies };
}
