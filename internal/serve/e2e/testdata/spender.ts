/** Handlers that cost what they are told to; one that is told to waits until a file is there. */
import { existsSync } from "node:fs";
import { definePlugin, type Job } from "qntx";

interface Payload {
  cost: number;
  until?: string;
}

async function spend(job: Job): Promise<string> {
  const { cost, until } = job.payload as unknown as Payload;
  const mayEnd = () => until === undefined || existsSync(until);
  while (!mayEnd()) await Bun.sleep(20);
  job.cost(cost);
  return "spent";
}

export default definePlugin({
  name: "spender",
  version: "1.0.0",
  jobs: { buy: spend, rent: spend, give: spend },
});
