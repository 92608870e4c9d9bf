/**
 * Plugins of one host, played at the Executor seam: slow, failing, deaf to their
 * cancellation, crashing alone and with what runs beside, late, forgetful about
 * their handlers. They start, register, leave and end in the order in which
 * internal/plugins does it. What they did they tell the oracle.
 */
import type { Millis } from "../../internal/base/env.ts";
import { aborted, type Service, type StopSignals } from "../../internal/base/lifecycle.ts";
import type { Outcome } from "../../internal/job/outcome.ts";
import type { HandlerOptions } from "../../internal/plugin/plugin.ts";
import type { Attempt, CancelReason, Executor, Registration } from "../../internal/pulse/executor.ts";
import type { Registry } from "../../internal/pulse/registry.ts";
import { type AttemptRecord, endingOfCancel, failure } from "./attempts.ts";
import type { Dice } from "./dice.ts";
import { resultOf } from "./job-oracle.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

/** What a plugin of the world is like. */
export interface Character {
  name: string;
  concurrency: number;
  handlers: readonly HandlerOptions[];
  /** How long its process takes to be ready. */
  startMs: [Millis, Millis];
}

const handler = (name: string, concurrency: number | null = null): HandlerOptions => ({
  name,
  timeoutMs: 20_000,
  maxAttempts: null,
  concurrency,
  description: "",
});

/** The plugins there are. `late` comes after the barrier; nobody ever brings `nobody.work`. */
export const CHARACTERS: readonly Character[] = [
  { name: "alpha", concurrency: 4, startMs: [50, 2_000], handlers: [handler("a.work"), handler("a.few", 2)] },
  { name: "beta", concurrency: 1, startMs: [50, 2_000], handlers: [handler("b.work")] },
  {
    name: "gamma",
    concurrency: 8,
    startMs: [50, 4_500],
    handlers: [handler("g.work", 3), handler("a.work")],
  },
  { name: "late", concurrency: 2, startMs: [2_000, 20_000], handlers: [handler("late.work")] },
];

const STARTUP_MS = 4_000; // How long the workers wait for all plugins.
const KILL_MS: [Millis, Millis] = [1, 30]; // From SIGKILL until the end is seen.
const DRAIN_MS = 5_000;

interface Held {
  attempt: Attempt;
  record: AttemptRecord;
  answer: (outcome: Outcome) => void;
}

/** One process of a plugin, from ready to its end. */
export class SimProcess implements Executor {
  readonly plugin: string;
  readonly version = "1";
  readonly concurrency: number;
  readonly #plugins: SimPlugins;
  readonly #scene: Scene;
  readonly #held = new Map<string, Held>();
  readonly #disowned = new Set<string>();
  #alive = true;
  #dying = false;

  constructor(plugins: SimPlugins, scene: Scene, { name, concurrency }: Character) {
    this.#plugins = plugins;
    this.#scene = scene;
    this.plugin = name;
    this.concurrency = concurrency;
  }

  get running(): number {
    return this.#held.size;
  }

