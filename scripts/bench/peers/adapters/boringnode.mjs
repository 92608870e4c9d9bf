/** @boringnode/queue on Redis, the first store of its documentation; on PostgreSQL its claims grow with what waits. */
import { Job, Locator, QueueManager, Worker } from "@boringnode/queue";
import { redis } from "@boringnode/queue/drivers/redis_adapter";

const CONCURRENCY = 10;

export async function open({ place: { port } }) {
  const worker = { concurrency: CONCURRENCY, idleDelay: "10ms" }; // 2 s where nothing is said.
  const config = {
    default: "bench",
    adapters: { bench: redis({ host: "127.0.0.1", port }) },
    locations: [],
    logger: quiet(),
    worker,
  };
  await QueueManager.init(config);
  let handler = () => {};
  class Bench extends Job {
    static options = { name: "Bench", queue: "default" };
    async execute() {
      handler(this.payload);
    }
  }
  Locator.register("Bench", Bench);
  return {
    add: (payload) => Bench.dispatch(payload).run(),
    addMany: (payloads) => Bench.dispatchMany(payloads).run(),
    async work(given) {
      handler = given;
      void new Worker(config).start(["default"]);
    },
  };
}

function quiet() {
  const logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
  return logger;
}
