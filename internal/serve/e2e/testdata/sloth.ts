/** A ScheduledPlugin for tests, the same as sloth.py: its name says which of its calls takes too long. */
import { defineScheduledPlugin, type Job } from "qntx";

const name = process.env["QNTX_PLUGIN_NAME"] ?? "";
const never = () => new Promise<never>(() => {});

export default defineScheduledPlugin({
  name,
  version: "1.0.0",
  maxAttempts: 1,
  async schedules() {
    if (name === "slow-describe") await never();
    return [
      { id: "usual", when: "1s" },
      { id: "short", when: "1s", timeoutMs: 300 },
    ];
  },
  run: ({ signal }: Job) =>
    new Promise((_, refuse) => {
      signal.addEventListener("abort", () => refuse(signal.reason)); // As all that listens to its signal does.
    }),
  async cleanup() {
    if (name === "slow-cleanup") await never();
  },
});