  execute(attempt: Attempt): Promise<Outcome> {
    const { world, dice } = this.#scene;
    if (!this.#alive) return Promise.resolve({ kind: "returned" });
    if (attempt.signal.aborted) return Promise.resolve(endingOfCancel(reasonOf(attempt)));
    const record = this.#scene.attemptStarts(this, attempt, this.#dying);
    return new Promise((resolve, reject) => {
      const held: Held = { attempt, record, answer: resolve };
      this.#held.set(attempt.job.id, held);
      attempt.signal.addEventListener("abort", () => this.#aborted(held), { once: true });
      const course = this.#disowned.has(attempt.job.handler) ? DISOWNS : this.#scene.courseOf(attempt);
      if (course.says && dice.plugins.chance(0.5)) this.#talk(attempt);
      world.later(
        course.afterMs,
        `plugin ${course.does}`,
        () => this.#act(held, course, reject),
        this.#plugins.owner,
      );
    });
  }

  replace(): void {
    this.#dying = true;
    const { world, dice } = this.#scene;
    world.note(`replace ${this.plugin}`);
    world.later(
      dice.plugins.between(...KILL_MS),
      "plugin replaced",
      () => this.die("replaced"),
      this.#plugins.owner,
    );
  }

  /** Its process ends: the registry forgets it, then everything in it is lost. */
  die(cause: "crashed" | "replaced" | "stopped"): void {
    if (!this.#alive) return;
    this.#alive = false;
    const alone = cause === "crashed" && this.#held.size === 1;
    this.#scene.world.note(`${this.plugin} ${cause} with ${this.#held.size}`);
    this.#plugins.left(this, cause);
    for (const held of this.#held.values()) {
      const message = `plugin ${this.plugin} ${cause}`;
      if (held.attempt.signal.aborted) this.#end(held, endingOfCancel(reasonOf(held.attempt)));
      else this.#end(held, cause === "stopped" ? { kind: "returned" } : { kind: "lost", alone, message });
    }
  }

  /** From now on it says of one of its handlers that it has never heard of it, until it starts again. */
  disown(): void {
    const character = CHARACTERS.find(({ name }) => name === this.plugin);
    const forgotten = character && this.#scene.dice.plugins.any(character.handlers);
    if (!forgotten) return;
    this.#scene.world.note(`${this.plugin} disowns ${forgotten.name}`);
    this.#disowned.add(forgotten.name);
  }

  get disowns(): boolean {
    return this.#disowned.size > 0;
  }

  #act(held: Held, course: Course, reject: (error: Error) => void): void {
    if (!held.record.running) return;
    const { job, signal } = held.attempt;
    if (course.does === "crash") return this.die("crashed");
    if (course.does === "hang") return;
    if (course.does === "throw") {
      this.#held.delete(job.id);
      this.#scene.attempts.end(held.record, failure({ errorKind: "internal" }));
      return reject(new Error("the executor broke its promise"));
    }
    this.#end(held, signal.aborted ? endingOfCancel(reasonOf(held.attempt)) : course.outcome);
  }

  #aborted(held: Held): void {
    const { world, dice } = this.#scene;
    held.record.abortedAt = world.time;
    held.record.reason = reasonOf(held.attempt);
    if (!held.record.running || this.#scene.isDeaf(held.attempt)) return;
    // Some end as they are told, some by falling over.
    const ending = dice.plugins.chance(0.2) ? failure() : endingOfCancel(reasonOf(held.attempt));
    const obey = () => {
      if (held.record.running) this.#end(held, ending);
    };
    world.later(dice.plugins.between(1, 500), "plugin obeys", obey, this.#plugins.owner);
  }

  #end(held: Held, outcome: Outcome): void {
    this.#held.delete(held.attempt.job.id);
    this.#scene.attempts.end(held.record, outcome);
    held.answer(outcome);
    if (this.#scene.dice.plugins.chance(0.05)) {
      held.answer(failure({ message: "a second answer" })); // Nobody may hear it.
      this.#talk(held.attempt);
    }
  }

  #talk(attempt: Attempt): void {
    const { job } = attempt;
    attempt.progress({ current: job.fence, total: 100, message: `of ${job.id}` });
    attempt.log([{ at: 0, level: "info", message: `fence ${job.fence}`, stage: "", fields: "" }]);
  }
}

/** What an attempt is going to do. */
export interface Course {
  afterMs: Millis;
  does: "answer" | "crash" | "hang" | "throw";
  outcome: Outcome;
  says: boolean;
}

const DISOWNS: Course = { afterMs: 1, does: "answer", outcome: { kind: "disowned" }, says: false };

/** Draws what a plugin does with an attempt. In calm times everything works, but poison. */
export function drawCourse(
  dice: Dice,
  attempt: Attempt,
  rates: { slow: number; fail: number },
  poison: boolean,
): Course {
  const { job } = attempt;
  const afterMs = dice.chance(rates.slow) ? dice.between(500, 8_000) : dice.between(1, 60);
  const result = new TextEncoder().encode(resultOf(tokenOf(attempt), job.fence));
  const completed: Outcome = { kind: "completed", result, cost: 0 };
  if (poison) return { afterMs, does: "crash", outcome: completed, says: false };
  const answer = (outcome: Outcome): Course => ({ afterMs, does: "answer", outcome, says: true });
  if (!dice.chance(rates.fail)) return answer(completed);
  switch (dice.between(1, 8)) {
    case 1:
      return answer(failure({ permanent: true }));
    case 2:
      return answer(failure({ retryAfterMs: dice.between(1, 9_000) }));
    case 3:
      return answer({ kind: "snoozed", delayMs: dice.between(0, 9_000) });
    case 4:
      return { ...answer(completed), does: "crash" };
    case 5:
      return { ...answer(completed), does: "hang" };
    case 6:
      return { ...answer(completed), does: "throw" };
    default:
      return answer(failure());
  }
}

/** What its client called the job of an attempt. */
export function tokenOf({ job }: Attempt): string {
  return (JSON.parse(new TextDecoder().decode(job.payload)) as { token: string }).token;
}

/** All plugins of one host, as `Plugins` keeps them. */
export class SimPlugins implements Service {
  readonly name = "plugins";
  readonly owner: Owner;
  readonly settled: Promise<void>;
  readonly #scene: Scene;
  readonly #registry: Registry;
  readonly #onChange: () => void;
  readonly #processes = new Map<string, SimProcess>();
  #settle: () => void = () => {};
  #isSettled = false;
  #stopping = false;

