/**
 * Characters: what the plugins of a world are like. Some speak the job stream, some take
 * one call a job, as those of QNTX do; one of these cannot say how many it takes and
 * answers one after the other. Some bring other limits each time they start.
 */
import type { Millis } from "../../internal/base/env.ts";
import type { HandlerOptions } from "../../internal/plugin/plugin.ts";
import { Dice } from "./dice.ts";

/** What a plugin of the world is like. */
export interface Character {
  name: string;
  wire: "stream" | "unary";
  /** Jobs at once; null: it does not say, and answers one call after the other. */
  concurrency: number | null;
  /** What it announces when it starts; `changing` where updates bring other limits. */
  handlers(dice: Dice, changing: boolean): HandlerOptions[];
  /** How long its process takes to be ready. */
  startMs: [Millis, Millis];
  /** True for one that nobody starts before times are calm: until then its jobs wait. */
  isLast?: boolean;
}

/** What a handler may take where nobody says. */
export const HANDLER_TIMEOUT_MS = 20_000;

/** Of one that does not say, as internal/plugins has it. */
export const CONCURRENCY_UNTOLD = 4;

const RATE = { count: 2, perMs: 10_000 }; // So slow that what a host forgets of it is seen when it comes back.

/** The plugins there are. `late` comes after the barrier. */
export const CHARACTERS: readonly Character[] = [
  {
    name: "alpha",
    wire: "stream",
    concurrency: 4,
    startMs: [50, 2_000],
    handlers: (dice, changing) => [
      handler("a.work", { concurrencyPerKey: changing ? dice.pick([1, 2, 3]) : null }),
      handler("a.few", { concurrency: 2, concurrencyPerKey: 2 }),
      handler("a.slow", {
        rate: changing ? dice.pick([RATE, { count: 1, perMs: 1_000 }, null]) : RATE,
        burst: 2,
      }),
    ],
  },
  {
    name: "beta",
    wire: "unary",
    concurrency: 1,
    startMs: [50, 2_000],
    handlers: () => [handler("b.work", { retry: { kind: "linear", baseMs: 300, maxMs: 700 } })],
  },
  {
    name: "gamma",
    wire: "stream",
    concurrency: 8,
    startMs: [50, 4_500],
    handlers: (dice, changing) => [
      handler("g.work", { concurrency: 3, maxAttempts: 2, timeoutMs: 8_000 }),
      handler("a.work", { concurrencyPerKey: changing ? dice.pick([1, 2]) : null }),
    ],
  },
  {
    name: "late",
    wire: "unary",
    concurrency: null,
    startMs: [2_000, 20_000],
    handlers: () => [handler("late.work", { rate: { count: 30, perMs: 10_000 }, burst: 5 })],
  },
  {
    name: "last",
    wire: "stream",
    concurrency: 8,
    startMs: [50, 1_000],
    handlers: () => [handler("last.work")],
    isLast: true,
  },
];

function handler(name: string, options: Partial<HandlerOptions> = {}): HandlerOptions {
  return {
    name,
    timeoutMs: HANDLER_TIMEOUT_MS,
    maxAttempts: null,
    concurrency: null,
    description: "",
    ...options,
  };
}

/** What handlers say of their jobs where nothing changes, by name: two plugins that offer the same say the same. */
export const HANDLERS_SAID: ReadonlyMap<string, HandlerOptions> = new Map(
  CHARACTERS.flatMap(({ handlers }) => handlers(new Dice(0, "said"), false)).map((said) => [said.name, said]),
);
