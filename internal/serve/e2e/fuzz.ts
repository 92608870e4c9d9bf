/**
 * Fuzz: thousands of broken frames against a real host, from both sides that others have
 * in their hands: to the server that plugins call back (and its front for strangers), and
 * from a plugin whose answers are spoilt on their way. The host must live on, serve
 * others, keep its memory, and nobody may have reached what is another's.
 */
import { readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { CreateScheduleRequest } from "../../../proto/gen/qntx/v1/host.ts";
import { seededRandom } from "../../schedule/expressions.ts";
import { type Asking, NOTHING, roomy, ROWS } from "./access.ts";
import { FLOODS, pour } from "./floods.ts";
import { CANCEL, type Door, frame, headers, pathOf, START } from "./frames.ts";
import { Place } from "./host.ts";
import { PYTHON_PATH, writeStranger } from "./python.ts";

export interface FuzzOptions {
  /** To the callback server; as many calls are spoilt on the other side. */
  frames: number;
  seed: number;
  /** For how long each flood is poured into each door. */
  floodMs: number;
}

export interface FuzzReport {
  frames: number;
  answers: number;
  /** Resident memory of the host, in MB, after a fifth of it and after all; floods come behind that. */
  rssMb: [early: number, late: number];
  /** The highest during each flood. */
  floods: Record<string, number>;
  /** What went wrong; empty when nothing did. */
  trouble: string[];
}

const CONNECTIONS = 8; // At once.
const CONNECTION_MS = 300; // For the host to make something of what it was sent.
const CALL_MS = 500; // A spoilt answer may never come.
const GROWTH_MB_MAX = 64;
const LOOK_EVERY_MS = 20; // At its memory.
const METHODS = Object.keys(ROWS);

type Random = () => number;

/** A plugin of QNTX that leaves what it was told where we find it. */
const TELLTALE = `import { writeFileSync } from "node:fs";
export default {
  name: "telltale", version: "1", handler_names: ["telltale.work"],
  init(request) { writeFileSync("told.json", JSON.stringify(request)); },
  registerHTTP(mux) { mux.handle("GET", "/", (_, answer) => answer.text("well")); },
};`;

/** Sends and spoils. Throws only when the host does not start. */
export async function fuzz({ frames, seed, floodMs }: FuzzOptions): Promise<FuzzReport> {
  await using place = new Place(
    `[plugin]\nenabled = ["telltale", "mangler"]\nbundled = false\n${["telltale", "mangler"].map(roomy).join("")}`,
  );
  place.write("plugins/telltale.ts", TELLTALE);
  writeStranger(place, "mangler");
  await place.start({ vars: { PATH: PYTHON_PATH } });
  await place.working();
  return await new Fuzz(place, seededRandom(seed)).run(frames, floodMs); // Awaited here: the folder goes with the function.
}

class Fuzz {
  readonly #place: Place;
  readonly #random: Random;
  readonly #trouble: string[] = [];

  constructor(place: Place, random: Random) {
    this.#place = place;
    this.#random = random;
  }

  async run(frames: number, floodMs: number): Promise<FuzzReport> {
    const { pid } = this.#place.host;
    const theirs = await this.#theirs();
    const doors = ["telltale", "mangler"].map((plugin) => this.#told(plugin));
    let [sent, spoilt, early] = [0, 0, 0];
    for (let part = 0; part < 5; part++) {
      const until = (frames * (part + 1)) / 5;
      await this.#side(
        () => sent < until,
        async () => (sent += await this.#connect(pick(this.#random, doors))),
      );
      await this.#side(
        () => spoilt < until,
        () => this.#call(`/api/mangler/mangle?${spoilt++}`),
      );
      if (part === 0) early = rssMb(pid);
    }
    const late = rssMb(pid);
    const floods = await this.#flood(doors, floodMs);
    await this.#judge(pid, theirs, doors);
    if (late > early + GROWTH_MB_MAX) this.#trouble.push(`its memory grew from ${early} to ${late} MB`);
    return { frames: sent, answers: spoilt, rssMb: [early, late], floods, trouble: this.#trouble };
  }

  /** Works at several at once, while there is more to do. */
  async #side(more: () => boolean, work: () => Promise<unknown>): Promise<void> {
    const hand = async () => {
      while (more()) await work();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, hand));
  }

  /** What is the operator's, and no frame may touch. */
  async #theirs(): Promise<string> {
    const input = { handler: "telltale.work", id: "theirs", runAt: "2099-01-01T00:00:00Z" };
    await this.#place.call("job.enqueue", { ...input, payload: "eA==" }).catch(() => {});
    await this.#place
      .call("schedule.create", { name: "theirs", handler: "telltale.work", every: "30d" })
      .catch(() => {});
    return this.#seen();
  }

  async #seen(): Promise<string> {
    const job = await this.#place.call("job.show", { id: "theirs" });
    const schedule = await this.#place.call("schedule.show", { id: "theirs" });
    const { grants } = await this.#place.call<{ grants?: unknown }>("plugin.show", { name: "telltale" });
    return JSON.stringify([job, schedule, grants ?? null]);
  }

  async #judge(pid: number, theirs: string, doors: readonly Door[]): Promise<void> {
    const { host } = this.#place;
    if (host.process.exitCode !== null || host.pid !== pid)
      return void this.#trouble.push(`the host died:\n${host.text.slice(-2_000)}`);
    if ((await this.#seen()) !== theirs) this.#trouble.push("what is another's was changed");
    for (const door of doors) await this.#reach(door);
    for (const [path, said] of [
      ["/api/telltale/", "well"],
      ["/api/mangler/plain", "plain"],
    ] as const)
      await this.#place.until(`an answer at ${path}`, async () => (await this.#call(path)).startsWith(said));
    for (const line of host.text.match(/.*(mistake in qntx itself|Assertion failed|unhandled).*/gi) ?? [])
      this.#trouble.push(line);
  }

  /** Pours every flood into every door. Gives the highest resident memory of the host during each, in MB. */
  async #flood(doors: readonly Door[], floodMs: number): Promise<Record<string, number>> {
    const { pid } = this.#place.host;
    const highest: Record<string, number> = {};
    for (const [name, flood] of Object.entries(FLOODS)) {
      const before = rssMb(pid);
      const look = () => (highest[name] = Math.max(highest[name] ?? 0, rssMb(pid)));
      const looking = setInterval(look, LOOK_EVERY_MS);
      for (const door of doors) await pour(flood, door, floodMs);
      clearInterval(looking);
      if (look() > before + GROWTH_MB_MAX)
        this.#trouble.push(`its memory grew from ${before} to ${look()} MB under ${name}`);
    }
    return highest;
  }

  /** A good call, made of the same pieces, is answered: otherwise nothing was proved by the bad ones. */
  async #reach(door: Door): Promise<void> {
    const name = `good-${door.handler}`;
    const request = CreateScheduleRequest.fromPartial({ name, handler: door.handler, every: "30d" });
    const call = callOf({
      method: "HostService.CreateSchedule",
      stream: 1,
      token: door.token,
      body: CreateScheduleRequest.encode(request).finish(),
    });
    const socket = createConnection({ host: door.host, port: door.port });
    socket.on("error", () => {});
    socket.write(Buffer.concat([...START, ...call]));
    const find = () => this.#place.call("schedule.show", { id: name }).catch(() => null);
    await this.#place.until(`the schedule of a good call at port ${door.port}`, find);
    socket.destroy();
  }

  async #call(path: string): Promise<string> {
    const token = readFileSync(join(this.#place.home, "operator.token"), "utf8").trim();
    try {
      const signal = AbortSignal.timeout(CALL_MS);
      const answer = await fetch(`${this.#place.host.address}${path}`, {
        headers: { authorization: `Bearer ${token}` },
        signal,
      });
      return await answer.text();
    } catch (error) {
      return String(error);
    }
  }

  #told(plugin: string): Door {
    const told = JSON.parse(
      readFileSync(join(this.#place.home, "plugins-data", plugin, "told.json"), "utf8"),
    );
    const [host = "", port = ""] = String(told.queue_endpoint).split(":");
    return { host, port: Number(port), token: String(told.auth_token), handler: `${plugin}.work` };
  }

  /** One connection, and all that is said on it. Resolves with how many frames that were. */
  #connect(door: Door): Promise<number> {
    const pieces = nonsense(this.#random, door);
    return new Promise((resolve) => {
      const socket = createConnection({ host: door.host, port: door.port });
      const done = () => {
        clearTimeout(limit);
        socket.destroy();
        resolve(pieces.length);
      };
      const limit = setTimeout(done, CONNECTION_MS);
      socket.on("error", () => {});
      socket.on("close", done);
      socket.on("data", () => {});
      socket.on("connect", () => {
        for (const piece of pieces) socket.write(piece);
        if (this.#random() < 0.5) socket.end();
      });
    });
  }
}

/** What one connection says: each piece is a frame, or what pretends to be one. */
function nonsense(random: Random, door: Door): Buffer[] {
  const several = (make: () => Buffer) => Array.from({ length: 1 + below(random, 20) }, make);
  const wild = () => frame(below(random, 12), below(random, 256), below(random, 8), noise(random, 64));
  const kinds: (() => Buffer[])[] = [
    () => several(() => noise(random, 200)),
    () => [...START, ...several(wild)],
    () => [...START, ...several(() => spoiled(random, wild()))],
    () => [
      ...START,
      ...several(() => frame(1, 4 | below(random, 2), 2 * below(random, 9) + 1, noise(random, 64))),
    ],
    () => [...START, frame(1, 0, 1, noise(random, 30)), ...several(() => frame(9, 0, 1, noise(random, 200)))],
    () => [...START, ...several(() => frame(6, 0, 0, noise(random, 8)))],
    () => [...START, ...several(() => frame(4, 0, 0, noise(random, 36)))],
    () => [...START, ...calls(random, door).flatMap((call) => [...call, frame(3, 0, 1, CANCEL)])],
    () => [...START, ...calls(random, door).flat()],
    () => [...START, ...calls(random, door).flat()],
    () =>
      spoiled(random, Buffer.concat([...START, ...calls(random, door).flat()]), 8)
        .toString("latin1")
        .split(/(?=PRI)/)
        .map((text) => Buffer.from(text, "latin1")),
  ];
  return pick(random, kinds)();
}

/** Calls of methods that there are, whose messages are broken in one way each. */
function calls(random: Random, door: Door): Buffer[][] {
  return Array.from({ length: 1 + below(random, 8) }, (_, index) => {
    const stream = 2 * index + 1;
    const method = pick(random, METHODS);
    const row = ROWS[method];
    const token = random() < 0.7 ? door.token : "0".repeat(64);
    const asking: Asking =
      (row && ("ask" in row ? row.ask : "makes" in row ? row.makes : row.follows)) ||
      (() => new Uint8Array());
    const message = Buffer.from(
      asking({ token, handler: door.handler, things: NOTHING, turn: below(random, 1_000) }),
    );
    const body = pick(random, [
      message,
      spoiled(random, message),
      spoiled(random, message, 5),
      noise(random, 300),
    ]);
    const said = pick(random, [
      body.length,
      body.length,
      body.length,
      0xffff_ffff,
      0x7fff_ffff,
      body.length + 1,
      0,
    ]);
    const flag = random() < 0.9 ? 0 : below(random, 256);
    const path = random() < 0.95 ? pathOf(method) : `/${noise(random, 20).toString("latin1")}`;
    const isWhole = random() < 0.9;
    return callOf({ method, stream, token, body, said, flag, path, isWhole, authority: random() < 0.8 });
  });
}

interface CallParts {
  method: string;
  stream: number;
  token: string;
  body: Uint8Array;
  /** How long it says that the message is. */
  said?: number;
  /** 0 for a message that is not compressed. */
  flag?: number;
  path?: string;
  isWhole?: boolean;
  authority?: boolean;
}

/** The frames of one call. */
function callOf({ method, stream, token, body, ...odd }: CallParts): Buffer[] {
  const { said = body.length, flag = 0, path = pathOf(method), isWhole = true, authority = true } = odd;
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(said, 1);
  return [
    frame(1, 4, stream, headers({ path, token, authority })),
    frame(0, isWhole ? 1 : 0, stream, Buffer.concat([prefix, body])),
  ];
}

/** The same with some of it flipped, cut out, doubled, or said to be longer. */
function spoiled(random: Random, bytes: Buffer, times = 1): Buffer {
  let now = bytes;
  for (let i = 0; i < times; i++) {
    const at = below(random, Math.max(1, now.length));
    const [head, tail] = [now.subarray(0, at), now.subarray(at)];
    now = pick(random, [
      () => Buffer.concat([head, noise(random, 8), tail]),
      () => Buffer.concat([head, tail.subarray(1 + below(random, 8))]),
      () => Buffer.concat([head, tail, tail]).subarray(0, 4_096),
      () => Buffer.concat([head, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), tail.subarray(5)]),
      () => Buffer.concat([head, Buffer.from([(tail[0] ?? 0) ^ (1 << below(random, 8))]), tail.subarray(1)]),
    ])();
  }
  return now;
}

function noise(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + below(random, most) }, () => below(random, 256)));
}

function pick<T>(random: Random, choices: readonly T[]): T {
  const choice = choices[below(random, choices.length)];
  if (choice === undefined) throw new Error("nothing to choose from");
  return choice;
}

function below(random: Random, count: number): number {
  return Math.floor(random() * count);
}

function rssMb(pid: number): number {
  const [, kb = "0"] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kb) / 1_024);
}
