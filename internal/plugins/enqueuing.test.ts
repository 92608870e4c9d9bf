/** What plugins enqueue by their job stream: whose it is, and what they hear of it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { HostSide } from "./open.ts";
import { Harness } from "./testdata/harness.ts";

setDefaultTimeout(60_000); // Real processes on a loaded machine.

const FIXTURES = join(import.meta.dir, "testdata");

type Asked = Parameters<HostSide["enqueue"]>;

async function passed(answer: Awaited<ReturnType<HostSide["enqueue"]>>) {
  const asked: Asked[] = [];
  const enqueue: HostSide["enqueue"] = async (...call) => {
    asked.push(call);
    return answer;
  };
  await using host = new Harness({ enabled: ["echo"], paths: [FIXTURES], enqueue });
  await host.state("echo", "ready");
  await host.plugins.settled;
  const outcome = await host.attempt("echo.pass", JSON.stringify({ a: 1 })).outcome;
  return { asked, outcome };
}

test("they are asked of the host with the token of the process, and the job hears what became of them", async () => {
  const job = { id: "JB_1", state: "queued", created: true };
  const { asked, outcome } = await passed({
    response: { jobs: [job] },
    code: "",
    message: "",
    faults: undefined,
  });
  expect(asked).toMatchObject([
    ["echo-1", { jobs: [{ handler: "echo.say", payload: Buffer.from('{"a":1}') }] }],
  ]);
  expect(outcome).toMatchObject({ kind: "completed" });
});

test("a refusal ends the job that does not mind it, with the host's sentence", async () => {
  const { outcome } = await passed({
    response: undefined,
    code: "PERMISSION_DENIED",
    message: "Plugin echo lacks cap:queue.enqueue.",
    faults: undefined,
  });
  expect(outcome).toMatchObject({ kind: "failed", message: "Plugin echo lacks cap:queue.enqueue." });
});
