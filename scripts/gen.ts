/**
 * Makes what the .proto files give: TypeScript in proto/gen, and the descriptors
 * that the Python SDK builds its messages from (it has no generated code, because
 * no one generation of it imports on every protobuf that people have).
 *
 *   bun scripts/gen.ts           writes both
 *   bun scripts/gen.ts --check   writes nothing; exits 1 when what is checked in differs
 *
 * Everything is made in a temporary folder first and formatted as the rest of the
 * house is, so that both modes give the same bytes.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const ROOT = join(import.meta.dir, "..");
// buf's TypeScript plugin asks for node by its first line; --bun answers for it.
const BUF = [process.execPath, "run", "--bun", "buf"];
const OUTPUTS = ["proto/gen", "sdk/python/qntx/protocol.binpb"];

const made = mkdtempSync(join(tmpdir(), "qntx-gen-"));
try {
  generate(made);
  if (process.argv.includes("--check")) await check(made);
  else install(made);
} finally {
  rmSync(made, { recursive: true });
}

function generate(into: string): void {
  const proto = join(ROOT, "proto");
  run(proto, ...BUF, "generate", "--output", join(into, "proto"));
  cpSync(join(ROOT, "bunfig.toml"), join(into, "bunfig.toml")); // The formatter's settings.
  run(into, process.execPath, "fmt", "proto");
  mkdirSync(join(into, "sdk/python/qntx"), { recursive: true });
  const descriptors = join(into, "sdk/python/qntx/protocol.binpb");
  run(proto, ...BUF, "build", "--as-file-descriptor-set", "--exclude-source-info", "-o", descriptors);
}

function install(from: string): void {
  for (const output of OUTPUTS) {
    rmSync(join(ROOT, output), { recursive: true, force: true });
    cpSync(join(from, output), join(ROOT, output), { recursive: true });
  }
  process.stdout.write(`Wrote ${OUTPUTS.join(" and ")}.\n`);
}

async function check(fresh: string): Promise<void> {
  const paths = new Set([...files(fresh), ...files(ROOT)]);
  const stale: string[] = [];
  for (const path of [...paths].sort()) {
    if ((await digest(join(fresh, path))) !== (await digest(join(ROOT, path)))) stale.push(path);
  }
  if (stale.length === 0) return;
  process.stderr.write(`Not what the .proto files give; run scripts/gen.ts:\n  ${stale.join("\n  ")}\n`);
  process.exitCode = 1;
}

/** The files of every output below `root`, named as from there. */
function files(root: string): string[] {
  return OUTPUTS.flatMap((output) => {
    if (!output.endsWith("/gen")) return [output];
    const found = readdirSync(join(root, output), { recursive: true, withFileTypes: true });
    return found
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  });
}

async function digest(path: string): Promise<string | undefined> {
  const file = Bun.file(path);
  return (await file.exists()) ? Bun.SHA256.hash(await file.bytes(), "hex") : undefined;
}

function run(cwd: string, ...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { cwd, stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with exit code ${exitCode}.\n${stderr}`);
}
