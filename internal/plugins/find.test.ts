import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { findPlugin, type FindOptions, type PluginSection } from "./find.ts";
import { tempFolder, writeProgram } from "./testdata/harness.ts";

const SELF = ["/bin/qntx"];

function options(paths: readonly string[], more: Partial<FindOptions> = {}): FindOptions {
  return { paths, bundled: [], sections: {}, self: SELF, ...more };
}

function find(folder: string, section: PluginSection = {}, name = "x") {
  return findPlugin(name, options([folder], { sections: { [name]: section } }));
}

function faultOf(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("Nothing was refused.");
}

const KINDS = [
  // is there                                        found as        started as
  [["qntx-x-plugin*"], "executable", ["qntx-x-plugin"]],
  [["qntx-x*"], "executable", ["qntx-x"]],
  [["x*"], "executable", ["x"]],
  [["x*", "qntx-x-plugin*"], "executable", ["qntx-x-plugin"]],
  [["x.ts"], "typescript", [...SELF, "__plugin", "--plugin-path", "x.ts"]],
  [["qntx-x.py"], "python", ["python3", "qntx-x.py"]],
  [["x/plugin.py"], "python", ["python3", "x/plugin.py"]],
  [["x/plugin.ts", "x/package.json"], "typescript", [...SELF, "__plugin", "--plugin-path", "x/plugin.ts"]],
  [["x/qntx-x-plugin*", "x/lib.so"], "executable", ["x/qntx-x-plugin"]],
] as const;

test.each(KINDS)("%p is found as %s", (files, kind, argv) => {
  using temp = tempFolder();
  for (const file of files) write(temp.path, file);
  const source = find(temp.path, { args: ["--log"] });
  const absolute = argv.map((word) =>
    word.startsWith("-") || SELF.includes(word) || /^(__plugin|python3)$/.test(word)
      ? word
      : join(temp.path, word),
  );
  expect(source).toMatchObject({
    name: "x",
    kind,
    argv: absolute,
    args: ["--log"],
    digest: null,
    address: null,
  });
});

/** A trailing star marks an executable. */
function write(folder: string, file: string): void {
  const path = join(folder, file.replace("*", ""));
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o755 });
  writeFileSync(path, file.endsWith("package.json") ? '{"qntx-plugin":true}' : "x", { mode: 0o644 });
  if (file.endsWith("*")) chmodSync(path, 0o755);
}

test("an address, a bundled plugin, and one on disk in front of the bundled one", () => {
  using temp = tempFolder();
  expect(find(temp.path, { address: "127.0.0.1:9" })).toMatchObject({
    kind: "address",
    argv: [],
    address: "127.0.0.1:9",
  });
  const bundled = options([temp.path], { bundled: ["x"] });
  expect(findPlugin("x", bundled)).toMatchObject({
    kind: "bundled",
    argv: [...SELF, "__plugin", "--bundled", "x"],
    path: null,
  });
  write(temp.path, "x.ts");
  expect(findPlugin("x", bundled).kind).toBe("typescript");
});

test("one that is missing lists every place that was tried", () => {
  using temp = tempFolder();
  write(temp.path, "qntx-x"); // Not executable.
  write(temp.path, "x/plugin.ts"); // No manifest.
  const { code, message } = faultOf(() => findPlugin("x", options([temp.path, "/nowhere"])));
  expect(code).toBe("not-found");
  for (const folder of [temp.path, "/nowhere"]) {
    for (const name of ["qntx-x-plugin", "qntx-x", "x"]) expect(message).toContain(join(folder, name));
  }
  expect(faultOf(() => findPlugin("x", options([]))).message).toContain("[plugin] paths is empty");
});

const BAD_NAMES = [
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "a\\b",
  "/etc/passwd",
  "a\0b",
  "a\nb",
  "-rf",
  "--help",
  "CON",
  "A",
  "a".repeat(64),
  "a.",
  " a",
  "ａ",
  "а",
  "%2e%2e%2f",
  "..%c0%af",
  "-",
  "a_b",
  "a*",
  "a\u0000",
  "\ud800",
  "x".repeat(1_048_576),
  "__proto__",
  "constructor\n",
  "toString",
  "con;id",
  "$(id)",
  "`id`",
  "a b",
  "~root",
  "\u202egnp",
  "v1",
  "pulse",
  "plugins",
];

test("names that are folders, flags or routes are refused", () => {
  for (const name of BAD_NAMES)
    expect([name, faultOf(() => findPlugin(name, options([]))).code]).toEqual([name, "config"]);
});

test("a name like a property of every object finds no section", () => {
  using temp = tempFolder();
  expect(faultOf(() => findPlugin("constructor", options([temp.path]))).code).toBe("not-found");
});

test("a link that leads out of the folder is refused, one that stays is followed", () => {
  using temp = tempFolder();
  using other = tempFolder();
  writeProgram(join(other.path, "evil"), "x");
  symlinkSync(join(other.path, "evil"), join(temp.path, "qntx-x-plugin"));
  expect(faultOf(() => find(temp.path))).toMatchObject({
    code: "denied",
    message: expect.stringContaining("leads out of"),
  });

  writeProgram(join(temp.path, "real"), "x");
  symlinkSync(join(temp.path, "real"), join(temp.path, "qntx-y"));
  expect(find(temp.path, {}, "y").kind).toBe("executable");
});

const MODES = [
  // writable by others   mode
  ["x/plugin.py", 0o666],
  ["x/plugin.py", 0o664],
  ["x", 0o777],
  [".", 0o777],
] as const;

test.each(MODES)("a program is refused when others may write %s (%i)", (what, mode) => {
  using temp = tempFolder();
  write(temp.path, "x/plugin.py");
  expect(find(temp.path).kind).toBe("python");
  chmodSync(join(temp.path, what), mode);
  const { code, message, hint } = faultOf(() => find(temp.path));
  expect(code).toBe("denied");
  expect(message).toContain(`(mode ${mode.toString(8)})`);
  expect(hint).toContain("chmod go-w");
});

test("a relative folder is refused, because it would be another one elsewhere", () => {
  expect(faultOf(() => find("plugins")).message).toBe('[plugin] paths: "plugins" is not an absolute path.');
});

test("a file that is not the pinned one is refused", () => {
  using temp = tempFolder();
  write(temp.path, "x.ts");
  const sha256 = new Bun.CryptoHasher("sha256").update("x").digest("hex");
  expect(find(temp.path, { sha256: sha256.toUpperCase() }).digest).toBe(sha256);
  writeFileSync(join(temp.path, "x.ts"), "y");
  expect(faultOf(() => find(temp.path, { sha256 })).code).toBe("denied");
});
