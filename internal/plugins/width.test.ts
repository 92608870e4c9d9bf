import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { Width } from "./width.ts";

/** A plugin that answers Health after so long, or after the job that runs. */
function plugin(answersAfterMs: number | "the job") {
  const env = new FakeEnv();
  let end = () => {};
  const width = new Width(env, {
    jobsMax: 4,
    ask: () =>
      new Promise((resolve) => {
        if (answersAfterMs !== "the job") env.after(answersAfterMs, () => resolve(true));
      }),
  });
  return {
    width,
    async job(ms: number): Promise<number> {
      const ended = new Promise<void>((resolve) => (end = resolve));
      void width.watch(ended);
      await env.advance(ms);
      end();
      await env.advance(1);
      return width.jobs;
    },
  };
}

test("it starts with one job", () => {
  expect(plugin(1).width.jobs).toBe(1);
});

test.each([
  // Health is answered          the jobs, in ms      jobs at once after each
  [1, [10], [4]],
  [1, [1_000], [4]],
  ["the job", [10], [4]],
  ["the job", [1_000], [1]],
  ["the job", [10, 1_000, 10, 10], [4, 1, 1, 1]],
  [2_000, [1_000, 10, 3_000, 10], [1, 1, 4, 4]],
] as const)("answering Health after %s, jobs of %j ms give %j", async (answersAfter, jobs, widths) => {
  const { job } = plugin(answersAfter);
  const seen: number[] = [];
  for (const ms of jobs) seen.push(await job(ms));
  expect(seen).toEqual([...widths]);
});
