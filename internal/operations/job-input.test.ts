import { expect, test } from "bun:test";
import { jobEnqueueMany } from "./job.ts";

const job = { handler: "test.work" };

test.each<[string, unknown, boolean]>([
  ["a handler", { jobs: [job] }, true],
  ["a payload, and fields that are not said", { jobs: [{ ...job, payload: 1, id: undefined }] }, true],
  ["one of many that says more", { jobs: [job, { ...job, priority: 1 }] }, false],
  ["a field that there is not", { jobs: [{ ...job, prio: 1 }] }, false],
  ["a field of every object", { jobs: [JSON.parse('{"handler":"test.work","__proto__":1}')] }, false],
  ["a handler that is no text", { jobs: [{ handler: 1 }] }, false],
  ["no handler", { jobs: [{}] }, false],
  ["no object", { jobs: [null] }, false],
  ["something beside the jobs", { jobs: [job], more: 1 }, false],
  ["no job", { jobs: [] }, false],
  ["too many jobs", { jobs: Array.from({ length: 10_001 }, () => job) }, false],
  ["no list", { jobs: { length: 1, 0: job } }, false],
  ["nothing", undefined, false],
])("jobs that fit without a closer look would stand that too: %s", (_, input, fits) => {
  expect(jobEnqueueMany.fits?.(input)).toBe(fits);
  if (fits) expect(jobEnqueueMany.input.safeParse(input).success).toBe(true);
});
