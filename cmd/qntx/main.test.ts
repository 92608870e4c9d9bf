/** The process around the commands: nothing is lost on the way out, and a reader that leaves is no failure. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const QNTX = `'${process.execPath}' '${join(import.meta.dir, "main.ts")}'`;
const LONG = "x".repeat(900_000); // Many times what a pipe holds.

/** Runs a shell line in a folder whose qntx.toml makes `config show` print almost a megabyte. */
async function shell(line: string): Promise<{ stdout: string; stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), "qntx-main-"));
  try {
    writeFileSync(join(folder, "qntx.toml"), `[python]\nlong = "${LONG}"\n`);
    const env = { PATH: process.env["PATH"], HOME: folder };
    const child = Bun.spawn(["bash", "-c", line], { cwd: folder, env, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    return { stdout, stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("all of a long answer arrives before the process ends", async () => {
  const { stdout } = await shell(`${QNTX} config show`);
  expect(stdout).toContain(`long = "${LONG}"\n`);
}, 60_000);

test("a reader that leaves early ends it quietly, with 0", async () => {
  const { stdout, stderr } = await shell(`${QNTX} config show | head -c 1; echo " \${PIPESTATUS[0]}"`);
  expect({ stdout, stderr }).toEqual({ stdout: "# 0\n", stderr: "" });
}, 60_000);

test("an error that cannot be written does not hang", async () => {
  const { stdout } = await shell(`${QNTX} banana 2>&- ; echo "$?"`);
  expect(stdout).toBe("2\n");
}, 60_000);
