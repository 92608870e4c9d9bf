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

/** A tar's header as somebody may write it who does not use a library, and what stands behind it. */
function raw(
  entry: {
    name?: string;
    type?: string;
    link?: string;
    prefix?: string;
    size?: string;
    sum?: number;
    mode?: string;
  },
  text = "x",
): Buffer {
  const header = Buffer.alloc(512);
  const put = (value: string, at: number) => header.write(value, at, "latin1");
  put(entry.name ?? "x", 0);
  put(entry.mode ?? "0000644", 100);
  put(entry.size ?? text.length.toString(8).padStart(11, "0"), 124);
  put("00000000000", 136);
  put(entry.type ?? "0", 156);
  put(entry.link ?? "", 157);
  put("ustar\u000000", 257);
  put(entry.prefix ?? "", 345);
  put(" ".repeat(8), 148);
  const sum = entry.sum ?? header.reduce((all, byte) => all + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([
    header,
    Buffer.from(text.padEnd(Math.ceil(text.length / 512) * 512, "\0"), "latin1"),
  ]);
}

/** A record of the extended header, which says its own length. */
function pax(text: string): Buffer {
  let length = text.length + 3;
  while (`${length} ${text}\n`.length !== length) length++;
  return raw({ name: "pax", type: "x" }, `${length} ${text}\n`);
}

test.each<[string, Buffer[], string]>([
  ["a way up in its extended name", [pax("path=../../evil"), raw({})], "leads out of its folder"],
  ["an absolute extended name", [pax("path=/tmp/evil"), raw({})], "leads out of its folder"],
  ["a way up in the prefix", [raw({ prefix: "../.." })], "leads out of its folder"],
  [
    "a way up in GNU's long name",
    [raw({ name: "long", type: "L" }, "../../evil\0"), raw({})],
    "leads out of its folder",
  ],
  [
    "a target in GNU's long link",
    [raw({ name: "long", type: "K" }, "/etc/passwd\0"), raw({ type: "2" }, "")],
    "is a symlink",
  ],
  ["a zero byte in its extended name", [pax("path=a\0b"), raw({})], "strange name"],
  ["a block device", [raw({ name: "sda", type: "4" }, "")], "is a block-device and not a file"],
  ["no name", [raw({ name: "\0" })], "leads out of its folder"],
  ["a dot for a name", [raw({ name: "." })], "leads out of its folder"],
  [
    "a folder that was a file",
    [raw({ name: "a" }), raw({ name: "a/b" })],
    'has "a" as a file and as a folder',
  ],
  [
    "a file that was a folder",
    [raw({ name: "a/b/c" }), raw({ name: "a/b" })],
    'has "a/b" as a file and as a folder',
  ],
  ["a wrong checksum", [raw({ sum: 1 })], "cannot be unpacked"],
  ["a negative size", [raw({ size: "-0000000001" })], "cannot be unpacked"],
  ["a size beyond its end", [raw({ size: "77777777777" })], "cannot be unpacked"],
  ["a size beyond all numbers", [raw({ size: `\x80${"\xff".repeat(11)}` })], "cannot be unpacked"],
  ["an extended size beyond its end", [pax("size=99999999999"), raw({})], "cannot be unpacked"],
])("an archive with %s is refused, and nothing is left of it", async (_, blocks, sentence) => {
  const path = join(at, "plugin.tar");
  writeFileSync(path, Buffer.concat([...blocks, Buffer.alloc(1_024)]));
  expect(await refused(path)).toContain(sentence);
  expect(readdirSync(at).toSorted()).toEqual(["plugin.tar", "root"]);
});

test("rights that would make somebody else of whoever runs it are not kept, and a folder outside is not made", async () => {
  const path = join(at, "plugin.tar");
  const blocks = [raw({ name: "../outside/", type: "5" }, ""), raw({ name: "tool", mode: "0006777" })];
  writeFileSync(path, Buffer.concat([...blocks, Buffer.alloc(1_024)]));
  const { folder } = await place(realEnv, path, root);
  expect(statSync(join(folder, "tool")).mode & 0o7777).toBe(0o700);
  expect(readdirSync(at).toSorted()).toEqual(["plugin.tar", "root"]);
  expect(readdirSync(root)).toHaveLength(1);
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
  for (const [target, sentence] of [
    ["/etc/hostname", "a link that leads out of it"],
    ["../..", "a link that leads out of it"],
    ["nowhere", "a link that leads nowhere"],
    ["host", "a link that leads nowhere"],
  ] as const) {
    symlinkSync(target, join(folder, "bin/host"));
    expect([target, await refused(folder)]).toEqual([target, expect.stringContaining(sentence)]);
    rmSync(join(folder, "bin/host"));
  }
  Bun.spawnSync(["mkfifo", join(folder, "pipe")]);
  expect(await refused(folder)).toContain("neither a file nor a folder");
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

test("what is handed in several times at once is placed once, for all of them", async () => {
  const path = join(at, "plugin.ts");
  writeFileSync(path, "export default 1;");
  const placed = await Promise.all([1, 2, 3, 4].map(() => place(realEnv, path, root)));
  const [{ digest, folder }] = placed as [(typeof placed)[number]];
  expect(placed.map((each) => each.folder)).toEqual([folder, folder, folder, folder]);
  expect(readdirSync(root)).toEqual([digest]);
  expect(await digestOfFolder(folder)).toBe(digest);
});