  constructor(
    scene: Scene,
    owner: Owner,
    { registry, onChange }: { registry: Registry; onChange: () => void },
  ) {
    this.#scene = scene;
    this.owner = owner;
    this.#registry = registry;
    this.#onChange = onChange;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Those that are ready. */
  get processes(): readonly SimProcess[] {
    return [...this.#processes.values()];
  }

  async run({ stop, abort }: StopSignals): Promise<void> {
    for (const character of CHARACTERS) this.#start(character);
    this.#scene.world.later(STARTUP_MS, "plugins late", () => this.#settleNow(), this.owner);
    await aborted(stop);
    this.#stopping = true;
    await Promise.race([this.#idle(), aborted(abort)]);
    if (abort.aborted) await Promise.race([this.#idle(), this.#wait(DRAIN_MS)]);
    for (const process of this.#processes.values()) process.die("stopped");
  }

  /** A process is gone. Whoever wanted it starts another one. */
  left(process: SimProcess, cause: string): void {
    if (this.#processes.get(process.plugin) !== process) return;
    this.#processes.delete(process.plugin);
    this.#registry.unregister(process.plugin);
    this.#onChange();
    const character = CHARACTERS.find(({ name }) => name === process.plugin);
    if (character && !this.#stopping) this.#start(character, cause === "replaced" ? 0 : this.#pauseMs());
  }

  #pauseMs(): Millis {
    return this.#scene.dice.plugins.between(500, 3_000);
  }

  #start(character: Character, pauseMs = 0): void {
    const startMs = this.#scene.dice.plugins.between(...character.startMs);
    this.#scene.world.later(
      pauseMs + startMs,
      `start ${character.name}`,
      () => this.#ready(character),
      this.owner,
    );
  }

  #ready(character: Character): void {
    if (this.#stopping) return;
    this.#processes.set(character.name, new SimProcess(this, this.#scene, character));
    if (this.#isSettled) this.#register([character]);
    else if (this.#processes.size === CHARACTERS.length) this.#settleNow();
  }

  #settleNow(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#register(CHARACTERS);
    this.#settle();
  }

  #register(characters: readonly Character[]): void {
    const step = characters.flatMap(({ name, handlers }): Registration[] => {
      const executor = this.#processes.get(name);
      return executor ? [{ executor, handlers }] : [];
    });
    this.#registry.register(step);
    this.#scene.world.note(`registered ${step.map(({ executor }) => executor.plugin)}`);
    this.#onChange();
  }

  async #idle(): Promise<void> {
    while ([...this.#processes.values()].some(({ running }) => running > 0)) await this.#wait(20);
  }

  #wait(ms: Millis): Promise<void> {
    return new Promise((resolve) => this.#scene.world.later(ms, "plugins wait", resolve, this.owner));
  }
}

function reasonOf({ signal }: Attempt): CancelReason {
  return signal.reason as CancelReason; // RunningAttempt says so.
}
