/** Facts: what a script's process is told about its job by its environment. Nothing else of ours is in there. */
import type { Job } from "../../../sdk/typescript/qntx.ts";

const INHERITED = ["PATH", "HOME", "LANG", "TZ"]; // What programs need to work at all; no secret of ours.
const PATH_DEFAULT = "/usr/local/bin:/usr/bin:/bin";

/** The environment of a job's process. */
export function environmentOf(job: Job, folder: string): Record<string, string> {
  const env: Record<string, string> = { PATH: PATH_DEFAULT };
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return {
    ...env,
    TMPDIR: folder,
    QNTX_JOB_ID: job.id,
    QNTX_HANDLER: job.handler,
    QNTX_ATTEMPT: String(job.attempt),
    QNTX_SCHEDULE_ID: job.scheduleId ?? "",
    QNTX_OCCURRENCE: job.occurrence ?? "",
    QNTX_TRIGGER: job.trigger,
  };
}
