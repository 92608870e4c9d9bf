/** The binary: it starts, knows what it is, and cannot be made to run a foreign folder's code. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../package.json";
import { build } from "./build.ts";

const folder = mkdtempSync(join(tmpdir(), "qntx-build-"));
const binary = join(folder, "qntx");

beforeAll(() => build({ outfile: binary }), 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function qntx(words: readonly string[], cwd: string): Promise<{ stdout: string; code: number }> {
  const env = { PATH: process.env["PATH"], HOME: folder };
  const child = Bun.spawn([binary, ...words], { cwd, env, stdout: "pipe", stderr: "inherit" });
  const [stdout, code] = await Promise.all([child.stdout.text(), child.exited]);
  return { stdout, code };
}

test("it says the version of package.json", async () => {
  expect(await qntx(["--version"], folder)).toEqual({ stdout: `${version}\n`, code: 0 });
}, 60_000);

test("every command can be loaded in it", async () => {
  for (const words of [["config", "show"], ["completion", "zsh"], ["version"]]) {
    const { stdout, code } = await qntx([...words, "--json"], folder);
    expect({ words, code, isObject: typeof JSON.parse(stdout) }).toEqual({
      words,
      code: 0,
      isObject: "object",
    });
  }
}, 60_000);

test("a foreign folder's .env and bunfig.toml are ignored", async () => {
  const hostile = join(folder, "hostile");
  const mark = join(hostile, "ran");
  mkdirSync(hostile);
  writeFileSync(join(hostile, ".env"), "QNTX_SERVE_PORT=666\n");
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(join(hostile, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "");`);
  const { stdout, code } = await qntx(["config", "show", "--json"], hostile);
  expect(JSON.parse(stdout).values["serve.port"]).toBe(8877);
  expect({ code, foreignCodeRan: existsSync(mark) }).toEqual({ code: 0, foreignCodeRan: false });
}, 60_000);
