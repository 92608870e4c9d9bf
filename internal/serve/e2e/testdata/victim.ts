/** A plugin that everybody needs: its schedules are due each second, and it keeps how late each run was. */
import { definePlugin } from "qntx";

const late: number[] = [];
const SCHEDULES = 10;

export default definePlugin({
  name: "victim",
  version: "1.0.0",
  jobs: {
    beat(job) {
      if (job.occurrence !== undefined) late.push(Date.now() - Date.parse(job.occurrence));
    },
    report: () => late.splice(0),
  },
  schedules: Array.from({ length: SCHEDULES }, (_, number) => ({
    id: `beat-${number}`,
    handler: "victim.beat",
    when: "1s",
  })),
});
