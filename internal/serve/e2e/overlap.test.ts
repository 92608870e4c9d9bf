/**
 * The six ways in which runs may meet, through a real host and a real plugin: what
 * became of each occurrence, and when its run began and ended, also over a kill -9.
 *
 * What the plugin wrote says who ran beside whom. The ledger is held against a
 * replay, which plays the same runs through the decision again.
 */
import { expect, test } from "bun:test";
import { OVERLAP_POLICIES, type OverlapPolicy } from "../../schedule/schedule.ts";
import { type Line, Witnesses } from "./witnesses.ts";

const STORY_LIMIT_MS = 180_000;
const RUN_MS = 2_500; // Longer than two of the intervals of a second.

interface Row {
  occurrence: string;
  outcome: string;
  count: number;
  jobId: string | null;
}

interface Replayed {
  ledger: { occurrences: number; same: number; differences: unknown[] };
}

/** What its occurrences become, as letters: F and L for a run, S for none, P for one that waits, M for missed ones. */
const PATTERNS: Record<OverlapPolicy, RegExp> = {
  skip: /^[FL](SS+[FL])+S*$/,
  allow: /^[FL]+$/,
  "buffer-one": /^[FL]L[SLP]*SS*[LP][SLP]*$/,
  "buffer-all": /^[FL]L+P*$/,
  "cancel-other": /^[FLS]+P?$/,
  "terminate-other": /^[FL]+$/,
};

test(
  "all six: what became of each occurrence, beside what the plugin saw",
  async () => {
    await using story = await Story.begin(OVERLAP_POLICIES);
    await story.place.until("eight occurrences of each", async () => {
      const counts = await Promise.all(OVERLAP_POLICIES.map(async (mode) => (await story.rows(mode)).length));
      return counts.every((count) => count >= 8);
    });
    await story.pauseAll();
    for (const mode of OVERLAP_POLICIES)
      expect(`${mode} ${await story.letters(mode)}`).toMatch(withMode(mode));

    const most = new Map(OVERLAP_POLICIES.map((mode) => [mode, mostAtOnce(story.lines(mode))]));
    expect(most.get("skip")).toBe(1);
    expect(most.get("buffer-one")).toBe(1);
    expect(most.get("buffer-all")).toBe(1);
    expect(most.get("cancel-other")).toBe(1);
    expect(most.get("allow")).toBeGreaterThan(1);
    // Asked to end by the next one; each is over before that one begins.
    expect(story.lines("cancel-other").filter(({ what }) => what === "end").length).toBeGreaterThan(3);
    await story.isReplayed(OVERLAP_POLICIES);
  },
  STORY_LIMIT_MS,
);

test(
  "skip and buffer-one over a kill -9: never two at once, every occurrence has its outcome",
  async () => {
    const modes = ["skip", "buffer-one"] as const;
    await using story = await Story.begin(modes);
    const { place } = story;
    for (let kills = 0; kills < 2; kills++) {
      const before = story.begun();
      await story.witnesses.wrote("that both run", () =>
        modes.every((mode) => story.begun(mode) > (before.get(mode) ?? 0)),
      );
      await place.host.crash();
      await place.start();
      await place.working();
    }
    const before = story.begun();
    await story.witnesses.wrote("three more of each", () =>
      modes.every((mode) => story.begun(mode) > (before.get(mode) ?? 0) + 2),
    );
    await story.pauseAll();
    for (const mode of modes) {
      expect(mostAtOnce(story.lines(mode))).toBe(1);
      expect(await story.letters(mode)).toMatch(/^[FLSPCM]+$/);
    }
    await story.isReplayed(modes);
    expect(await place.json("schedule", "verify", "--all")).toMatchObject({ dup: 0, gap: 0 });
  },
  STORY_LIMIT_MS,
);

/** A host with a schedule of a second for each mode, whose runs take longer than that. */
class Story implements AsyncDisposable {
  readonly witnesses = new Witnesses({ python: false, children: false });
  readonly #ids = new Map<OverlapPolicy, string>();
  readonly startedAt = new Date();

  static async begin(modes: readonly OverlapPolicy[]): Promise<Story> {
    const story = new Story();
    await story.place.start();
    await story.place.working();
    for (const overlap of modes) {
      const obeys = overlap === "cancel-other" || overlap === "terminate-other";
      const definition = {
        name: overlap,
        overlap,
        every: "1s",
        handler: obeys ? "witness.hold" : "witness.work",
      };
      const { id } = await story.place.call<{ id: string }>("schedule.create", {
        ...definition,
        payload: { ms: RUN_MS },
      });
      story.#ids.set(overlap, id);
    }
    return story;
  }

  get place() {
    return this.witnesses.place;
  }

  async rows(mode: OverlapPolicy): Promise<Row[]> {
    const page = { id: this.#ids.get(mode), limit: 1_000 };
    return (await this.place.call<{ occurrences: Row[] }>("schedule.ledger", page)).occurrences;
  }

  async letters(mode: OverlapPolicy): Promise<string> {
    const rows = await this.rows(mode);
    return rows.map(({ outcome, count }) => (LETTERS[outcome] ?? "?").repeat(count)).join("");
  }

  /** What the plugin wrote of a schedule's runs. */
  lines(mode: OverlapPolicy): Line[] {
    return this.witnesses.lines().filter(({ scheduleId }) => scheduleId === this.#ids.get(mode));
  }

  begun(): Map<OverlapPolicy, number>;
  begun(mode: OverlapPolicy): number;
  begun(mode?: OverlapPolicy): number | Map<OverlapPolicy, number> {
    if (mode === undefined) return new Map([...this.#ids.keys()].map((each) => [each, this.begun(each)]));
    return this.lines(mode).filter(({ what }) => what === "start").length;
  }

  async pauseAll(): Promise<void> {
    for (const id of this.#ids.values()) await this.place.call("schedule.pause", { id });
  }

  /** The ledger says what the decision says of the same runs, one by one. */
  async isReplayed(modes: readonly OverlapPolicy[]): Promise<void> {
    const span = { from: this.startedAt.toISOString(), to: new Date().toISOString() };
    for (const mode of modes) {
      const request = { ids: [this.#ids.get(mode)], ...span, durations: "replay" };
      const { ledger } = await this.place.call<Replayed>("schedule.simulate", request);
      expect({ mode, differences: ledger.differences }).toEqual({ mode, differences: [] });
      expect(ledger.same).toBe(ledger.occurrences);
      expect(ledger.occurrences).toBeGreaterThan(4);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.witnesses[Symbol.asyncDispose]();
  }
}

const LETTERS: Record<string, string> = {
  fired: "F",
  "fired-late": "L",
  "skipped-overlap": "S",
  pending: "P",
  paused: "P",
  "caught-up": "C",
  coalesced: "M",
};

function withMode(mode: OverlapPolicy): RegExp {
  return new RegExp(`^${mode} ${PATTERNS[mode].source.slice(1)}`);
}

/** How many ran at once at most. What a killed process began, ended with it. */
function mostAtOnce(lines: readonly Line[]): number {
  const open = new Map<string, number>();
  let most = 0;
  for (const { what, id = "", pid } of lines) {
    for (const [other, of] of open) if (of !== pid) open.delete(other);
    if (what === "start") open.set(id, pid);
    if (what === "end") open.delete(id);
    most = Math.max(most, open.size);
  }
  return most;
}
