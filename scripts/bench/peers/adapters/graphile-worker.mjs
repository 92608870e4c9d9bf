/** graphile-worker with its local queue, and completions that are written together. */
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const CONCURRENCY = 24;
const FETCHED = 1_000;
const TOGETHER_MS = 50;

export async function open({ place: { url } }) {
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  const worker = {
    concurrentJobs: CONCURRENCY,
    maxPoolSize: CONCURRENCY,
    localQueue: { size: FETCHED },
    completeJobBatchDelay: TOGETHER_MS,
    failJobBatchDelay: TOGETHER_MS,
  };
  return {
    add: (payload) => utils.addJob("job", payload),
    addMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "job", payload }))),
    work: (handler) =>
      run({
        connectionString: url,
        logger,
        noHandleSignals: true,
        preset: { worker },
        taskList: { job: async (payload) => handler(payload) },
      }),
  };
}
