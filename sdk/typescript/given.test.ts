import { expect, test } from "bun:test";
import { finishOfError } from "./ending.ts";
import { HostError } from "./host-error.ts";
import { connectHost } from "./host.ts";
import { createPluginLog } from "./log.ts";
import { type Host, Snooze } from "./qntx.ts";

/** A host that nobody is: what is refused here was never sent. */
const { host } = connectHost(
  { address: "", token: "", config: {} },
  { log: createPluginLog(() => {}), setJobs: async () => {} },
);
const loose = (given: object) => given as never; // As plugins are run: without their types being checked.

const rows: [string, (host: Host) => Promise<unknown>, Record<string, string>][] = [
  [
    "a fraction where the wire has none",
    ({ queue }) => queue.enqueue("p.go", {}, { priority: 1.5, maxAttempts: 3e9 }),
    {
      priority: "must be a whole number of at most 2147483647, and is 1.5.",
      maxAttempts: "must be a whole number of at most 2147483647, and is 3000000000.",
    },
  ],
  [
    "a misspelt option of a job",
    ({ queue }) => queue.enqueueMany([loose({ handler: "p.go", prority: 3 })]),
    {
      prority: expect.stringMatching(/^is not a field of a job to enqueue\. It has id, priority, /) as never,
    },
  ],
  [
    "a misspelt field of a schedule",
    ({ scheduler }) => scheduler.create(loose({ handler: "p.go", cron: "@daily", timeZone: "Europe/Paris" })),
    { timeZone: expect.stringMatching(/^is not a field of a new schedule\. It has .*timezone/) as never },
  ],
  [
    "what a change cannot change",
    ({ scheduler }) => scheduler.update("s", loose({ paused: true })),
    { paused: expect.stringMatching(/^is not a field of a change of a schedule\. /) as never },
  ],
  [
    "an interval as a number",
    ({ scheduler }) => scheduler.create(loose({ handler: "p.go", every: 3600, paused: "no" })),
    { every: "must be text, and is 3600.", paused: 'must be true or false, and is "no".' },
  ],
  [
    "metadata that are no texts",
    ({ scheduler }) => scheduler.create(loose({ handler: "p.go", every: "1h", metadata: { a: 1 } })),
    { metadata: "must be an object of texts, and is { a: 1 }." },
  ],
  [
    "a text for a list",
    ({ http }) => http.fetch("https://example.org", loose({ subjects: "a" })),
    { subjects: 'must be a list of texts, and is "a".' },
  ],
  [
    "a number among texts",
    ({ ats }) => ats.create(loose({ subjects: ["a", 5] })),
    { subjects: "must be a list of texts, and is [ 'a', 5 ]." },
  ],
  [
    "a time that is none",
    ({ ats }) => ats.query({ timeStart: Number.NaN }),
    { timeStart: "must be a whole number, and is NaN." },
  ],
];

test.each(rows)("%s is refused before it is sent, by its name", async (_, call, fieldErrors) => {
  const refusal = await call(host).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(HostError);
  expect(refusal).toMatchObject({ code: "validation", fieldErrors });
});

test("a snooze of more than the wire can say is the longest one", () => {
  const job = { start: { jobId: "j", fence: 1 }, costSum: 0, aborted: undefined };
  expect(finishOfError(job as never, new Snooze(1e300)).error).toMatchObject({
    retryAfterMs: Number.MAX_SAFE_INTEGER,
  });
});
