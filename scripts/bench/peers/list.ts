/**
 * The peers: other job queues, each at one version and in the fastest way that its
 * own documentation recommends. What is measured of them is in `adapters/`.
 *
 * They promise different things, and a figure means nothing without: what each
 * still has after the power failed stands beside it.
 */

export interface Peer {
  name: string;
  /** The file in `adapters/`. */
  adapter: string;
  /** Its npm packages. The first one's version is shown. */
  packages: Readonly<Record<string, string>>;
  /** What runs it, of the two that are there: the one under which it is faster. */
  runtime: "node" | "bun";
  place: "file" | "postgres" | "redis everysec" | "redis always";
  /** What a failure of power may take of what was acknowledged, in a few words beside each figure. */
  loses: "nothing" | "a second" | "commits" | "its buffer";
  /** The same, in a sentence. */
  durability: string;
  /** Not a queue: the least that its database costs. */
  bare?: true;
}

const BULLMQ = { bullmq: "6.7.0", ioredis: "5.11.1" };
const BY_REDIS = "acknowledged from memory; Redis syncs its log once a second, and up to that second is lost";
const BY_POSTGRES = "on disk when it is acknowledged: PostgreSQL as it comes, each commit is synced";

export const PEERS: readonly Peer[] = [
  {
    name: "BullMQ, everysec",
    adapter: "bullmq",
    packages: BULLMQ,
    runtime: "node",
    place: "redis everysec",
    loses: "a second",
    durability: BY_REDIS,
  },
  {
    name: "BullMQ, always",
    adapter: "bullmq",
    packages: BULLMQ,
    runtime: "node",
    place: "redis always",
    loses: "nothing",
    durability: "on disk when it is acknowledged: Redis syncs its log before it answers",
  },
  {
    name: "graphile-worker",
    adapter: "graphile-worker",
    packages: { "graphile-worker": "0.18.0" },
    runtime: "bun",
    place: "postgres",
    loses: "nothing",
    durability: `${BY_POSTGRES}. What ended in the last 50 ms is not written yet, and runs again`,
  },
  {
    name: "pg-boss",
    adapter: "pg-boss",
    packages: { "pg-boss": "12.35.0" },
    runtime: "bun",
    place: "postgres",
    loses: "nothing",
    durability: `${BY_POSTGRES}. A batch of 2,000 ends together, and runs again together`,
  },
  {
    name: "@boringnode/queue",
    adapter: "boringnode",
    packages: { "@boringnode/queue": "0.6.0", ioredis: "5.11.1" },
    runtime: "bun",
    place: "redis everysec",
    loses: "a second",
    durability: BY_REDIS,
  },
  {
    name: "plainjob",
    adapter: "plainjob",
    packages: { plainjob: "0.0.14" },
    runtime: "bun",
    place: "file",
    loses: "commits",
    durability: "SQLite with `synchronous=NORMAL`: the last commits may be lost",
  },
  {
    name: "bunqueue",
    adapter: "bunqueue",
    packages: { bunqueue: "2.9.5" },
    runtime: "bun",
    place: "file",
    loses: "its buffer",
    durability:
      "acknowledged before its write buffer is written: the last 10 ms are lost with the process already",
  },
  {
    name: "liteque",
    adapter: "liteque",
    packages: { liteque: "0.8.0", "better-sqlite3": "11.9.1" },
    runtime: "node",
    place: "file",
    loses: "commits",
    durability: "SQLite with `synchronous=NORMAL`: the last commits may be lost",
  },
  {
    name: "bare SKIP LOCKED",
    adapter: "skip-locked",
    packages: { pg: "8.23.1" },
    runtime: "bun",
    place: "postgres",
    loses: "nothing",
    durability: `${BY_POSTGRES}. Not a queue, but the statements that one cannot do without: no peer, and no target`,
    bare: true,
  },
];

/** What stands in a figure's row of a peer. */
export function versionOf({ packages, runtime, loses }: Peer): string {
  return `${Object.values(packages)[0]}, ${runtime}, loses ${loses}`;
}

/** What each promises, as a table for the page. */
export function promises(): string {
  const rows = PEERS.map(({ name, loses, durability }) => `| ${name} | ${loses} | ${durability} |`);
  const head = ["| peer | loses | when the power fails |", "| --- | --- | --- |"];
  return [...head, "| qntx | nothing | on disk when it is acknowledged, and so is its end |", ...rows].join(
    "\n",
  );
}
