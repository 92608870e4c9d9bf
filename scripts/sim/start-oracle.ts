/** Start oracle: an attempt may start only where it is on disk that it does, where there is room, and alone if it must be. */
import { type AttemptRecord, isAbandoned } from "./attempts.ts";
import type { SimHost } from "./host.ts";
import type { SimProcess } from "./plugin-process.ts";
import type { Scene } from "./scene.ts";

const EXPIRE_MS = 5_000;

/** Compares an attempt that is about to start with everything that runs. `dying`: its process is being replaced. */
export function checkStart(
  { world, jobs, attempts, swarm }: Scene,
  { pulse, startedAt, frozenUntil }: SimHost,
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

  // Expired jobs are looked for once a second, by a host that is awake and knows the time.
  const steadySince = Math.max(startedAt, frozenUntil, world.clockSetAt);
  const steady =
    swarm.throwInside === 0 && pulse.clock.suspicion === null && world.time - steadySince > EXPIRE_MS;
  const late = world.wall() - (row?.expiresAt ?? Number.POSITIVE_INFINITY) > EXPIRE_MS;
  expect(!(steady && late && fence === 1), "promise", "starts though it has expired");

  const beside = [...attempts.running].filter((other) => !isAbandoned(other, world.time));
  const here = beside.filter((other) => other.plugin === plugin);
  const same = here.filter((other) => other.handler === handler);
  const limit = pulse.registry.lane(`${plugin}/${handler}`)?.options.concurrency ?? Number.POSITIVE_INFINITY;
  expect(!beside.some((other) => other.jobId === jobId), "promise 3", "runs already");
  expect(beside.length < swarm.jobsMax, "promise 9", `is job ${beside.length + 1} of the host`);
  expect(here.length < process.most, "promise 9", `is job ${here.length + 1} of its plugin`);
  expect(same.length < limit, "promise 9", `is job ${same.length + 1} of ${handler}`);

  if (dying) return; // Whatever starts there now is lost with it, and blamed for nothing.
  const other = here.find((each) => each.suspect);
  expect(suspect === (row?.suspect === 1), "promise 3", "is not what its row says");
  expect(!suspect || here.length === 0, "promise 3", `is a suspect and runs beside ${here[0]?.jobId}`);
  expect(!other, "promise 3", `runs beside the suspect ${other?.jobId}`);
}
