/** What a command makes of the answers of a host, also of those that no host should give. */
import { expect, test } from "bun:test";
import { Fault } from "../../internal/base/fault.ts";
import { openClient } from "./client.ts";
import { exitCodeOf } from "./exit.ts";
import { testWorld } from "./world-for-tests.ts";

/** Calls a host that gives this answer, and returns what came of it. */
async function callOne(answer: () => Response): Promise<unknown> {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  const world = testWorld({ vars: { QNTX_TOKEN: "t" } });
  const globals = {
    json: false,
    quiet: false,
    color: false,
    help: false,
    home: undefined,
    config: undefined,
    server: `http://127.0.0.1:${server.port}`,
  };
  await using client = await openClient(world, globals);
  return await client.call("job.enqueue", {}).catch((error: unknown) => error);
}

const refusal = (code: string) => () =>
  Response.json({ error: { code, message: "no", hint: null, fields: [] } }, { status: 500 });

test.each([
  // is                              answer                                             exit code
  ["a refusal of ours", refusal("conflict"), 5],
  ["a mistake in the host", refusal("internal"), 1],
  ["a word of a newer host", refusal("toString"), 1],
  ["an answer that was cut", () => new Response('{"id": "JB_', { status: 200 }), 6],
  ["a call that was too large", () => new Response("", { status: 413 }), 2],
  ["no answer of ours", () => new Response("<html>", { status: 502 }), 6],
] as const)("%s is a Fault, and never a success", async (_, answer, code) => {
  const error = await callOne(answer);
  expect(error).toBeInstanceOf(Fault);
  expect(exitCodeOf(error)).toBe(code);
});
