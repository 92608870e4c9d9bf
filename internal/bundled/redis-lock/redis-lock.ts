/**
 * redis-lock: locks of a Redis server, for hosts that share no store. A host takes it
 * with `[locks] provider = "redis-lock"`; it is not started otherwise.
 *
 * It starts without Redis: while the server is away, each question is answered with
 * an error, and the host asks again.
 */
import { definePlugin, type Host } from "../../../sdk/typescript/qntx.ts";
import { RedisLocks } from "./locks.ts";

export default definePlugin({
  name: "redis-lock",
  version: "0.1.0",
  description: "Locks of a Redis server, for hosts that do not share a store.",
  locks: ({ config, log }) => new RedisLocks({ ...readConfig(config), log }),
});

const URL_DEFAULT = "redis://127.0.0.1:6379";
const PREFIX_DEFAULT = "qntx"; // Hosts with the same one share locks.

/** Reads `[redis-lock]`. Throws for a key that would do nothing; a wrong url is refused by who uses it. */
function readConfig(config: Host["config"]): { url: string; prefix: string } {
  const unknown = Object.keys(config).filter((key) => key !== "url" && key !== "prefix");
  if (unknown.length > 0)
    throw new Error(`[redis-lock] has no key ${unknown.join(", ")}; it has url and prefix`);
  return { url: config["url"] || URL_DEFAULT, prefix: config["prefix"] || PREFIX_DEFAULT };
}
