/** Holds what a lock provider and those who ask it say to each other, with the example that keeps locks in a file. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HostError } from "./host-error.ts";
import { asked, Driver } from "./driver.ts";
import fileLocks from "./examples/file-locks.ts";
import { connectHost, type HostClient } from "./host.ts";
import { createPluginLog } from "./log.ts";
import { definePlugin, type Locks } from "./qntx.ts";

const TTL_MS = 60_000;

/** A served plugin as a host sees it: its locks, over the wire. */
class Provider implements AsyncDisposable {
  readonly locks: Locks;
  readonly driver: Driver;
  readonly #client: HostClient;

  static async start(
    definition: Parameters<typeof Driver.start>[0],
    config: Record<string, string> = {},
  ): Promise<Provider> {
    return new Provider(await Driver.start(definition, { config }));
  }

  constructor(driver: Driver) {
    this.driver = driver;
    this.#client = connectHost(
      { address: `127.0.0.1:${driver.plugin.port}`, token: "", config: {} },
      { log: createPluginLog(() => {}), setJobs: async () => {} },
    );
    this.locks = this.#client.host.locks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    await this.driver[Symbol.asyncDispose]();
  }
}

test("two processes of the example on one file give a lock once, with fences that grow", async () => {
  const folder = mkdtempSync(join(tmpdir(), "qntx-locks-"));
  {
    const config = { path: join(folder, "locks.db") };
    await using one = await Provider.start(fileLocks, config);
    await using other = await Provider.start(fileLocks, config);
    const ask = ({ locks }: Provider, holder: string, ttlMs = TTL_MS) =>
      locks.tryLock({ key: "k", ttlMs, holder });

    const first = await ask(one, "a");
    if (!("token" in first)) throw new Error("it was free");
    expect(await ask(other, "b")).toMatchObject({ holder: "a", leftMs: expect.any(Number) });
    const again = await ask(other, "a");
    if (!("token" in again)) throw new Error("it is its own");
    expect(again.fence).toBeGreaterThan(first.fence);
    expect(await one.locks.renew(first.token, TTL_MS)).toBe(false);
    expect(await one.locks.renew(again.token, TTL_MS)).toBe(true);
    expect(await other.locks.release(again.token)).toBe(true);
    expect(await other.locks.release(again.token)).toBe(false);
    expect(await ask(other, "b")).toMatchObject({ fence: again.fence + 1 });
  }
  rmSync(folder, { recursive: true });
});

test("what a provider throws reaches the host as a sentence", async () => {
  const broken = definePlugin({
    name: "broken",
    version: "1",
    locks: () => ({
      tryLock: () => Promise.reject(new Error("the vault is closed")),
      renew: () => Promise.reject(new Error("the vault is closed")),
      release: async () => true,
    }),
  });
  await using provider = await Provider.start(broken);
  const error = await provider.locks
    .tryLock({ key: "k", ttlMs: TTL_MS, holder: "a" })
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(HostError);
  expect(error).toMatchObject({ status: "UNAVAILABLE", message: "the vault is closed" });
});

test("only a plugin with locks says that it is a provider, and answers as one", async () => {
  const plain = definePlugin({ name: "plain", version: "1" });
  await using provider = await Provider.start(plain);
  const { service } = provider.driver;
  const described = await asked(service, service.describe, { hostVersion: "1" });
  expect(described.lockProvider).toBe(false);
  const error = await provider.locks.release("t").catch((thrown) => thrown);
  expect(error).toMatchObject({ status: "UNIMPLEMENTED" });
});
