/** When the reconciler looks, and what it does with what it finds. */
import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import type { Log } from "../base/log.ts";
import type { Repaired } from "../store/ledger.ts";
import { ClockGuard } from "./clock-guard.ts";
import { Reconciler } from "./reconciler.ts";

const MINUTE = 60_000;

const REPAIRED: Repaired = {
  damage: { kind: "idle", scheduleId: "SC_1", node: "" },
  repair: "restarted",
  sentence: "It was idle. It goes on.",
};

/** A reconciler whose ledger answers with what is left of `answers`, then with nothing. */
function start(answers: (Repaired[] | Error)[]) {
  const env = new FakeEnv();
  const clock = new ClockGuard(env, null);
  const said: string[] = [];
  let looks = 0;
  let nudges = 0;
  const say = (message: string) => void said.push(message);
  const log: Log = { debug() {}, info: say, warn: say, error: say };
  const repair = async () => {
    looks += 1;
    const answer = answers.shift() ?? [];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const stop = new AbortController();
  const reconciler = new Reconciler({ env, log, clock, ledger: { repair }, onRepaired: () => void nudges++ });
  const ended = reconciler.run({ stop: stop.signal, abort: stop.signal });
  const end = async () => {
    stop.abort();
    await ended;
  };
  return { env, said, end, looks: () => looks, nudges: () => nudges };
}

test("it looks at the start and every two minutes, and says nothing when nothing is wrong", async () => {
  const { env, said, end, looks, nudges } = start([]);
  await env.advance(0);
  expect(looks()).toBe(1);
  await env.advance(10 * MINUTE);
  expect(looks()).toBe(6);
  expect([said, nudges()]).toEqual([[], 0]);
  await end();
});

test("what it repairs it says, wakes who waits, and looks again at once, because there may be more", async () => {
  const { env, said, end, looks, nudges } = start([[REPAIRED, REPAIRED], [REPAIRED]]);
  await env.advance(1_000);
  expect([looks(), nudges()]).toEqual([3, 2]);
  expect(said).toEqual(Array.from({ length: 3 }, () => REPAIRED.sentence));
  await end();
});

test("a store that fails is tried again, and said once", async () => {
  const { env, said, end, looks } = start([new Error("full"), new Error("full")]);
  await env.advance(5 * MINUTE);
  expect(looks()).toBe(3);
  expect(said).toHaveLength(2); // That it failed, and that it does no more.
  await end();
});

test("by a clock that is not believed nothing is repaired", async () => {
  const { env, end, looks } = start([]);
  await env.advance(0);
  env.jump(400 * 24 * 60 * MINUTE);
  await env.advance(5 * MINUTE);
  expect(looks()).toBe(1);
  await end();
});
