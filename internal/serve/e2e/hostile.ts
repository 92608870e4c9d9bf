/**
 * Plugins that mean harm, beside one that everybody needs: installed as guests, with a
 * user and a cgroup of their own, they try one thing after the other while the other one's
 * schedules are due. Told by a test in a few seconds, and by `scripts/prove` whole.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Cgroups } from "../../plugins/cgroup.ts";
import { closedTo, ownUser } from "../../plugins/own-user.ts";
import { Place, type PluginShown, QNTX } from "./host.ts";
import { PYTHON_PATH, TESTDATA, writePlugin } from "./python.ts";

const CONFIG = `
[plugin]
enabled = ["victim"]
bundled = false

[isolation.hostile]
memory = "256MiB"
cpu = 0.5
processes = 96

[isolation.glutton]
memory = "8GiB"
cpu = 0.5
`; // A message of 1 GiB takes four times as much to send.

const HUGE_BYTES = 1_073_741_824; // 1 GiB: four times what the first may have.
const CHATTER_LIMIT_MS = 240_000; // 10 GB at the rate at which they are read take 150 s.
const LOOK_EVERY_MS = 50; // At the host's memory.

/** The ways by which a plugin hands something to its host. Those of the job stream are ended with it. */
const WAYS = {
  enqueue: "HostService/Enqueue what is not taken",
  attestation: "GenerateAndCreateAttestation what is not taken",
  storage: "StorageService/Set what is not taken",
  frame: "HostService/Enqueue what is not taken",
  result: "PluginService/Jobs with what is not taken",
  progress: "PluginService/Jobs with what is not taken",
  checkpoint: "PluginService/Jobs with what is not taken",
  answer: "HandleHTTP with what is not taken",
};
export type Way = keyof typeof WAYS;
export const ALL_WAYS = Object.keys(WAYS) as readonly Way[];

/** How long they go on with each thing, and how much they take. */
export interface Malice {
  /** Making children that spin. */
  forkSeconds: number;
  printBytes: number;
  payloadBytes: number;
  payloadWays: readonly Way[];
  schedules: number;
}

/** What came of it all. */
export interface Outcome {
  shown: PluginShown & {
    isolation: { user: string; limits: { limit: string; by: string }[] };
    conflicts: string[];
  };
  uid: number;
  spied: Record<string, unknown>;
  meddled: { listed: number; delete: string[]; pause: string[]; enqueue: string };
  flooded: { made: number; why: string };
  forked: { children: number; why: string };
  /** Seconds that it took to print all. */
  printedIn: number;
  /** Bytes on disk of what was printed: the plugin's log, and those of jobs. */
  logged: number;
  /** Marks of what is missing there. */
  gaps: number;
  /** What the trail says of each payload. */
  payloads: Partial<Record<Way, string>>;
  /** Resident memory of the host in MB: before all, and the highest while each thing went on. */
  rssMb: { before: number } & Record<string, number>;
  /** What they were refused, as the audit trail has it. */
  audit: string[];
  /** Milliseconds that each run of the other plugin was late, by what went on. */
  late: Record<string, number[]>;
  /** How often the other plugin was started again. */
  victimRestarts: number;
}

/** Why it cannot be told here; empty where it can. */
export function whyNotHere(): string {
  if (process.getuid?.() !== 0) return "it needs root";
  const closed = QNTX.filter((word) => word.startsWith("/")).map((path) =>
    closedTo(ownUser("", ""), path, "read"),
  );
  const [shut] = closed.filter((path) => path !== null);
  if (shut !== undefined) return `${shut} is closed to other users`;
  const cgroups = Cgroups.open(join(TESTDATA, "hostile"), []);
  cgroups?.close();
  return cgroups?.holds("pids") ? "" : "no cgroup for the number of processes can be written"; // Or the machine would suffer.
}

/** Lets them do their worst. */
export async function attack(malice: Malice): Promise<Outcome> {
  await using place = new Place(CONFIG);
  writePlugin(place, "victim.ts");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
  const words = ["schedule", "create", "kept", "--handler", "victim.beat", "--every", "1h"];
  const { id } = await place.json<{ id: string }>(...words);
  await install(place, "hostile", "cap:scheduler.manage");
  await install(place, "glutton", "cap:storage.kv");
  const shown = await place.call<Outcome["shown"]>("plugin.show", { name: "hostile" });
  const tried = await tryAll(place, malice, [id, "kept", "beat-0"]);
  return {
    shown,
    uid: ownUser(place.home, "hostile").uid,
    ...tried,
    audit: (await auditOf(place)).map(({ operation, detail }) => `${operation}: ${detail}`),
    victimRestarts: (await place.plugin("victim")).restarts,
  };
}

async function install(place: Place, name: string, capability: string): Promise<void> {
  await place.json("plugin", "install", join(TESTDATA, `${name}.py`), "--grant", capability);
}

type Tried = Omit<Outcome, "shown" | "uid" | "audit" | "victimRestarts">;

