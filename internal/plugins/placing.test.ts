/** What may be installed: fifteen archives that mean harm, and folders and files that do not. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packTar, type TarEntry } from "modern-tar";
import { realEnv } from "../base/env.ts";
import { Fault } from "../base/fault.ts";
import { clearDrafts, digestOfFolder, ENTRIES_MAX, place } from "./placing.ts";

let at: string;
let root: string;
beforeEach(() => {
  at = mkdtempSync(join(tmpdir(), "qntx-place-"));
  root = join(at, "root");
});
afterEach(() => rmSync(at, { recursive: true, force: true }));

const file = (name: string, text = "x", mode = 0o644): TarEntry => ({
  header: { name, size: Buffer.byteLength(text), mode },
  body: text,
});
const odd = (
  name: string,
  type: "symlink" | "link" | "fifo" | "character-device",
  linkname = "",
): TarEntry => ({
  header: { name, type, size: 0, linkname },
});

async function archive(entries: readonly TarEntry[], name = "plugin.tar"): Promise<string> {
  const bytes = new Uint8Array(await packTar([...entries]));
  const path = join(at, name);
  writeFileSync(path, name.endsWith("gz") ? Bun.gzipSync(bytes) : bytes);
  return path;
}

async function refused(path: string): Promise<string> {
  try {
    await place(realEnv, path, root);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
    return error.message;
  }
  throw new Error("it was placed");
}

test.each<[string, TarEntry[], string]>([
  ["an absolute name", [file("/etc/passwd")], "leads out of its folder"],
  ["a way up", [file("../x")], "leads out of its folder"],
  ["a way up in the middle", [file("a/../../x")], "leads out of its folder"],
  ["a way up that comes back", [file("a/../x")], "leads out of its folder"],
  ["a backslash", [file("..\\x")], "strange name"],
  ["a line break", [file("a\nb")], "strange name"],
  ["a symbolic link", [odd("a", "symlink", "/etc/passwd")], "is a symlink and not a file"],
  ["a file through a link", [odd("a", "symlink", "/tmp"), file("a/x")], "is a symlink and not a file"],
  ["a hard link", [odd("a", "link", "b")], "is a link and not a file"],
  ["a pipe", [odd("a", "fifo")], "is a fifo and not a file"],
  ["a device", [odd("a", "character-device")], "is a character-device and not a file"],
  ["a name twice", [file("a"), file("./a", "y")], 'has "a" twice'],
  ["too deep a folder", [file(`${"d/".repeat(40)}x`)], "deep"],
  ["too long a name", [file("n".repeat(300))], "more than 255 bytes"],
  ["nothing", [], "has nothing in it"],
])("an archive with %s is refused, and nothing is left of it", async (_, entries, sentence) => {
  expect(await refused(await archive(entries))).toContain(sentence);
  expect(readdirSync(at).toSorted()).toEqual(["plugin.tar", "root"]);
});

test("an archive with too many files, one that grows without end, and one that is broken are refused", async () => {
  const many = Array.from({ length: ENTRIES_MAX + 1 }, (_, index) => file(`f${index}`, ""));
  expect(await refused(await archive(many))).toContain("more than 10000 files");
  const bomb = await archive([file("zeros", "\0".repeat(64 * 1_048_576))], "bomb.tar.gz");
  expect(statSync(bomb).size).toBeLessThan(200_000);
  expect(await refused(bomb)).toContain("more than 100 times its size");
  const tail = join(at, "tail.tgz");
  const tar = new Uint8Array(await packTar([file("a")]));
  writeFileSync(tail, Bun.gzipSync(Buffer.concat([tar, Buffer.alloc(64 * 1_048_576)])));
  expect(await refused(tail)).toContain("more than 100 times its size");
  const broken = join(at, "broken.tgz");
  writeFileSync(broken, readFileSync(bomb).subarray(0, 1_000));
  expect(await refused(broken)).toContain("cannot be unpacked");
  writeFileSync(broken, "this is no archive");
  expect(await refused(broken)).toContain("cannot be unpacked");
}, 30_000);

test("a zip is refused with what to do, and so is what is not there", async () => {
  const zip = join(at, "plugin.zip");
  writeFileSync(zip, "PK");
  expect(await refused(zip)).toContain("is a zip archive, which qntx does not read");
  expect(await refused(join(at, "nothing"))).toContain("There is no file");
});

test("an archive and the folder that it was made of are the same plugin, readable by its owner alone", async () => {
  const folder = join(at, "demo");
  mkdirSync(join(folder, "lib"), { recursive: true });
  writeFileSync(join(folder, "qntx-demo"), "#!/bin/sh\n");
  chmodSync(join(folder, "qntx-demo"), 0o775);
  writeFileSync(join(folder, "lib/data"), "data");
  chmodSync(join(folder, "lib/data"), 0o666);
  const packed = await archive(
    [file("lib/data", "data"), file("./qntx-demo", "#!/bin/sh\n", 0o755)],
    "demo.tar.gz",
  );
  const [one, other] = [await place(realEnv, folder, root), await place(realEnv, packed, root)];
  expect(other).toEqual(one);
  expect(await digestOfFolder(one.folder)).toBe(one.digest);
  const mode = (name: string) => statSync(join(one.folder, name)).mode & 0o777;
  expect([mode("qntx-demo"), mode("lib"), mode("lib/data"), mode(".")]).toEqual([0o700, 0o700, 0o600, 0o700]);
});

test("the digest of one file is the one that sha256sum prints; a changed byte, right or name is another plugin", async () => {
  const script = join(at, "demo.py");
  writeFileSync(script, "print(1)\n");
  const placed = await place(realEnv, script, root);
  expect(placed.digest).toBe(new Bun.CryptoHasher("sha256").update("print(1)\n").digest("hex"));
  writeFileSync(join(placed.folder, "demo.py"), "print(2)\n");
  expect(await digestOfFolder(placed.folder)).not.toBe(placed.digest);

  const digests = new Set<string>();
  for (const entries of [
    [file("a"), file("b")],
    [file("a"), file("b", "y")],
    [file("a"), file("b", "x", 0o755)],
    [file("a"), file("c")],
  ])
    digests.add((await place(realEnv, await archive(entries), root)).digest);
  expect(digests.size).toBe(4);
});

test("what was changed after it was placed is replaced when the same is handed in again", async () => {
  const from = join(at, "tool");
  writeFileSync(from, "echo");
  const { digest, folder } = await place(realEnv, from, root);
  writeFileSync(join(folder, "tool"), "another");
  expect(await place(realEnv, from, root)).toEqual({ digest, folder });
  expect(await digestOfFolder(folder)).toBe(digest);
  expect(readdirSync(root)).toEqual([digest]);
});

test("links in a folder are followed where they stay inside, and refused where they lead out", async () => {
  const folder = join(at, "demo");
  mkdirSync(join(folder, "bin"), { recursive: true });
  writeFileSync(join(folder, "tool"), "t");
  symlinkSync("../tool", join(folder, "bin/tool"));
  const { folder: placed } = await place(realEnv, folder, root);
  expect(readFileSync(join(placed, "bin/tool"), "utf8")).toBe("t");
  rmSync(placed, { recursive: true });
  symlinkSync("/etc/hostname", join(folder, "bin/host"));
  expect(await refused(folder)).toContain("a link that leads out of it");
});

test("what a killed host left half placed is removed, and what is placed stays", async () => {
  const path = join(at, "plugin.ts");
  writeFileSync(path, "x");
  const { digest } = await place(realEnv, path, join(root, "whole"));
  for (const name of ["whole", "half"]) {
    const draft = join(root, name, ".draft-0123");
    mkdirSync(draft, { recursive: true });
    writeFileSync(join(draft, "blob"), "x");
  }
  clearDrafts(root);
  clearDrafts(join(at, "nowhere"));
  expect([readdirSync(root), readdirSync(join(root, "whole"))]).toEqual([["whole"], [digest]]);
});
