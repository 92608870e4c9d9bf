/**
 * ix-json: polls JSON documents on the web into attestations.
 *
 * What it does not have is a ticker: each poll is a schedule of the host, made
 * when somebody activates it, so it survives restarts, shows in the panel and
 * can be paused there. The handler `ix-json.poll` is one run of one poll.
 */
import { definePlugin } from "../../../sdk/typescript/qntx.ts";
import { poll } from "./poll-job.ts";
import { routes } from "./routes.ts";

export default definePlugin({
  name: "ix-json",
  version: "0.1.0",
  description: "Polls JSON documents on the web into attestations, each poll on its own schedule.",
  capabilities: ["cap:scheduler.manage"],
  jobs: {
    poll: {
      run: poll,
      description: "Fetches a JSON document and writes what has changed as attestations.",
    },
  },
  http: routes,
});
