/** hello: the smallest plugin that does something. `hello.greet` greets who its payload names. */
import { definePlugin } from "qntx";

export default definePlugin({
  name: "hello",
  version: "0.1.0",
  jobs: {
    async greet(job) {
      const who = job.payload?.who ?? "world";
      job.log(`greeting ${who}`);
      job.progress(1, 1);
      return { greeting: `Hello, ${who}!` };
    },
  },
});
