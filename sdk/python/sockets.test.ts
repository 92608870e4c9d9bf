/** WebSockets of a plugin with the Python SDK, by a real python process that is spoken to as a host does. */
import { expect, test } from "bun:test";
import { WebSocketMessage_Type as Type } from "../../proto/gen/protocol/domain.ts";
import { PluginProcess } from "./testdata/process.ts";

const PROBE = "testdata/probe.py";
const BOUND_MS = 30_000; // Generous: other tests run beside these, and each starts an interpreter.

test(
  "a plain function speaks over a WebSocket, is paced, and notices when the browser goes",
  async () => {
    await using plugin = new PluginProcess(PROBE);
    await plugin.initialize({});
    const { heard, ended, say } = await plugin.webSocket("a=1&b=%C3%BC");
    const hello = await heard.until(({ type }) => type === Type.DATA);
    expect(JSON.parse(hello.data.toString())).toEqual({ query: { a: "1", b: "ü" }, agent: "bun" });
    say({ type: Type.PING, timestamp: "1790000000123456789" });
    expect((await heard.until(({ type }) => type === Type.PONG)).timestamp).toBe("1790000000123456789");
    say({ type: Type.DATA, data: Buffer.from("much") });
    say({ type: Type.DATA, data: Buffer.from("bye") });
    const last = await heard.until(({ type }) => type === Type.CLOSE);
    expect(last.data.toString()).toBe("see you");
    await ended;
    const numbers = heard.items.filter(({ type }) => type === Type.DATA).slice(1);
    expect(numbers.map(({ data }) => Number(data.toString()))).toEqual([...Array(1_000).keys()]);

    for (const how of ["CLOSE", "cancel"]) {
      const gone = await plugin.webSocket("");
      await gone.heard.until(({ type }) => type === Type.DATA);
      if (how === "CLOSE") gone.say({ type: Type.CLOSE });
      else gone.cancel();
      await gone.ended;
    }
    let went = 0;
    await plugin.lines.until((line) => line.includes("the browser went") && ++went === 2);
  },
  BOUND_MS,
);
