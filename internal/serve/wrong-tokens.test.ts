import { expect, test } from "bun:test";
import { FakeEnv } from "../base/fake-env.ts";
import { silentLog } from "../base/log.ts";
import { TELL_AGAIN_MS, WrongTokens } from "./wrong-tokens.ts";

function doors() {
  const env = new FakeEnv();
  const trail: string[] = [];
  const wrong = new WrongTokens(
    { env, log: silentLog },
    {
      async add({ principal, operation, subject, allowed, detail }) {
        trail.push(`${principal} ${operation} ${subject} ${allowed}: ${/\d+/.exec(detail)?.[0]}`);
      },
    },
  );
  return { env, trail, wrong };
}

test("each wrong token is counted, and the trail hears of a flood once a second, to its last", async () => {
  const { env, trail, wrong } = doors();
  for (let i = 0; i < 10_000; i++) wrong.note("services");
  wrong.note("http");
  expect(trail).toEqual(["nobody token.refuse services false: 1", "nobody token.refuse http false: 1"]);
  await env.advance(TELL_AGAIN_MS);
  expect(trail.slice(2)).toEqual(["nobody token.refuse services false: 10000"]);
  await env.advance(10 * TELL_AGAIN_MS);
  expect(trail).toHaveLength(3);
  wrong.note("http");
  expect(trail[3]).toBe("nobody token.refuse http false: 2");
  expect(wrong.counts).toEqual({ http: 2, services: 10_000 });
});

test("nothing is written once the store is about to close", async () => {
  const { env, trail, wrong } = doors();
  for (let i = 0; i < 2; i++) wrong.note("http");
  wrong.close();
  await env.advance(TELL_AGAIN_MS);
  wrong.note("services");
  expect(trail).toEqual(["nobody token.refuse http false: 1"]);
});
