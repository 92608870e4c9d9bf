/**
 * A host with nothing but plugins, for tests: `host.ts HOME FOLDER PLUGIN`.
 * Prints `ready` with its plugin's state, and `gone` when its keeper is.
 */
import { usualQuota } from "../../access/quota.ts";
import { realEnv } from "../../base/env.ts";
import { silentLog } from "../../base/log.ts";
import { Redactor } from "../../base/redactor.ts";
import { Registry } from "../../pulse/registry.ts";
import { watchKeeper } from "../keeper.ts";
import { Plugins } from "../plugins.ts";
import { refuseToEnqueue, SELF } from "./harness.ts";

const [home = "", folder = "", plugin = ""] = process.argv.slice(2);
const plugins = new Plugins({
  env: realEnv,
  log: silentLog,
  home,
  hostVersion: "0.0.0-test",
  pythonPath: "",
  registry: new Registry(),
  enabled: [plugin],
  find: { paths: [folder], bundled: [], sections: {}, self: SELF },
  limits: { termMs: 500, drainMs: 100 },
  issueToken: () => "token",
  revokeToken: () => {},
  capabilitiesOf: () => new Set(),
  enqueue: refuseToEnqueue,
  quotaOf: () => usualQuota("trusted"),
  endpoint: () => "127.0.0.1:9",
  configOf: () => ({}),
  secretsOf: () => new Set(),
  redactor: new Redactor(),
  openServices: async () => ({ address: "127.0.0.1:9", close() {} }),
  declare: async () => {},
});
const isKept = watchKeeper(process.env, () => void plugins.killAll().then(() => process.exit(1)));

const quit = new AbortController();
let signals = 0;
process.on("SIGTERM", () => {
  signals++;
  quit.abort();
});
const run = plugins.run({ stop: quit.signal, abort: quit.signal });
await plugins.settled;
process.stdout.write(`ready ${process.pid} ${plugins.status(plugin).state} ${isKept ? "kept" : "alone"}\n`);
await run;
process.exit(40 + signals);
