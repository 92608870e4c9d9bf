/** What one plugin provides and another one calls: found, led there, and kept apart. */
import { expect, test } from "bun:test";
import { Place } from "./host.ts";
import { PYTHON_PATH, writeStranger } from "./python.ts";

const STORY_LIMIT_MS = 60_000;

const file = (...enabled: string[]) => `[plugin]\nenabled = ${JSON.stringify(enabled)}\nbundled = false\n`;

const LOOKS = `
import { definePlugin } from "qntx";
export default definePlugin({ name: "looker", version: "1.0.0", jobs: {
  look: ({ qntx: { services } }) => (["llm", "embedding", "vectorSearch", "search"] as const).filter((word) => services[word]),
} });`;
const TALKS = `
import grpc
from qntx import Plugin
plugin = Plugin("talker", version="1.0.0")
WORDS = ("llm", "embedding", "vector_search", "search")

@plugin.job("look")
def look(job):
    return [word for word in WORDS if getattr(plugin.host.services, word)]

@plugin.job("chat")
def chat(job):
    at = plugin.host.services.llm
    token = at.token if job.payload == "mine" else job.payload
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(at.address) as channel:
        try:
            return channel.unary_unary("/protocol.LLMService/Chat")(b"\\x12\\x05hello", metadata=metadata, timeout=20).decode()
        except grpc.RpcError as error:
            return error.code().name

plugin.run()
`;

test(
  "plugins of the SDKs are told of providers that come and go, and call them with their token alone",
  async () => {
    await using place = new Place(file("looker", "talker"));
    place.write("plugins/looker.ts", LOOKS);
    place.write("plugins/talker.py", TALKS);
    for (const name of ["oracle"]) writeStranger(place, name, "mind.py");
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    const run = async (handler: string, payload: unknown = null) =>
      (await place.ended(await place.enqueue(handler, payload))).result;
    const told = (...services: string[]) =>
      place.until(`to be told of ${services.join()}`, async () => {
        const now = [await run("looker.look"), await run("talker.look")];
        return now.every((each) => JSON.stringify(each) === JSON.stringify(services));
      });
    await told();
    place.write("qntx.toml", file("looker", "talker", "oracle"));
    expect((await place.cli(["config", "reload"])).code).toBe(0);
    await told("llm", "embedding");
    expect(await run("talker.chat", "mine")).toContain("oracle says: hello!");
    for (const token of ["", "forged"]) expect(await run("talker.chat", token)).toBe("UNAUTHENTICATED");

    // It is told of them, too, when it may use them again; and others when they may provide them.
    for (const [name, capability] of [
      ["looker", "cap:services.use"],
      ["oracle", "cap:services.provide"],
    ] as const) {
      await place.cli(["plugin", "revoke", name, capability]);
      await place.json("plugin", "restart", "looker");
      expect(await run("looker.look")).toEqual([]);
      await place.cli(["plugin", "grant", name, capability]);
      await told("llm", "embedding");
    }

    expect((await place.cli(["plugin", "disable", "oracle"])).code).toBe(0);
    await told();
    expect((await place.cli(["plugin", "enable", "oracle"])).code).toBe(0);
    await told("llm", "embedding");
    place.write("qntx.toml", file("looker", "talker"));
    expect((await place.cli(["config", "reload"])).code).toBe(0);
    await told();
  },
  STORY_LIMIT_MS,
);

test(
  "a plugin that provides a service is called by others through the host, and only by those who may",
  async () => {
    await using place = new Place(file("asker"));
    for (const name of ["asker", "oracle", "sibyl"]) writeStranger(place, name, "mind.py");
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    const run = async (handler: string, payload: unknown) =>
      (await place.ended(await place.enqueue(handler, payload))).result;
    const ask = (service: string, method: string, message: object, streams = false) =>
      run("asker.ask", { service, method, message, streams });
    const told = (services: string[]) =>
      place.until(`to be told of ${services.join()}`, async () => {
        const now = (await run("asker.told", {})) as { services: string[]; initializations: number };
        return now.services.join() === services.join() && now;
      });
    expect(await told([])).toMatchObject({ initializations: 1 });

    // A provider comes: who runs is told of it.
    place.write("qntx.toml", file("asker", "oracle", "sibyl"));
    expect((await place.cli(["config", "reload"])).code).toBe(0);
    await told(["llm", "embedding"]);
    expect(await ask("llm", "Chat", { 2: "hello" })).toEqual({ 1: "oracle says: hello!" });
    expect(await ask("llm", "Chat", { 2: "hello", 6: "sibyl" })).toEqual({ 1: "sibyl says: hello!" });
    expect(await ask("llm", "Chat", { 2: "riddle" })).toEqual(["RESOURCE_EXHAUSTED", "I am tired"]);
    expect(await ask("llm", "StreamChat", { 2: "one two three" }, true)).toEqual(
      ["one", "two", "three"].map((word) => ({ 1: word })),
    );
    expect(await ask("llm", "StreamChat", { 2: "one stop" }, true)).toEqual([
      "ABORTED",
      "I was told to stop",
    ]);

    // A token says who is calling, and is nobody else's affair.
    expect(await ask("embedding", "Embed", { 1: "mine", 2: "text" })).toEqual({ 1: "my token", 2: "text" });
    const refused = ["UNAUTHENTICATED", "invalid authentication token"];
    expect(await ask("embedding", "Embed", { 1: "forged", 2: "text" })).toEqual(refused);
    expect(await ask("embedding", "Cluster", { 1: "mine" })).toMatchObject([
      "UNIMPLEMENTED",
      expect.anything(),
    ]);

    // Who may not, and who is not there.
    await place.cli(["plugin", "revoke", "asker", "cap:services.use"]);
    expect(await ask("llm", "Chat", { 2: "hello" })).toEqual([
      "PERMISSION_DENIED",
      "Plugin asker lacks cap:services.use, and may not call protocol.LLMService. Grant it with: qntx plugin grant asker cap:services.use",
    ]);
    await place.cli(["plugin", "grant", "asker", "cap:services.use"]);
    await place.cli(["plugin", "stop", "oracle"]);
    expect(await ask("llm", "Chat", { 2: "hello" })).toEqual({ 1: "sibyl says: hello!" });
    await place.cli(["plugin", "stop", "sibyl"]);
    expect(await ask("llm", "Chat", { 2: "hello" })).toEqual([
      "UNAVAILABLE",
      "protocol.LLMService cannot be reached. It is provided by oracle, sibyl, and not ready.",
    ]);

    // At the next start it is known from the beginning.
    await place.host.stop();
    await place.start({ vars: { PATH: PYTHON_PATH } });
    await place.working();
    expect(await told(["llm", "embedding"])).toMatchObject({ initializations: 1 });
    expect(await ask("llm", "Chat", { 2: "again" })).toEqual({ 1: "oracle says: again!" });
    expect((await place.cli(["plugin", "show", "oracle"])).stdout).toMatch(/provides +llm, embedding/);
  },
  STORY_LIMIT_MS,
);
