/**
 * Build: one binary from cmd/qntx/main.ts. `bun scripts/build.ts [--outfile FILE] [--target TARGET]`.
 *
 * A compiled binary otherwise loads `.env` and `bunfig.toml`, preloads and all,
 * from whatever folder it is started in: a foreign folder could run its code
 * inside qntx. The two --no-compile-autoload options end that, and build.test.ts
 * holds them. `--bytecode` alone makes a CommonJS binary that dies at start;
 * hence `--format=esm`. Never `strip` the result: it loses its program.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dir, "..");

/** Builds the binary and returns its path. Throws with what the bundler printed when that fails. */
export async function build({ outfile, target }: { outfile: string; target?: string }): Promise<string> {
  const path = resolve(ROOT, outfile);
  mkdirSync(dirname(path), { recursive: true });
  const commit = await commitOf(ROOT);
  const words = [
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--format=esm",
    "--sourcemap",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    ...(target === undefined ? [] : [`--target=${target}`]),
    ...(commit === null ? [] : ["--define", `QNTX_COMMIT=${JSON.stringify(commit)}`]),
    join(ROOT, "cmd/qntx/main.ts"),
    "--outfile",
    path,
  ];
  const child = Bun.spawn([process.execPath, ...words], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`bun build ended with ${code}:\n${stdout}${stderr}`);
  return path;
}

/** The commit that is built, marked when files differ from it; null where there is no git. */
async function commitOf(root: string): Promise<string | null> {
  const git = async (...words: string[]) => {
    const child = Bun.spawn(["git", ...words], { cwd: root, stdout: "pipe", stderr: "ignore" });
    const [text, code] = await Promise.all([child.stdout.text(), child.exited]);
    return code === 0 ? text.trim() : null;
  };
  if (Bun.which("git") === null) return null;
  const commit = await git("rev-parse", "--short=12", "HEAD");
  if (commit === null) return null;
  return (await git("status", "--porcelain", "--untracked-files=no")) === "" ? commit : `${commit}-dirty`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { outfile: { type: "string", default: "dist/qntx" }, target: { type: "string" } },
  });
  const path = await build({ outfile: values.outfile, ...(values.target && { target: values.target }) });
  process.stdout.write(`${path}: ${(statSync(path).size / 1e6).toFixed(0)} MB\n`);
}
