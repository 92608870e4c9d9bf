/** Treasurer: sets budgets and takes them away, and leaves none that lasts for days when times are calm. */
import type { BudgetAmounts } from "../../internal/base/budget.ts";
import type { SimHost } from "./host.ts";
import type { Scene } from "./scene.ts";

const SCOPES = ["handler:a.work", "handler:a.few", "handler:b.work", "handler:g.work", "tenant:"] as const;
const BY = "operator:treasurer";
const LATENCY_MS = 5;
const AGAIN_MS = 2_000;

export class Treasurer {
  readonly #scene: Scene;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Works until times are calm. */
  start(): void {
    const { swarm, dice } = this.#scene;
    const { budgets } = dice;
    this.#scene.every(swarm.budgetMs, budgets, "treasurer", () => {
      const scope = budgets.pick(SCOPES);
      if (budgets.chance(0.3)) this.#ask(({ store }) => store.budgets.unset(scope));
      else this.#ask(({ store }) => store.budgets.set({ scope, amounts: this.#amounts() }, BY));
    });
  }

  /** From now on nobody waits for tomorrow. */
  release(): void {
    const { swarm, world, budgets } = this.#scene;
    if (swarm.budgetMs === null) return;
    for (const scope of budgets.slow) this.#ask(({ store }) => store.budgets.unset(scope));
    world.later(AGAIN_MS, "treasurer releases", () => this.release()); // What was asked before may come later.
  }

  #amounts(): BudgetAmounts {
    const { budgets } = this.#scene.dice;
    const calls = { callsPerMinute: budgets.pick([2, 10, 40]) };
    const cost = { costPerDay: budgets.pick([1.5, 6, 30]) };
    return budgets.pick<BudgetAmounts>([calls, cost, { ...calls, ...cost }]);
  }

  #ask(ask: (host: SimHost) => Promise<unknown>): void {
    const { world, host } = this.#scene;
    if (host) world.later(LATENCY_MS, "treasurer asks", () => void ask(host).catch(() => {}), host);
  }
}
