/** A plugin that does with its storage what it is asked over HTTP. The same as keeper.py. */
import { definePlugin, HostError, type Host, type Json } from "qntx";

const ways: Record<string, (host: Host, asked: Json) => unknown> = {
  async get({ storage }, { key }) {
    const found = await storage.get(key);
    return found && { ...found, bytes: [...found.bytes] };
  },
  set: ({ storage }, { key, value, bytes, version, ttlMs }) =>
    storage.set(key, bytes ? new Uint8Array(bytes) : value, { version, ttlMs }),
  delete: ({ storage }, { key }) => storage.delete(key),
  list: ({ storage }, page) => storage.list(page),
  context: (host) => host.context(),
};

export default definePlugin({
  name: "keeper",
  version: "1.2.3",
  capabilities: ["cap:storage.kv"],
  http: {
    async "POST /ask"(request, host) {
      const { way, ...asked }: Json = await request.json();
      try {
        return Response.json({ said: (await ways[way]?.(host, asked)) ?? null });
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        const { code, message, fieldErrors, limit } = error;
        return Response.json({ refused: { code, message, fieldErrors, limit: limit ?? null } });
      }
    },
  },
});
