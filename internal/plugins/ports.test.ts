import { expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { FakeEnv } from "../base/fake-env.ts";
import { PORT_FIRST, Ports, PORTS_COUNT } from "./ports.ts";

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
  const taken = await Promise.all(Array.from({ length: 50 }, () => ports.take()));
  expect(new Set(taken).size).toBe(50);
  for (const port of taken) {
    expect(port).toBeGreaterThanOrEqual(PORT_FIRST);
    expect(port).toBeLessThan(PORT_FIRST + PORTS_COUNT);
  }
});

test("a port that somebody listens on is passed over", async () => {
  const seed = { seed: 7 };
  const first = await new Ports(new FakeEnv(seed)).take();
  using _ = await occupy(first);
  expect(await new Ports(new FakeEnv(seed)).take()).not.toBe(first);
});
