/**
 * Proves that a guest that means harm holds up nobody: it is installed on a host that runs
 * as root, beside a plugin whose ten schedules are due each second, and tries everything
 * for a minute. Prints what came of each attempt and how late the other plugin's runs were.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/hostile.ts
 *   QNTX_BIN=dist/qntx bun scripts/prove/hostile.ts --seconds 5    for each long attempt
 *
 * What is wrong is one line each on stderr, and makes the exit code 1. Lateness is
 * promised for a machine that does little else.
 */
import { parseArgs } from "node:util";
import { attack, type Outcome, whyNotHere } from "../../internal/serve/e2e/hostile.ts";

const LATE_P99_MAX_MS = 250;
const PAYLOAD_BYTES = 33_554_432; // Its copies fit into what the guest may have; a job with 1 GiB is among what it tries, too.

const { values } = parseArgs({ options: { seconds: { type: "string", default: "20" } } });
const seconds = Number(values.seconds);

const why = whyNotHere();
if (why !== "") {
  process.stdout.write(`Not told: ${why}.\n`);
  process.exit(0);
}
const outcome = await attack({
  forkSeconds: seconds,
  printSeconds: seconds,
  payloadBytes: PAYLOAD_BYTES,
  schedules: 1_000,
});
const all = Object.values(outcome.late).flat();
const lateP99 = quantile(all, 0.99);
process.stdout.write(`${rows(outcome).join("\n")}\n`);
const troubles = wrong(outcome);
for (const trouble of troubles) process.stderr.write(`${trouble}\n`);
process.exit(troubles.length === 0 ? 0 : 1);

function rows({
  late,
  spied,
  meddled,
  flooded,
  forked,
  printed,
  logged,
  shoved,
  burst,
  audit,
}: Outcome): string[] {
  return [
    `how late the other plugin's runs were ${lateness(all)}`,
    ...Object.entries(late).map(([what, each]) => `  while it was at ${what.padEnd(20)} ${lateness(each)}`),
    `others' processes that it could read ${String(spied["read"]) || "none"} (of ${spied["others"]})`,
    `the host's files                     ${JSON.stringify(spied["files"])}`,
    `others' schedules                    ${meddled.delete[0]}`,
    `schedules that it made               ${flooded.made}: ${flooded.why}`,
    `processes that it made               ${forked.children}: ${forked.why}, all spinning for ${seconds} s`,
    `what it printed in ${seconds} s              ${printed} bytes, of which ${logged} are kept`,
    `a payload of ${PAYLOAD_BYTES} bytes         ${String(shoved.result)}`,
    `a result of ${PAYLOAD_BYTES} bytes          ${burst.error?.message}`,
    `refusals in the audit trail          ${audit.length}`,
  ];
}

function lateness(each: readonly number[]): string {
  const of = (share: number) => `${quantile(each, share)} ms`;
  return each.length === 0
    ? "none was due"
    : `p50 ${of(0.5)}, p99 ${of(0.99)}, worst ${of(1)}, of ${each.length}`;
}

function quantile(each: readonly number[], share: number): number {
  const sorted = each.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity;
}

function wrong({ spied, meddled, forked, victimRestarts, audit }: Outcome): string[] {
  const trail = audit.join("\n");
  const isShut = Object.values(spied["files"] ?? {}).every((answer) => answer === "EACCES");
  const isHidden = [...meddled.delete, ...meddled.pause].every((answer) =>
    answer.includes("There is no schedule"),
  );
  const words = ["processes and threads", "of memory", "announced what others keep", "schedule.delete"];
  return [
    lateP99 > LATE_P99_MAX_MS ? `p99 of lateness is ${lateP99} ms, above ${LATE_P99_MAX_MS}.` : "",
    String(spied["read"]) === "" ? "" : `It read ${String(spied["read"])}.`,
    isShut ? "" : `It opened what is the host's: ${JSON.stringify(spied["files"])}.`,
    isHidden ? "" : `It reached others' schedules: ${JSON.stringify(meddled)}.`,
    forked.why === "EAGAIN" ? "" : `Its processes were not limited: ${JSON.stringify(forked)}.`,
    victimRestarts === 0 ? "" : `The other plugin was started again ${victimRestarts} times.`,
    ...words.map((each) => (trail.includes(each) ? "" : `The audit trail says nothing of "${each}".`)),
  ].filter(Boolean);
}
