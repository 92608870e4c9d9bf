/** Makes schedules with a plugin's token, all at once, and prints how that ended: `creator.ts ADDRESS TOKEN COUNT`. */
import { connectHost } from "../../../../sdk/typescript/host.ts";
import { createPluginLog } from "../../../../sdk/typescript/log.ts";

const [address = "", token = "", count = ""] = process.argv.slice(2);
const { host, close } = connectHost(
  { address, token, config: {} },
  { log: createPluginLog(() => {}), setJobs: async () => {} },
);
const create = () => host.scheduler.create({ handler: "grasper.work", every: "1h" });
const ended = await Promise.all(
  Array.from({ length: Number(count) }, () => create().then(() => "made", String)),
);
close();
process.stdout.write(JSON.stringify(ended));
