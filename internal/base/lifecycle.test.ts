/** How things that run are ended. */
import { expect, test } from "bun:test";
import { FakeEnv } from "./fake-env.ts";
import { aborted, runTogether, type Service } from "./lifecycle.ts";

const GRACE_MS = 10_000;
const never = () => new AbortController().signal;

function service(name: string, run: Service["run"]): Service {
  return { name, run };
}

test("quit stops everybody, and who ends in time is not aborted", async () => {
  const env = new FakeEnv();
  const quit = new AbortController();
  const seen: string[] = [];
  const polite = service("polite", async ({ stop, abort }) => {
    await aborted(stop);
    seen.push(abort.aborted ? "aborted" : "stopped");
  });
  const run = runTogether(env, [polite, polite], { quit: quit.signal, hurry: never() }, GRACE_MS);
  quit.abort();
  await run;
  expect(seen).toEqual(["stopped", "stopped"]);
});

test("who does not end is aborted after the grace, or at once when somebody hurries", async () => {
  for (const hurried of [false, true]) {
    const env = new FakeEnv();
    const [quit, hurry] = [new AbortController(), new AbortController()];
    let endedAt = -1;
    const stubborn = service("stubborn", async ({ abort }) => {
      await aborted(abort);
      endedAt = env.mono();
    });
    const run = runTogether(env, [stubborn], { quit: quit.signal, hurry: hurry.signal }, GRACE_MS);
    quit.abort();
    await env.advance(1_000);
    if (hurried) hurry.abort();
    await env.advance(GRACE_MS);
    await run;
    expect(endedAt).toBe(hurried ? 1_000 : GRACE_MS);
  }
});

test("one that fails ends the others, and its error is thrown", async () => {
  const env = new FakeEnv();
  const broken = service("broken", async () => {
    throw new Error("boom");
  });
  const other = service("other", ({ stop }) => aborted(stop));
  expect(runTogether(env, [broken, other], { quit: never(), hurry: never() }, GRACE_MS)).rejects.toThrow(
    "boom",
  );
});
