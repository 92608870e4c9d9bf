/** A plugin as a process: how it is started, and every way in which it ends. */
import { afterAll, expect, test } from "bun:test";
import { credentials } from "@grpc/grpc-js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainPluginServiceClient, InitializeRequest } from "../../proto/gen/protocol/domain.ts";
import { asked } from "./driver.ts";

const room = mkdtempSync(join(tmpdir(), "qntx-role-"));
afterAll(() => rmSync(room, { recursive: true }));
const file = join(room, "plugin.ts");
await Bun.write(
  file,
  `export default { name: "hello", version: "1", start: (host) => console.log("started"), stop: () => console.log("bye") };`,
);

const code = `const { runPluginRole } = await import(${JSON.stringify(join(import.meta.dir, "role.ts"))}); await runPluginRole(process.argv.slice(1));`;
const spawn = (...args: string[]) =>
  Bun.spawn([process.execPath, "--no-install", "-e", code, "--", ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: {},
    cwd: room,
  });

/** A plugin's process whose port is known. */
async function startPlugin() {
  const child = spawn("--plugin-path", file, "--port", "0");
  const lines: string[] = [];
  const port = Promise.withResolvers<number>();
  const done = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      lines.push(...text.trim().split("\n"));
      const [, found] = /QNTX_PLUGIN_PORT=(\d+)/.exec(text) ?? [];
      if (found) port.resolve(Number(found));
    }
    port.reject(new Error(await child.stderr.text()));
  })();
  const client = new DomainPluginServiceClient(
    `127.0.0.1:${await port.promise}`,
    credentials.createInsecure(),
  );
  await asked(client, client.initialize, InitializeRequest.fromPartial({}));
  return { child, client, lines, done };
}

type Started = Awaited<ReturnType<typeof startPlugin>>;
const endings: [string, (plugin: Started) => unknown][] = [
  ["its stdin is closed", ({ child }) => child.stdin.end()],
  ["it gets SIGTERM", ({ child }) => child.kill("SIGTERM")],
  ["it gets SIGINT", ({ child }) => child.kill("SIGINT")],
  ["Shutdown is called", ({ client }) => asked(client, client.shutdown, {})],
];
test.each(endings)("the process stops its plugin and ends with 0 when %s", async (_, end) => {
  const plugin = await startPlugin();
  await end(plugin);
  expect(await plugin.child.exited).toBe(0);
  await plugin.done;
  plugin.client.close();
  expect(plugin.lines.slice(1)).toEqual(["started", "bye"]);
});

const wrong: [string, string[], string][] = [
  ["no path", ["--port", "0"], "--plugin-path FILE is missing.\n"],
  [
    "a bad port",
    ["--plugin-path", file, "--port", "many"],
    '--port is "many"; it must be a whole number up to 65535.\n',
  ],
  ["no such file", ["--plugin-path", "/nope.ts"], "There is no plugin at /nope.ts.\n"],
];
test.each(wrong)("%s ends the process with 1 and a sentence", async (_, args, sentence) => {
  const child = spawn(...args);
  expect([await child.exited, await child.stderr.text()]).toEqual([1, sentence]);
});
