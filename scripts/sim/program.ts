/**
 * Program: a plugin as it is on its own side: it is given tasks, talks, answers, is
 * asked to end them and may be deaf to that, says an answer twice, forgets handlers,
 * hangs, and falls over. It does not stand still when its host does.
 */
import type { Outcome } from "../../internal/job/outcome.ts";
import { failure } from "./attempts.ts";
import { type Course, DISOWNS, type Task } from "./course.ts";
import type { Scene } from "./scene.ts";
import type { Owner } from "./world.ts";

/** What a program says on its way to the host. */
export interface Mouth {
  /** `part` counts what was said of a task. */
  talk(task: Task, part: number): void;
  answer(task: Task, outcome: Outcome): void;
}

const AGAIN_MAX_MS = 5_000; // So long after an answer it may come once more.
const STRAY_SHARE = 0.05;

export class Program implements Owner {
  readonly frozenUntil = 0;
  readonly #scene: Scene;
  readonly #host: Owner;
  readonly #isInOrder: boolean;
  readonly #mouth: Mouth;
  readonly #die: () => void;
  readonly #tasks = new Set<Task>();
  readonly #disowned = new Set<string>();
  readonly #waiting: Task[] = [];
  #over = false;

  constructor(
    scene: Scene,
    host: Owner,
    { isInOrder, mouth, die }: { isInOrder: boolean; mouth: Mouth; die: () => void },
  ) {
    this.#scene = scene;
    this.#host = host;
    this.#isInOrder = isInOrder;
    this.#mouth = mouth;
    this.#die = die;
  }

  /** A host that dies takes its plugins with it. */
  get alive(): boolean {
    return this.#host.alive && !this.#over;
  }

  /** True while it would answer no other call. */
  get isBusy(): boolean {
    return this.#isInOrder && this.#tasks.size > 0;
  }

  get hasTasks(): boolean {
    return this.#tasks.size > 0;
  }

  get disowns(): boolean {
    return this.#disowned.size > 0;
  }

  /** Its process is gone. */
  end(): void {
    this.#over = true;
  }

  /** From now on it says of a handler that it has never heard of it, until it starts again. */
  disown(handler: string): void {
    this.#disowned.add(handler);
  }

  start(task: Task): void {
    if (this.isBusy) this.#waiting.push(task);
    else this.#begin(task);
  }

  /** It is asked to end a task. */
  cancel(jobId: string, fence: number): void {
    const waits = this.#waiting.findIndex((each) => each.jobId === jobId && each.fence === fence);
    if (waits >= 0) return void this.#waiting.splice(waits, 1);
    const task = [...this.#tasks].find((each) => each.jobId === jobId && each.fence === fence);
    if (!task || this.#scene.isDeaf()) return;
    const { plugins } = this.#scene.dice;
    // What it answers to that does not count, whatever it is.
    const ending: Outcome = plugins.chance(0.5)
      ? failure({ message: "told to end" })
      : { kind: "completed", result: null, cost: 0 };
    this.#later(plugins.between(1, 500), "plugin obeys", () => this.#answer(task, ending));
  }

  #begin(task: Task): void {
    this.#tasks.add(task);
    const course = this.#disowned.has(task.handler) ? DISOWNS : this.#scene.courseOf(task);
    const { plugins } = this.#scene.dice;
    for (let part = 1; part <= course.says; part++) {
      const atMs = Math.floor((course.afterMs * part) / course.says) - plugins.between(0, 1);
      this.#later(atMs, "plugin talks", () => this.#tasks.has(task) && this.#mouth.talk(task, part));
    }
    this.#later(course.afterMs, `plugin ${course.does}`, () => this.#act(task, course));
  }

  #act(task: Task, { does, outcome, says }: Course): void {
    if (!this.#tasks.has(task) || does === "hang") return;
    if (does === "crash") return this.#die();
    this.#answer(task, outcome);
    this.#stray(task, outcome, says);
  }

  #answer(task: Task, outcome: Outcome): void {
    if (!this.#tasks.delete(task)) return;
    this.#mouth.answer(task, outcome);
    const next = this.#waiting.shift();
    if (next) this.#begin(next);
  }

  /** Now and then it says something of a task that is over: nobody may hear it. */
  #stray(task: Task, outcome: Outcome, says: number): void {
    const { plugins } = this.#scene.dice;
    if (!plugins.chance(STRAY_SHARE)) return;
    const afterMs = plugins.pick([1, 50, AGAIN_MAX_MS]);
    this.#later(plugins.between(0, afterMs), "plugin says it again", () => {
      this.#mouth.talk(task, says + 1);
      this.#mouth.answer(task, plugins.chance(0.5) ? outcome : failure({ message: "a second answer" }));
    });
  }

  #later(afterMs: number, label: string, work: () => void): void {
    this.#scene.world.later(afterMs, label, () => this.alive && work(), this);
  }
}
