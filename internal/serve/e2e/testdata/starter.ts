/**
 * A plugin that takes as long to start as its configuration says, for ever if that is
 * "never". It is called as its file is, so that several can be made of it.
 */
import { basename } from "node:path";
import { definePlugin } from "qntx";

const name = basename(import.meta.path, ".ts");

export default definePlugin({
  name,
  version: "1.0.0",
  jobs: { work: (job) => ({ by: name, payload: job.payload ?? null }) },
  async start({ config: { delay = "0" } }) {
    if (delay === "never") await new Promise(() => {});
    await Bun.sleep(Number(delay));
  },
});
