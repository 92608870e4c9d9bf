/** A handler from a file: counts what was attested lately. `qntx handler create --file digest.ts` makes it `script.digest`. */
import type { Job } from "qntx";

export default async function digest(job: Job) {
  const since = Date.now() - 60_000;
  const found = await job.qntx.ats.query({ timeStart: since, limit: 1_000 });
  job.progress(1, 1);
  job.log(`${found.length} attestations in the last minute`);
  return { attestations: found.length };
}
