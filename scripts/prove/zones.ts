/**
 * Proves that the zone of the process plays no part: `cron.ts` with the same
 * arguments in processes of four zones, as many at a time as there are processors.
 * UTC, a zone with summer time, one with half hours, and one whose summer time is half
 * an hour.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "cron.ts");
const ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];

/** Runs the proof in one zone. False when there was a difference, or when it ran in another zone. */
async function proveIn(zone: string): Promise<boolean> {
  const child = Bun.spawn([process.execPath, PROGRAM, ...process.argv.slice(2)], {
    env: { ...process.env, TZ: zone },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const text = await child.stdout.text();
  process.stdout.write(text);
  return (await child.exited) === 0 && text.includes(`cron oracle in ${zone}:`);
}

const waiting = [...ZONES];
let proved = 0;
const next = async (): Promise<void> => {
  for (let zone = waiting.shift(); zone !== undefined; zone = waiting.shift())
    if (await proveIn(zone)) proved++;
};
await Promise.all(Array.from({ length: availableParallelism() }, next));
process.stdout.write(`cron oracle: the same in ${proved} of ${ZONES.length} zones of the process\n`);
process.exitCode = proved === ZONES.length ? 0 : 1;
