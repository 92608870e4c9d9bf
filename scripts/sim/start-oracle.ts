/** Start oracle: an attempt may start only where it is on disk that it does, where there is room, and alone if it must be. */
import { type AttemptRecord, isAbandoned } from "./attempts.ts";
import type { SimHost } from "./host.ts";
import type { SimProcess } from "./plugins.ts";
import type { Scene } from "./scene.ts";

/** Compares an attempt that is about to start with everything that runs. `dying`: its process is being replaced. */
export function checkStart(
  { world, jobs, attempts, swarm }: Scene,
  { pulse }: SimHost,
  { record, process, dying }: { record: AttemptRecord; process: SimProcess; dying: boolean },
): void {
  const { jobId, fence, token, plugin, handler, suspect } = record;
  const expect = (holds: boolean, invariant: string, message: string) => {
    if (!holds) world.violate(invariant, `${jobId} (${token}) in ${plugin} ${message}`);
  };
  const row = jobs.jobs.get(jobId);
  expect(row?.state === "running" && row.fence === fence, "I9", "started and that is not committed");
  expect(row?.bootId === pulse.bootId, "I9", "started for another boot");
  expect(attempts.find(jobId, fence) === undefined, "I6", `started twice with fence ${fence}`);

  const beside = [...attempts.running].filter((other) => !isAbandoned(other, world.time));
  const here = beside.filter((other) => other.plugin === plugin);
  const same = here.filter((other) => other.handler === handler);
  const limit = pulse.registry.lane(`${plugin}/${handler}`)?.options.concurrency ?? Number.POSITIVE_INFINITY;
  expect(!beside.some((other) => other.jobId === jobId), "promise 3", "runs already");
  expect(beside.length < swarm.jobsMax, "promise 9", `is job ${beside.length + 1} of the host`);
  expect(here.length < process.concurrency, "promise 9", `is job ${here.length + 1} of its plugin`);
  expect(same.length < limit, "promise 9", `is job ${same.length + 1} of ${handler}`);

  if (dying) return; // Whatever starts there now is lost with it, and blamed for nothing.
  const other = here.find((each) => each.suspect);
  expect(suspect === (row?.suspect === 1), "promise 3", "is not what its row says");
  expect(!suspect || here.length === 0, "promise 3", `is a suspect and runs beside ${here[0]?.jobId}`);
  expect(!other, "promise 3", `runs beside the suspect ${other?.jobId}`);
}
