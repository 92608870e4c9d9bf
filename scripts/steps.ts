/**
 * Steps: a long check as a list of named steps, each a program. What a step prints
 * is shown as it comes; what is counted is added up, so that everything that ran
 * ends in one line: `N passed, N failed, N skipped`.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Step {
  name: string;
  argv: readonly string[];
  /** Added to the environment. */
  vars?: Record<string, string>;
  /** True for `bun test`: its own count is added instead of one. */
  counts?: boolean;
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export const ROOT = join(import.meta.dir, "..");
export const BUN = process.execPath;

/** Runs the steps one after the other, all of them. Prints the sum, and returns the exit code. */
export async function runSteps(steps: readonly Step[]): Promise<number> {
  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) {
    const startedAt = performance.now();
    say(`\n── ${step.name}`);
    const tally = await runStep(step);
    sum.passed += tally.passed;
    sum.failed += tally.failed;
    sum.skipped += tally.skipped;
    const verdict = tally.failed === 0 ? "ok" : "FAILED";
    say(`── ${step.name}: ${verdict} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  }
  say(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0 ? 0 : 1;
}

async function runStep({ argv, vars, counts }: Step): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "qntx-step-"));
  const report = join(folder, "report.xml");
  const reporter = counts ? ["--reporter=junit", `--reporter-outfile=${report}`] : [];
  const child = Bun.spawn([...argv, ...reporter], {
    cwd: ROOT,
    env: { ...process.env, ...vars },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await child.exited;
  const tally = counts
    ? readReport(report)
    : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  rmSync(folder, { recursive: true });
  // A run that fails without a failed test (a file that does not load) has failed all the same.
  if (code !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

/** Adds up the counts of a JUnit report; a report that is not there counts nothing. */
function readReport(path: string): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return tally;
  }
  const [suites = ""] = /<testsuites[^>]*>/.exec(text) ?? [];
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(suites)?.[1] ?? 0);
  tally.failed = count("failures") + count("errors");
  tally.skipped = count("skipped");
  tally.passed = count("tests") - tally.failed - tally.skipped;
  return tally;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
