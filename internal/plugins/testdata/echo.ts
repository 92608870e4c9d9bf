/** A plugin of our own SDK, for tests: jobs of every ending. */
import { definePlugin, PermanentError, RetryAfterError, Snooze } from "qntx";

export default definePlugin({
  name: "echo",
  version: "1.2.3",
  description: "Gives back what it was given.",
  jobs: {
    noop: () => undefined,
    say(job) {
      job.log("saying it", { times: 1 });
      job.progress(1, 2, "half");
      return job.payload;
    },
    wait: (job) =>
      new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason))),
    give: (job) => new Promise((resolve) => job.signal.addEventListener("abort", () => resolve("early"))),
    stay: () => new Promise(() => {}),
    fail() {
      throw new TypeError("it broke");
    },
    refuse() {
      throw new PermanentError("never");
    },
    later() {
      throw new RetryAfterError("not now", 1_234);
    },
    nap() {
      throw new Snooze(4_321);
    },
    pass: ({ payload, qntx }) => qntx.queue.enqueue("echo.say", payload),
    die: () => process.exit(7),
    grow: (job) => job.qntx.setJobs({ ...jobsOf(), grown: () => "grown" }),
  },
  http: { "GET /hello": () => new Response("hello", { headers: { "x-it": "yes" } }) },
});

function jobsOf() {
  return { noop: () => undefined };
}
