import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withDiagnosis } from "./diagnosis.ts";
import type { PluginSource } from "./find.ts";
import { tempFolder, writeProgram } from "./testdata/harness.ts";

function source(path: string | null): PluginSource {
  return { name: "x", kind: "executable", argv: [], args: [], path, digest: null, address: null };
}

test("the reason comes with the file, its mode and the last lines", () => {
  using temp = tempFolder();
  const path = join(temp.path, "x");
  writeFileSync(path, "text", { mode: 0o640 });
  const lastLines = Array.from({ length: 9 }, (_, i) => `line ${i}`);
  expect(withDiagnosis("It ended.", { source: source(path), lastLines })).toBe(
    `It ended. The program is ${path} (mode 0640). It said last: line 4 | line 5 | line 6 | line 7 | line 8`,
  );
  expect(withDiagnosis("It ended.", { source: source(null), lastLines: [] })).toBe("It ended.");
  expect(withDiagnosis("It ended.", { source: source("/none"), lastLines: [] })).toBe(
    "It ended. /none no longer exists.",
  );
});

test("a program for another machine, and one whose interpreter is missing, say so", () => {
  using temp = tempFolder();
  const path = join(temp.path, "x");
  const elf = Buffer.alloc(64);
  elf.write("\x7fELF", "latin1");
  elf.writeUInt16LE(process.arch === "arm64" ? 62 : 183, 18);
  writeFileSync(path, elf, { mode: 0o755 });
  const other = process.arch === "arm64" ? "x64" : "arm64";
  const reason = () => withDiagnosis("", { source: source(path), lastLines: [] });
  expect(reason()).toContain(`it is made for ${other}, this machine is ${process.arch}`);

  writeProgram(path, "#!/opt/none/python -u\n");
  expect(reason()).toContain("its interpreter /opt/none/python does not exist");
  writeProgram(path, "#!/bin/sh\n");
  expect(reason()).toEndWith("(mode 0755).");
});
