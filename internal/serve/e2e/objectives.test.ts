/**
 * Objectives and the webhook, end to end: a schedule whose plugin comes and goes, a host
 * that is killed again and again, and a server on the other side that fails,
 * hangs and points elsewhere. In the end, what happened and what was told are the same.
 */
import { expect, test } from "bun:test";
import type { EventView } from "../../operations/event.ts";
import { Place } from "./host.ts";

const STORY_LIMIT_MS = 180_000;
const SECRET = "a secret between two";

type Mood = "take" | "500" | "elsewhere" | "hang";

/** The other side. It takes a request, and then answers as its mood is. */
class OtherSide implements AsyncDisposable {
  readonly received: { event: EventView; signed: boolean }[] = [];
  readonly #moods: readonly Mood[] = ["500", "elsewhere", "take", "hang", "500", "take", "500"];
  #requests = 0;
  #well = false;
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 30,
    fetch: (request) => this.#answer(request),
  });

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/hook`;
  }

  /** From now on it takes everything. */
  recover(): void {
    this.#well = true;
  }

  /** Each event once, in the order in which they came first. */
  get events(): EventView[] {
    const byId = new Map(this.received.map(({ event }) => [event.id, event]));
    return [...byId.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const body = await request.text();
    this.received.push({ event: JSON.parse(body), signed: isSigned(request.headers, body) });
    const mood: Mood = this.#well ? "take" : (this.#moods[this.#requests++ % this.#moods.length] ?? "take");
    if (mood === "500") return new Response("out of order", { status: 500 });
    if (mood === "hang") await new Promise((resolve) => setTimeout(resolve, 12_000));
    return new Response("", {
      status: mood === "elsewhere" ? 307 : 200,
      headers: { location: "/elsewhere" },
    });
  }
}

function isSigned(headers: Headers, body: string): boolean {
  const text = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`;
  const expected = new Bun.CryptoHasher("sha256", SECRET).update(text).digest("base64");
  return headers.get("webhook-signature") === `v1,${expected}`;
}

const PLUGIN = `
import { definePlugin } from "qntx";
export default definePlugin({ name: "ticks", version: "1.0.0", jobs: { tick: () => undefined } });
`;

test(
  "each trouble of a schedule is told once, in order, across kills of the host and faults of the other side",
  async () => {
    await using other = new OtherSide();
    await using place = new Place(
      `[plugin]\nenabled = ["ticks"]\nbundled = false\n[webhook]\nurl = "${other.url}"\nsecret = "env:HOOK_SECRET"\n`,
    );
    place.write("plugins/ticks.ts", PLUGIN);
    const start = () => place.start({ vars: { HOOK_SECRET: SECRET } });
    const events = async () =>
      (await place.call<{ events: EventView[] }>("event.list", { subject: "report", after: 0, limit: 1_000 }))
        .events;
    const told = async (kind: string, times: number) => {
      const isTold = async () => (await events()).filter((event) => event.kind === kind).length >= times;
      await place.until(`${times} × ${kind}`, isTold);
    };

    await start();
    await place.working();
    await place.json(
      "schedule",
      "create",
      "report",
      "--handler",
      "ticks.tick",
      "--every",
      "2s",
      "--overlap",
      "skip",
      "--must-start-within",
      "1s",
      "--must-succeed-within",
      "3s",
    );

    for (let round = 1; round <= 3; round++) {
      await place.call("plugin.stop", { name: "ticks" });
      await told("schedule.objective-missed", round);
      if (round === 1) expect((await place.cli(["doctor"])).code).toBe(1);
      await place.host.crash();
      await start(); // The plugin starts with it.
      await told("schedule.objective-recovered", round);
      await place.host.killHost();
      await start();
    }

    other.recover();
    const waits = async () => {
      const { checks } = await place.call<{ checks: { check: string; ok: boolean }[] }>("host.doctor");
      const all = await events();
      return (
        checks.some(({ check, ok }) => check === "webhook" && ok) && other.events.length >= all.length && all
      );
    };
    const happened = await place.until("the other side to have heard everything", waits);

    const kinds = happened.map(({ kind }) => kind).filter((kind) => kind.startsWith("schedule.objective-"));
    const turns = kinds.map((_, index) => `schedule.objective-${index % 2 === 0 ? "missed" : "recovered"}`);
    expect(kinds.map(String)).toEqual(turns); // Nothing twice in a row, nothing left out.
    const heard = other.events.filter(({ subject }) => subject === happened[0]?.subject);
    expect(heard.map(({ id }) => id)).toEqual(happened.slice(0, heard.length).map(({ id }) => id));
    expect(heard.length).toBe(happened.length);
    expect(other.received.every(({ signed }) => signed)).toBe(true);
    expect(other.received.length).toBeGreaterThan(other.events.length); // Faults were met, and tried again.
    const reasons = happened.map(({ data }) => String(data["reason"] ?? ""));
    expect(reasons.some((reason) => reason.endsWith("plugin ticks is not running"))).toBe(true);
  },
  STORY_LIMIT_MS,
);

const ASKING = `
import { definePlugin } from "qntx";
const when = { handler: "asking.go", every: "1h" };
export default definePlugin({
  name: "asking",
  version: "1.0.0",
  schedules: [
    { id: "declared", handler: "asking.go", when: "1h", mustStartWithinMs: 30_000, mustSucceedWithinMs: 60_000 },
  ],
  jobs: { go: () => undefined },
  http: {
    async "POST /ask"(_, { scheduler }) {
      const made = await scheduler.create({ ...when, name: "made", mustStartWithin: "5s", mustSucceedWithin: "1m" });
      const changed = await scheduler.update("made", { mustStartWithin: "10s", mustSucceedWithin: "" });
      return Response.json([made, changed].map((one) => [one.mustStartWithin, one.mustSucceedWithin]));
    },
  },
});
`;

test(
  "objectives can be said where schedules are: by a file, by a declaration, over gRPC",
  async () => {
    const file = `[[schedule]]\nid = "filed"\nhandler = "x.y"\nevery = "1h"\nmustSucceedWithin = "2m"\n`;
    await using place = new Place(`[plugin]\nenabled = ["asking"]\nbundled = false\n${file}`);
    place.write("plugins/asking.ts", ASKING);
    await place.start();
    await place.working();
    expect(await place.post<string[][]>("/api/asking/ask", {})).toEqual([
      ["5s", "1m"],
      ["10s", ""],
    ]);
    const shown = async (name: string) => {
      const { mustStartWithinMs, mustSucceedWithinMs } = await place.call("schedule.show", { id: name });
      return [mustStartWithinMs, mustSucceedWithinMs];
    };
    expect(await shown("filed")).toEqual([null, 120_000]);
    expect(await shown("declared")).toEqual([30_000, 60_000]);
    expect(await shown("made")).toEqual([10_000, null]);
  },
  STORY_LIMIT_MS,
);
