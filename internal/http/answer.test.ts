/** What a program reads of a refusal over HTTP, which is what the command line prints as JSON. */
import { expect, test } from "bun:test";
import { exceeded } from "../access/quota.ts";
import { silentLog } from "../base/log.ts";
import { faultAnswer } from "./answer.ts";

test("a limit that is reached is 429, with when to try again and which limit it is", async () => {
  const limit = "scheduleWritesPerMinute";
  const answer = faultAnswer(
    exceeded("demo", { limit, allows: 10, used: 10, retryAfterMs: 12_300 }),
    silentLog,
  );
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "13"]);
  expect(await answer.json()).toEqual({
    error: {
      code: "exhausted",
      message: "Plugin demo has changed schedules 10 times within a minute and may do so 10 times.",
      hint: "Try again in 13s. Change fewer of them. The limit is scheduleWritesPerMinute under [quota.demo] in qntx.toml.",
      fields: [],
      retryAfterMs: 12_300,
      limit: { name: limit, allows: 10, used: 10 },
    },
  });
});
