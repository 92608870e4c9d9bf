/** A plugin whose schedule every node keeps for itself. */
import { definePlugin } from "qntx";

export default definePlugin({
  name: "ticks",
  version: "1.0.0",
  jobs: { tick: () => undefined },
  schedules: [{ id: "local", handler: "ticks.tick", when: "2s", locking: "node-local" }],
});
