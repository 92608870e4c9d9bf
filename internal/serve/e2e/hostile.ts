/**
 * A plugin that means harm, beside one that everybody needs: installed as a guest, with a
 * user and a cgroup of its own, it tries one thing after the other while the other one's
 * schedules are due. Told by a test in a few seconds, and by `scripts/prove` whole.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Cgroups } from "../../plugins/cgroup.ts";
import { closedTo, ownUser } from "../../plugins/own-user.ts";
import { type JobShown, Place, type PluginShown, QNTX } from "./host.ts";
import { PYTHON_PATH, TESTDATA, writePlugin } from "./python.ts";

const CONFIG = `
[plugin]
enabled = ["victim"]
bundled = false

[isolation.hostile]
memory = "256MiB"
cpu = 0.5
processes = 96
`;

const HUGE_BYTES = 1_073_741_824; // 1 GiB: four times what it may have.

/** How long it goes on with each thing, and how much it takes. */
export interface Malice {
  /** Making children that spin. */
  forkSeconds: number;
  printSeconds: number;
  payloadBytes: number;
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
  printed: number;
  /** Bytes of its log on disk. */
  logged: number;
  shoved: JobShown;
  burst: JobShown;
  /** What it was refused, as the audit trail has it. */
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

/** Lets it do its worst. */
export async function attack(malice: Malice): Promise<Outcome> {
  await using place = new Place(CONFIG);
  writePlugin(place, "victim.ts");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
  const words = ["schedule", "create", "kept", "--handler", "victim.beat", "--every", "1h"];
  const { id } = await place.json<{ id: string }>(...words);
  const file = join(TESTDATA, "hostile.py");
  await place.json("plugin", "install", file, "--grant", "cap:scheduler.manage");
  const shown = await place.call<Outcome["shown"]>("plugin.show", { name: "hostile" });
  const tried = await tryAll(place, malice, [id, "kept", "beat-0"]);
  return {
    shown,
    uid: ownUser(place.home, "hostile").uid,
    ...tried,
    logged: bytesOfLogs(place),
    audit: (await auditOf(place)).map(({ operation, detail }) => `${operation}: ${detail}`),
    victimRestarts: (await place.plugin("victim")).restarts,
  };
}

type Tried = Omit<Outcome, "shown" | "uid" | "logged" | "audit" | "victimRestarts">;

/** One thing after the other, and how late others were meanwhile. */
async function tryAll(place: Place, malice: Malice, schedules: string[]): Promise<Tried> {
  const late: Outcome["late"] = {};
  const during = async <T>(what: string, attempt: Promise<T>) => {
    const came = await attempt;
    late[what] = await report(place);
    return came;
  };
  const does = async (name: string, payload: object = {}) =>
    place.ended(await place.enqueue(`hostile/hostile.${name}`, payload));
  const result = async <T>(name: string, payload: object = {}) => {
    const { result, error } = await does(name, payload);
    if (error) throw new Error(`hostile.${name} failed: ${error.message}`);
    return result as T;
  };
  const { payloadBytes: bytes, schedules: count, printSeconds, forkSeconds } = malice;

  await report(place); // What was late before is not its doing.
  const spied = await during("spying", result<Tried["spied"]>("spy"));
  const meddled = await during("meddling", result<Tried["meddled"]>("meddle", { schedules }));
  const flooded = await during("flooding", result<Tried["flooded"]>("flood", { schedules: count }));
  const shoved = await during("large payloads", does("shove", { bytes }));
  const burst = await during("large results", does("burst", { bytes }));
  const printed = await during("printing", result<number>("chatter", { seconds: printSeconds }));
  await during("taking memory", gorge(place));
  const forked = await during("forking", result<Tried["forked"]>("fork", { seconds: forkSeconds }));
  await written(place, "processes and threads");
  return { spied, meddled, flooded, shoved, burst, printed, forked, late };
}

/** Has it make a payload for which it has no memory. It is not to try again. */
async function gorge(place: Place): Promise<void> {
  const id = await place.enqueue("hostile/hostile.shove", { bytes: HUGE_BYTES });
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
}

async function auditOf(place: Place): Promise<AuditRow[]> {
  const { entries } = await place.call<{ entries: AuditRow[] }>("audit.list", { limit: 200 });
  return entries.filter(({ principal, allowed }) => principal === "plugin:hostile" && !allowed);
}

async function report(place: Place): Promise<number[]> {
  const { result } = await place.ended(await place.enqueue("victim.report", {}));
  return result as number[];
}

function bytesOfLogs({ home }: Place): number {
  const folder = join(home, "logs");
  const files = readdirSync(folder).filter((name) => name.startsWith("hostile.log"));
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
