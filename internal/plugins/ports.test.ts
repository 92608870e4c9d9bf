import { expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { FakeEnv } from "../base/fake-env.ts";
import { isFree, PORT_FIRST, Ports, PORTS_COUNT } from "./ports.ts";

const SEED = { seed: 7 };

/** Listens on a port, or finds that somebody does. */
function occupy(port: number): Promise<Disposable> {
  return new Promise((resolve) => {
    const server: Server = createServer();
    const held = { [Symbol.dispose]: () => void server.close() };
    server.once("error", () => resolve(held));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => resolve(held));
  });
}

test("ports that are asked for side by side are different ones", async () => {
  const ports = new Ports(new FakeEnv());
  await using held = new AsyncDisposableStack();
  const taken = await Promise.all(Array.from({ length: 50 }, () => ports.take()));
  for (const each of taken) held.use(each);
  expect(new Set(taken.map(({ port }) => port)).size).toBe(50);
  for (const { port } of taken) {
    expect(port).toBeGreaterThanOrEqual(PORT_FIRST);
    expect(port).toBeLessThan(PORT_FIRST + PORTS_COUNT);
  }
});

test("a port that somebody listens on is passed over", async () => {
  const first = await takenByChance();
  using _ = await occupy(first);
  using next = await new Ports(new FakeEnv(SEED)).take();
  expect(next.port).not.toBe(first);
});

test("two hosts that reach for the same port get different ones, although neither's plugin listens yet", async () => {
  using mine = await new Ports(new FakeEnv(SEED)).take();
  using theirs = await new Ports(new FakeEnv(SEED)).take();
  expect(theirs.port).not.toBe(mine.port);
  expect([await isFree(mine.port), await isFree(theirs.port)]).toEqual([true, true]);
});

/** What a host would be given, and gave back. */
async function takenByChance(): Promise<number> {
  using taken = await new Ports(new FakeEnv(SEED)).take();
  return taken.port;
}
