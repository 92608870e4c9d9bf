/**
 * Golden: what the command line prints, one file a case, as a person would see
 * it. `UPDATE=1 bun test cmd/qntx/golden` rewrites the files, and git shows what
 * changed. `QNTX_BIN=dist/qntx` runs the same cases on a compiled binary.
 *
 * A case is a description, files to put there first, and lines for a real shell:
 *
 *   Why this case is here.
 *   ---- file qntx.toml
 *   [serve]
 *   port = 1
 *   ---- run
 *   qntx config check
 *   ---- stdout
 *   ---- stderr
 *   ---- exit 0
 *
 * Each `run` has its own stdout, stderr and exit; an empty one is left out. All
 * runs of a case share one empty folder that is also HOME. Data folders, versions and
 * the like are replaced by names in angle brackets, as `scrubs` says.
 */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { VERSION } from "../../../internal/base/version.ts";

const FOLDER = import.meta.dir;
const ROOT = resolve(FOLDER, "../../..");
const CASE_TIMEOUT_MS = 60_000; // A loaded machine starts a process in seconds, not in milliseconds.

interface Section {
  /** `file qntx.toml`, `run`, `stdout`, `stderr`, `exit 0`. */
  head: string;
  body: string;
}

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith(".txt"))) {
  const path = join(FOLDER, name);
  const text = await Bun.file(path).text();
  test.concurrent(
    `${name}: ${text.split("\n", 1)[0]}`,
    async () => {
      const got = await play(text);
      if (process.env["UPDATE"]) await Bun.write(path, got);
      else expect(got).toBe(text);
    },
    CASE_TIMEOUT_MS,
  );
}

/** Runs a case and returns it with what really came out. */
async function play(text: string): Promise<string> {
  const [about = "", ...parts] = text.split(/^---- /m);
  const sections = parts.map((part): Section => {
    const [head = "", ...body] = part.split("\n");
    return { head, body: body.join("\n") };
  });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "qntx-golden-")));
  try {
    const bin = putProgram(folder);
    const home = join(folder, "home");
    mkdirSync(home);
    let got = about;
    for (const section of sections) {
      if (section.head.startsWith("file ")) putFile(home, section);
      if (section.head.startsWith("file ") || section.head === "run") got += write(section);
      if (section.head === "run") got += await shell(section.body, { bin, home });
    }
    return got;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A `qntx` on the PATH: the compiled binary if one is named, else the source. */
function putProgram(folder: string): string {
  const compiled = process.env["QNTX_BIN"];
  const line = compiled
    ? `exec '${resolve(ROOT, compiled)}' "$@"`
    : `exec '${process.execPath}' '${join(ROOT, "cmd/qntx/main.ts")}' "$@"`;
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "qntx"), `#!/bin/sh\n${line}\n`);
  chmodSync(join(bin, "qntx"), 0o755);
  return bin;
}

function putFile(home: string, { head, body }: Section): void {
  const path = join(home, head.slice("file ".length));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, body);
}

async function shell(line: string, { bin, home }: { bin: string; home: string }): Promise<string> {
  const child = Bun.spawn(["sh", "-c", line], {
    cwd: home,
    env: { PATH: `${bin}:${process.env["PATH"]}`, HOME: home, TZ: "UTC", LANG: "C.UTF-8" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const scrub = (text: string) =>
    scrubs(home).reduce((left, [found, name]) => left.replaceAll(found, name), text);
  return [
    stdout === "" ? "" : write({ head: "stdout", body: scrub(stdout) }),
    stderr === "" ? "" : write({ head: "stderr", body: scrub(stderr) }),
    write({ head: `exit ${code}`, body: "" }),
  ].join("");
}

/** What differs from run to run, and what stands in its place. */
function scrubs(home: string): readonly (readonly [string | RegExp, string])[] {
  return [
    [home, "<home>"],
    [/"commit":(null|"[0-9a-f]+(-dirty)?")/g, '"commit":<commit>'],
    [/, commit [0-9a-f]+(-dirty)?/g, ""],
    [VERSION, "<version>"],
    [Bun.version, "<bun>"],
    [`${process.platform}-${process.arch}`, "<platform>"],
  ];
}

function write({ head, body }: Section): string {
  return `---- ${head}\n${body}${body === "" || body.endsWith("\n") ? "" : "\n"}`;
}
