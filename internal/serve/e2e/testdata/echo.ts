/** A plugin that speaks over WebSockets, in TypeScript: it gives back what it hears, and does what it is told to. */
import { definePlugin } from "qntx";

export default definePlugin({
  name: "echo",
  version: "1.0.0",
  capabilities: ["cap:http.fetch"],
  async websocket(socket, host) {
    await socket.send(`hello ${socket.query.get("who")} ${socket.headers.get("authorization")}`);
    for await (const message of socket) {
      const text = message.text();
      if (text === "end") return;
      if (text === "fail") throw new Error("the reason");
      if (text === "flood")
        for (let i = 0; i < 400 && !socket.signal.aborted; i++) await socket.send(new Uint8Array(65_536));
      if (text.startsWith("fetch ")) {
        const page = await host.http
          .fetch(text.slice("fetch ".length))
          .catch((error: Error) => ({ body: error.message }));
        await socket.send(page.body);
      } else await socket.send(message.bytes);
    }
    host.log(`gone ${socket.query.get("who")}`);
  },
});