/** One thing after the other, and how late others were meanwhile. */
async function tryAll(place: Place, malice: Malice, schedules: string[]): Promise<Tried> {
  const watched = new Watched(place);
  const during = <T>(what: string, attempt: () => Promise<T>) => watched.during(what, attempt);
  const result = async <T>(name: string, payload: object = {}) => {
    const id = await place.enqueue(`hostile/hostile.${name}`, payload);
    const { result: said, error } = await place.ended(id, CHATTER_LIMIT_MS);
    if (error) throw new Error(`hostile.${name} failed: ${error.message}`);
    return said as T;
  };
  const { payloadWays, payloadBytes, schedules: count, printBytes, forkSeconds } = malice;

  await report(place); // What was late before is not its doing.
  const spied = await during("spying", () => result<Tried["spied"]>("spy"));
  const meddled = await during("meddling", () => result<Tried["meddled"]>("meddle", { schedules }));
  const flooded = await during("flooding", () => result<Tried["flooded"]>("flood", { schedules: count }));
  const payloads: Tried["payloads"] = {};
  for (const way of payloadWays) payloads[way] = await during(way, () => shove(place, way, payloadBytes));
  const printedIn = await during("printing", () => result<number>("chatter", { bytes: printBytes }));
  await written(place, "printed more than");
  const kept = logsOf(place);
  await during("taking memory", () => gorge(place));
  const forked = await during("forking", () => result<Tried["forked"]>("fork", { seconds: forkSeconds }));
  await written(place, "processes and threads");
  const { late, rssMb } = watched;
  return { spied, meddled, flooded, payloads, printedIn, ...kept, forked, late, rssMb };
}

/** What others and the host had of each attempt. */
class Watched {
  readonly late: Outcome["late"] = {};
  readonly rssMb: Outcome["rssMb"];
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
    this.rssMb = { before: residentMb(place) };
  }

  async during<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    let highest = residentMb(this.#place);
    const look = () => (highest = Math.max(highest, residentMb(this.#place)));
    const looking = setInterval(look, LOOK_EVERY_MS);
    try {
      return await attempt();
    } finally {
      clearInterval(looking);
      this.rssMb[what] = highest;
      this.late[what] = await report(this.#place);
    }
  }
}

/** Hands in too much by one way, until the trail says so. Gives what it says. */
async function shove(place: Place, way: Way, bytes: number): Promise<string> {
  await place.working();
  const rows = async () => (await auditOf(place)).filter(({ detail }) => detail.includes(WAYS[way]));
  const before = tally(await rows());
  const id = way === "answer" ? "" : await place.enqueue(`glutton/glutton.${way}`, { bytes });
  if (way === "answer") await place.http(`/api/glutton/answer?bytes=${bytes}`);
  const said = await place.until(`a row of a payload by ${way}`, async () => {
    const [newest, ...older] = await rows();
    return newest && tally([newest, ...older]) > before && newest.detail;
  });
  await place.cli(["job", "cancel", id]); // It is not to try again.
  await place.json("plugin", "restart", "glutton");
  return said;
}

function tally(rows: readonly AuditRow[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** Has it make what it has no memory for. It is not to try again. */
async function gorge(place: Place): Promise<void> {
  const id = await place.enqueue("hostile/hostile.gorge", { bytes: HUGE_BYTES });
  await written(place, "of memory");
  await place.json("job", "cancel", id);
}

/** Resolves when the audit trail says it. */
async function written(place: Place, words: string): Promise<void> {
  await place.until(`"${words}" in the audit trail`, async () =>
    (await auditOf(place)).some(({ detail }) => detail.includes(words)),
  );
}

/** One line of the trail. */
interface AuditRow {
  principal: string;
  operation: string;
  allowed: boolean;
  detail: string;
  count: number;
}

const GUESTS = ["plugin:hostile", "plugin:glutton"];

async function auditOf(place: Place): Promise<AuditRow[]> {
  const { entries } = await place.call<{ entries: AuditRow[] }>("audit.list", { limit: 200 });
  return entries.filter(({ principal, allowed }) => GUESTS.includes(principal) && !allowed);
}

async function report(place: Place): Promise<number[]> {
  const { result } = await place.ended(await place.enqueue("victim.report", {}));
  return result as number[];
}

function logsOf({ home }: Place): Pick<Outcome, "logged" | "gaps"> {
  const folder = join(home, "logs");
  const files = readdirSync(folder).filter((name) => name.startsWith("hostile.log"));
  const texts = files.map((name) => readFileSync(join(folder, name), "latin1"));
  const jobs = ["logs.db", "logs.db-wal"].map((name) => statSync(join(home, name)).size);
  return {
    logged: [...texts.map(({ length }) => length), ...jobs].reduce((sum, bytes) => sum + bytes, 0),
    gaps: texts.join("").split("Something is missing here").length - 1,
  };
}

function residentMb({ host }: Place): number {
  const [, kb = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${host.pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kb) / 1_024);
}
