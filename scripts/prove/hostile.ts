/**
 * Proves that guests that mean harm hold up nobody: they are installed on a host that runs
 * as root, beside a plugin whose ten schedules are due each second, and try everything:
 * ten gigabytes of logs, payloads of one gibibyte by each way, a fork bomb, and what
 * belongs to others. Prints what came of each attempt and how late the other plugin's runs were.
 *
 *   QNTX_BIN=dist/qntx bun scripts/prove/hostile.ts
 *   QNTX_BIN=dist/qntx bun scripts/prove/hostile.ts --seconds 5 --log-bytes 1000000000
 *
 * What is wrong is one line each on stderr, and makes the exit code 1. Lateness is
 * promised for a machine that does little else.
 */
import { parseArgs } from "node:util";
import { ALL_WAYS, attack, type Outcome, whyNotHere } from "../../internal/serve/e2e/hostile.ts";

const LATE_P99_MAX_MS = 250;
const PAYLOAD_BYTES = 1_073_741_824;
const LOGGED_MAX = 45_000_000; // Three files of the plugin's, and one job's lines.
const GROWTH_MB_MAX = 128; // An eighth of one payload: garbage of a moment, and nothing that grows.

/** What the trail has of each attempt that the host sees; what file rights refuse, the kernel tells nobody. Payloads wait for theirs. */
const AUDITED = [
  "processes and threads",
  "of memory",
  "printed more than",
  "announced what others keep",
  "schedule.create",
  "schedule.delete",
  "schedule.pause",
  "job.enqueueMany",
];

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "20" },
    "log-bytes": { type: "string", default: "10000000000" },
  },
});
const seconds = Number(values.seconds);
const printBytes = Number(values["log-bytes"]);

const why = whyNotHere();
if (why !== "") {
  process.stdout.write(`Not told: ${why}.\n`);
  process.exit(0);
}
const outcome = await attack({
  forkSeconds: seconds,
  printBytes,
  payloadBytes: PAYLOAD_BYTES,
  payloadWays: ALL_WAYS,
  schedules: 1_000,
});
const all = Object.values(outcome.late).flat();
const lateP99 = quantile(all, 0.99);
const { before, ...during } = outcome.rssMb;
const highest = Math.max(...Object.values(during));
process.stdout.write(`${rows(outcome).join("\n")}\n`);
const troubles = wrong(outcome);
for (const trouble of troubles) process.stderr.write(`${trouble}\n`);
process.exit(troubles.length === 0 ? 0 : 1);

function rows({ late, spied, meddled, flooded, forked, audit, ...tried }: Outcome): string[] {
  return [
    `how late the other plugin's runs were ${lateness(all)}`,
    ...Object.entries(late).map(([what, each]) => `  while it was at ${what.padEnd(20)} ${lateness(each)}`),
    `the host's memory                    ${before} MB before, ${highest} at most: ${JSON.stringify(during)}`,
    `others' processes that it could read ${String(spied["read"]) || "none"} (of ${spied["others"]})`,
    `the host's files                     ${JSON.stringify(spied["files"])}`,
    `others' schedules                    ${meddled.delete[0]}`,
    `schedules that it made               ${flooded.made}: ${flooded.why}`,
    `processes that it made               ${forked.children}: ${forked.why}, all spinning for ${seconds} s`,
    `${printBytes} bytes of lines took  ${tried.printedIn.toFixed(0)} s; ${tried.logged} bytes on disk, and ${tried.gaps} marks of what is missing`,
    ...Object.entries(tried.payloads).map(([way, said]) => `1 GiB by ${way.padEnd(27)} ${said}`),
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

function wrong({ spied, meddled, forked, logged, gaps, victimRestarts, audit }: Outcome): string[] {
  const trail = audit.join("\n");
  const isShut = Object.values(spied["files"] ?? {}).every((answer) => answer === "EACCES");
  const isHidden = [...meddled.delete, ...meddled.pause].every((answer) =>
    answer.includes("There is no schedule"),
  );
  return [
    lateP99 > LATE_P99_MAX_MS ? `p99 of lateness is ${lateP99} ms, above ${LATE_P99_MAX_MS}.` : "",
    highest - before > GROWTH_MB_MAX ? `The host's memory grew from ${before} to ${highest} MB.` : "",
    String(spied["read"]) === "" ? "" : `It read ${String(spied["read"])}.`,
    isShut ? "" : `It opened what is the host's: ${JSON.stringify(spied["files"])}.`,
    isHidden ? "" : `It reached others' schedules: ${JSON.stringify(meddled)}.`,
    forked.why === "EAGAIN" ? "" : `Its processes were not limited: ${JSON.stringify(forked)}.`,
    logged < LOGGED_MAX ? "" : `${logged} bytes of what it printed are on disk.`,
    gaps > 0 ? "" : "Nothing in its log says that something is missing.",
    victimRestarts === 0 ? "" : `The other plugin was started again ${victimRestarts} times.`,
    ...AUDITED.map((each) => (trail.includes(each) ? "" : `The audit trail says nothing of "${each}".`)),
  ].filter(Boolean);
}
