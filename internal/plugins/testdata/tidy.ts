/** A plugin of our own SDK, for tests of the calls of its life: the words of its command line say how each goes. */
import { definePlugin } from "qntx";

const told = (word: string) => process.argv.includes(word);
const never = () => new Promise<never>(() => {});

export default definePlugin({
  name: "tidy",
  version: "1.0.0",
  priority: 7,
  async schedules() {
    if (told("describe-hangs")) await never();
    if (told("describe-throws")) throw new Error("no list today");
    if (told("describe-lies")) return [{ id: "a", handler: "stay", when: "" }];
    return [
      { id: "a", handler: "stay", when: "1h" },
      { id: "b", handler: "stay", when: "@daily", priority: -1, timeoutMs: 4_000 },
      { id: "c", handler: "nowhere", when: "1h" },
    ];
  },
  jobs: {
    stay: (job) =>
      new Promise<void>((resolve) => {
        job.signal.addEventListener("abort", () => {
          process.stdout.write("the run has ended\n");
          resolve();
        });
      }),
  },
  start() {
    if (told("start-throws")) throw new Error("no database");
  },
  stop: () => void process.stdout.write("stop was called\n"),
  async cleanup() {
    process.stdout.write("cleanup was called\n");
    if (told("cleanup-hangs")) await never();
    if (told("cleanup-blocks")) for (;;);
    if (told("cleanup-throws")) throw new Error("the table is locked");
  },
});
