/** Who may call a plugin, once its host has said who it is. */
import { expect, test } from "bun:test";
import { Metadata, status } from "@grpc/grpc-js";
import { PluginProcess } from "./testdata/process.ts";

const BOUND_MS = 30_000; // Only a broken build waits this long.

/** What a promise rejects with. Not `expect().rejects`: that waits in a loop of its own. */
const refusalOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test(
  "a host that says its token is the only one that may call from then on",
  async () => {
    await using plugin = new PluginProcess("testdata/probe.py");
    const said = (token: string) => {
      const metadata = new Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      return metadata;
    };
    const refused = { code: status.UNAUTHENTICATED, details: "Only the host of this plugin may call it." };
    await plugin.initialize({ authToken: "of-the-host" }, said("of-the-host"));
    expect(await refusalOf(plugin.glyphs())).toMatchObject(refused);
    expect(await refusalOf(plugin.shutdown())).toMatchObject(refused);
    expect(await refusalOf(plugin.initialize({ authToken: "another" }, said("another")))).toMatchObject(
      refused,
    );
    expect(await refusalOf(plugin.http("GET", "/"))).toMatchObject(refused);
    const socket = await plugin.webSocket("");
    await socket.ended;
    expect(socket.heard.items).toEqual([]);
    expect((await plugin.health()).healthy).toBe(true);
    await plugin.initialize({ authToken: "of-the-host" }, said("of-the-host"));
  },
  BOUND_MS,
);
