/** Peers, many jobs: how fast they are added in batches and drained, ours across a process border and theirs within one. */
import { drain, preloaded } from "../drain.ts";
import { BenchHome } from "../host.ts";
import { type Bench, type Line, median, type Row } from "../measure.ts";
import { measured } from "./child.ts";
import { promises } from "./list.ts";
import { installServers, versions } from "./place.ts";
import { against, failures, inRounds } from "./rounds.ts";

const JOBS = 100_000;
const BATCH_JOBS = 1_000;
const BATCHES_MS = 1_000;
const FAR = 1 / 2; // Of the best.
const BEST_TIMES = 1.5;
const DRAIN_MIN = 50_000;

/** The benchmark of one binary. */
export function peersBench(binary: string): Bench {
  return {
    name: "peers",
    title: "Peers: many jobs",
    beside: "peer",
    asked: true,
    how:
      "100,000 no-op jobs that wait are drained: jobs per second between the first start and the last end. Ours run " +
      "in the process of a plugin, by the stream, and each end is on disk; theirs are functions in the process of the " +
      "worker, and each is done when it was entered. Each peer runs in its fastest recommended configuration, under " +
      "Node or Bun, whichever is faster; PostgreSQL and Redis are this system's, private, and started anew for each. " +
      "Batches are of 1,000 jobs; ours are enqueued by gRPC. In each of three rounds ours and all peers have their " +
      "turn, and the median counts; who is below half of the best in the first is in no other, and nobody is " +
      "drained for longer than six seconds. No install script is run: what needs native code of its own is not there." +
      "\n\nThey do not promise the same. What each may lose of what it has acknowledged:",
    legend: promises(),
    run: () => run(binary),
  };
}

interface Figures {
  batch: number;
  drain: number;
}

async function run(binary: string): Promise<Line[]> {
  installServers();
  const jobs = await preloaded(binary, { handler: "bench.noop", count: JOBS });
  await using _home = jobs.home;
  const taken = await inRounds<Figures>({
    ours: async () => ({
      batch: await batches(binary),
      drain: await drain(jobs, { plugin: "bench", count: JOBS }),
    }),
    theirs: (peer) => measured(peer, "drain", JOBS),
    far: (first, all) => first.drain < FAR * Math.max(...all.map((figures) => figures.drain)),
  });
  const middle = (key: keyof Figures) => (figures: readonly Figures[]) =>
    median(figures.map((one) => one[key]));
  const drains = { what: "drain", unit: "jobs/s", of: middle("drain") } as const;
  const queues = { ...taken, peers: taken.peers.filter(({ peer }) => !peer.bare) };
  return [
    theBest(against(queues, drains)),
    ...against(taken, drains),
    ...against(taken, { what: "batches", unit: "jobs/s", of: middle("batch") }),
    ...failures(taken),
    ...versions(),
  ];
}

/** The row of the fastest peer, and what must hold against it. */
export function theBest(drains: readonly Row[]): Row {
  const [best] = drains.toSorted((a, b) => b.floor - a.floor);
  if (!best) throw new Error("No peer could be measured.");
  const { value, unit, floor, floorIs } = best;
  const target = Math.max(DRAIN_MIN, BEST_TIMES * floor);
  return { what: best.what.replace("drain", "drain, the best"), value, unit, floor, floorIs, target };
}

/** Jobs a second that a plugin enqueues in batches. */
async function batches(binary: string): Promise<number> {
  await using home = new BenchHome(binary);
  home.configure({ plugins: ["bench"] });
  const host = await home.start();
  await host.said("jobs run");
  return await host.run<number>("bench.enqueue", { callers: 1, batch: BATCH_JOBS, ms: BATCHES_MS });
}
