/**
 * Place: where a peer keeps its jobs for one measurement: a folder, or a PostgreSQL
 * or Redis of this system, private, empty and on loopback. It ends with the
 * measurement: nothing that a peer left to do is done while another is measured.
 *
 * PostgreSQL is as durable as it comes. Redis comes without; its mode is named.
 */
import { chownSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { installPrograms } from "../../system.ts";
import type { Note } from "../measure.ts";
import { Scratch } from "../scratch.ts";
import type { Peer } from "./list.ts";

const DEBIAN_POSTGRES = "/usr/lib/postgresql";
const DEBIAN_POSTGRES_HOME = "/var/lib/postgresql"; // Its owner is whom PostgreSQL runs as: never root.
const READY_LIMIT_MS = 20_000;
const LOOK_MS = 10;
const REDIS_MEMORY = "2gb"; // Some times what 100,000 jobs take.

type Server = Bun.Subprocess<"ignore", Bun.BunFile, Bun.BunFile>;

/** Installs what is missing, where we may. Who lacks something all the same is told by `startPlace`. */
export function installServers(): void {
  installPrograms([
    { what: "redis-server", probe: ["redis-server", "--version"], packages: ["redis-server"] },
    { what: "PostgreSQL", probe: ["test", "-d", DEBIAN_POSTGRES], packages: ["postgresql"] },
  ]);
}

/** What else ran, with its version. */
export function versions(): Note[] {
  const programs = [
    { what: "PostgreSQL", argv: ["psql", "--version"] },
    { what: "Redis", argv: ["redis-server", "--version"] },
    { what: "Node", argv: ["node", "--version"] },
  ];
  return programs
    .filter(({ argv: [program = ""] }) => Bun.which(program) !== null)
    .map(({ what, argv }) => {
      const said = Bun.spawnSync(argv, { stderr: "ignore" }).stdout.toString();
      return { what, note: /\d+(\.\d+)+/.exec(said)?.[0] ?? said.trim() };
    });
}

/** An empty place. Disposing of it ends its server. */
export class Place implements AsyncDisposable {
  /** What an adapter is told of it. */
  readonly where: Readonly<Record<string, string | number>>;
  readonly #scratch: Scratch;
  readonly #server: Server | null;
  readonly #quit = () => this.#server?.kill("SIGQUIT"); // At once, its children too.

  constructor(scratch: Scratch, where: Place["where"], server: Server | null) {
    this.#scratch = scratch;
    this.where = where;
    this.#server = server;
    process.prependListener("exit", this.#quit); // Before its folder goes.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.kill("SIGINT"); // For PostgreSQL: at once, in order, whoever is connected.
    await this.#server?.exited;
    process.off("exit", this.#quit);
    this.#scratch[Symbol.dispose]();
  }
}

/** Makes an empty place, and starts its server. Throws what is lacking for it. */
export async function startPlace(kind: Peer["place"]): Promise<Place> {
  const scratch = new Scratch();
  const port = freePort();
  if (kind === "file") return new Place(scratch, { folder: scratch.path }, null);
  const argv = kind === "postgres" ? postgres(scratch.path, port) : redis(kind, port);
  const where = kind === "postgres" ? { url: `postgres://bench@127.0.0.1:${port}/postgres` } : { port };
  const place = new Place(scratch, where, spawn(argv, scratch.path));
  try {
    await ready(join(scratch.path, "log"));
    return place;
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

function redis(kind: "redis everysec" | "redis always", port: number): string[] {
  const log = ["--save", "", "--appendonly", "yes", "--appendfsync", kind.replace("redis ", "")];
  const limits = ["--maxmemory", REDIS_MEMORY, "--maxmemory-policy", "noeviction"];
  return ["redis-server", "--bind", "127.0.0.1", "--port", String(port), ...log, ...limits];
}

/** Makes a cluster in the folder. Gives the words that start it. */
function postgres(folder: string, port: number): string[] {
  const programs = postgresPrograms();
  const user = process.getuid?.() === 0 ? statSync(DEBIAN_POSTGRES_HOME) : null;
  if (user) chownSync(folder, user.uid, user.gid);
  const asUser = user ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"] : [];
  const data = join(folder, "data");
  const initdb = [
    "setpriv",
    ...asUser,
    join(programs, "initdb"),
    "-D",
    data,
    "-U",
    "bench",
    "-A",
    "trust",
    "--locale=C",
    "-E",
    "UTF8",
  ];
  const { exitCode, stderr } = Bun.spawnSync(initdb, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  if (exitCode !== 0) throw new Error(`initdb failed: ${stderr.toString().trim()}`);
  return [
    ...asUser,
    join(programs, "postgres"),
    "-D",
    data,
    "-p",
    String(port),
    "-h",
    "127.0.0.1",
    "-k",
    folder,
  ];
}

/** Where the newest PostgreSQL of Debian is. */
function postgresPrograms(): string {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES).map(Number) : [];
  if (versions.length === 0) throw new Error("there is no PostgreSQL here");
  return join(DEBIAN_POSTGRES, String(Math.max(...versions)), "bin");
}

/** Starts a server that ends with this process, however that ends. */
function spawn(argv: readonly string[], folder: string): Server {
  const log = Bun.file(join(folder, "log"));
  return Bun.spawn(["setpriv", "--pdeathsig", "INT", ...argv], { cwd: folder, stdio: ["ignore", log, log] });
}

/** Resolves when the log says so; both servers use the same words. */
async function ready(log: string): Promise<void> {
  const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
  for (const until = Date.now() + READY_LIMIT_MS; Date.now() < until; await Bun.sleep(LOOK_MS))
    if (/ready to accept connections/i.test(said())) return;
  throw new Error(`its server did not become ready: ${said().trim()}`);
}

/** A port that was free a moment ago. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}
