/** What may be said of a new job. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { newJob } from "../store/storetest/fixture.ts";
import { Folder } from "./fixture.ts";
import { jobEnqueueMany } from "./job.ts";

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
});
afterEach(() => folder.store.close());

const enqueue = (more: object) => folder.call("job.enqueue", { handler: "test.work", ...more });

test.each([
  ["a parent that is not there", { parentId: "nope" }, 'There is no job "nope".'],
  ["a policy for nothing to wait for", { waitPolicy: "fail" }, 'waitPolicy: "fail" has no effect'],
  ["the same beside an empty list", { waitPolicy: "fail", waitFor: [] }, 'waitPolicy: "fail" has no effect'],
  ["a time for no key", { uniqueFor: "1h" }, 'uniqueFor: "1h" has no effect'],
])("refused is %s", async (_, more, message) => {
  await expect(enqueue(more)).rejects.toThrow(message);
});

test("people may name a parent by the end of its id", async () => {
  const parent = newJob(folder.env);
  await folder.store.jobs.enqueue([parent]);
  expect(await enqueue({ parentId: parent.id.slice(-8) })).toMatchObject({ parentId: parent.id });
});

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
