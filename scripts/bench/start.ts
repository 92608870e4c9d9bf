/** Start: how long a person waits for the command line, and for a host that is ready. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchHome } from "./host.ts";
import { type Bench, median, medianOf, type Row } from "./measure.ts";

const RUNS = 15;
const HOST_RUNS = 5;
const COMMANDS: readonly { what: string; words: readonly string[]; target?: number }[] = [
  { what: "`--help`", words: ["--help"], target: 60 },
  { what: "`version`", words: ["version"] },
  { what: "`schedule next`", words: ["schedule", "next", "--cron", "*/5 9-17 * * 1-5"] },
];

/** The benchmark of one binary. */
export function startBench(binary: string): Bench {
  return {
    name: "start",
    title: "Start",
    how:
      "From the start of a process to its end, for commands; to the line that says so, for hosts, on a new data " +
      "folder. The floor is a compiled Bun binary that prints one line and does nothing else.",
    run: () => run(binary),
  };
}

async function run(binary: string): Promise<Row[]> {
  await using home = new BenchHome(binary);
  home.configure({});
  const nothing = processMs(["/bin/true"], home.vars);
  const empty = await emptyBinary();
  const commands = COMMANDS.map(({ what, words, target }) => ({
    what,
    value: processMs([binary, ...words], home.vars),
    ...(target && { target }),
  }));
  const ready = await medianOf(HOST_RUNS, () => hostMs(binary, { bundled: false, words: "qntx is ready" }));
  const works = await medianOf(HOST_RUNS, () => hostMs(binary, { bundled: true, words: "jobs run" }));
  const ours = [
    ...commands,
    { what: "`serve` until it is ready, no plugins", value: ready, target: 500 },
    { what: "`serve` until jobs run, bundled plugins", value: works },
  ];
  return [
    { what: "the empty binary", value: empty, unit: "ms", floor: nothing, floorIs: "`/bin/true`" },
    ...ours.map((row): Row => ({ ...row, unit: "ms", floor: empty, floorIs: "empty binary" })),
  ];
}

/** Milliseconds that a process takes, the median of some. Throws when it fails. */
function processMs(argv: readonly string[], env: Record<string, string>): number {
  const times = Array.from({ length: RUNS }, () => {
    const startedAt = performance.now();
    const { exitCode, stderr } = Bun.spawnSync([...argv], { env, stdout: "ignore", stderr: "pipe" });
    if (exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${exitCode}: ${stderr.toString()}`);
    return performance.now() - startedAt;
  });
  return median(times);
}

async function hostMs(
  binary: string,
  { bundled, words }: { bundled: boolean; words: string },
): Promise<number> {
  await using home = new BenchHome(binary);
  home.configure({ bundled });
  const host = await home.start();
  return await host.said(words); // Or the home would be gone before.
}

/** Builds the emptiest binary, as ours is built, and times it. */
async function emptyBinary(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "qntx-bench-"));
  try {
    const [source, binary] = [join(folder, "empty.ts"), join(folder, "empty")];
    writeFileSync(source, 'console.log("hello");\n');
    const words = [
      "build",
      "--compile",
      "--minify",
      "--bytecode",
      "--format=esm",
      source,
      "--outfile",
      binary,
    ];
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, ...words], { stderr: "pipe" });
    if (exitCode !== 0) throw new Error(`The empty binary was not built: ${stderr.toString()}`);
    return processMs([binary], {});
  } finally {
    rmSync(folder, { recursive: true });
  }
}
