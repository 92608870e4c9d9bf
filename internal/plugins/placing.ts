/**
 * Placing: from what somebody hands in (a file, a folder, an archive) to a folder of
 * our own that nobody else can write, named by the digest of what is in it.
 *
 * Whatever could lead out of that folder, or is more than a program needs, is refused
 * before it is written: absolute names, `..`, links and devices in archives, names
 * that come twice, too many entries, too many bytes, and archives that grow too much.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  type Dirent,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, extname, join, relative, sep } from "node:path";
import { Readable } from "node:stream";
import { createTarDecoder } from "modern-tar";
import { makeFolder, moveWhole } from "../base/disk.ts";
import type { Env } from "../base/env.ts";
import { Fault, messageOf, shown, withoutStop } from "../base/fault.ts";

export const ENTRIES_MAX = 10_000; // A plugin with all that it depends on has some thousand.
export const BYTES_MAX = 536_870_912; // 512 MiB: several times the largest program in use.
export const RATIO_MAX = 100; // Programs shrink to a third or a tenth; what shrinks more was made to fill disks.
export const DEPTH_MAX = 32;
const DRAFT = ".draft-"; // What is not whole yet begins with this.
const NAME_BYTES_MAX = 255; // What file systems take.
const RATIO_FROM_BYTES = 4_194_304; // Before that nothing is lost, and small texts shrink well.

/** What was placed. */
export interface Placed {
  /** SHA-256 in hex: of the file where it is one, else of all names, rights and contents. */
  digest: string;
  /** The folder that it lies in now. */
  folder: string;
}

/** Copies what `from` names to `<root>/<digest>`. Throws a Fault that says what is wrong with it; then nothing is left of it. */
export async function place(env: Env, from: string, root: string): Promise<Placed> {
  const stat = statOf(from);
  if (!stat) throw new Fault("not-found", `There is no file ${shown(from)}.`);
  makeFolder(root, 0o700);
  const draft = join(root, `${DRAFT}${Buffer.from(env.bytes(8)).toString("hex")}`);
  try {
    const writer = new Writer(draft);
    if (stat.isDirectory()) await copyFolder(from, writer);
    else if (isArchive(from)) await unpack(from, stat.size, writer);
    else await copyFile(from, basename(from), writer);
    const digest = await digestOfFolder(draft);
    const folder = join(root, digest);
    const stands = async () => statOf(folder) !== undefined && (await digestOfFolder(folder)) === digest;
    if (!(await stands())) {
      rmSync(folder, { recursive: true, force: true }); // Somebody has changed it since.
      await moveWhole(draft, folder).catch(async (error: unknown) => {
        if (!(await stands())) throw error; // Somebody else has placed the same meanwhile.
      });
    }
    rmSync(draft, { recursive: true, force: true });
    return { digest, folder };
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Removes what a host that was killed while it placed something left in the folder of all installs. */
export function clearDrafts(installed: string): void {
  if (!statOf(installed)) return;
  for (const plugin of readdirSync(installed, { withFileTypes: true })) {
    if (!plugin.isDirectory()) continue;
    const root = join(installed, plugin.name);
    const entries = readdirSync(root);
    const drafts = entries.filter((entry) => entry.startsWith(DRAFT));
    for (const draft of drafts) rmSync(join(root, draft), { recursive: true });
    if (drafts.length === entries.length) rmdirSync(root); // Nothing was ever placed.
  }
}

/** The digest of a placed folder as it is now. */
export async function digestOfFolder(folder: string): Promise<string> {
  const files = filesIn(folder);
  const [only] = files;
  if (only && files.length === 1 && !only.includes(sep)) return digestOfFile(join(folder, only));
  const hash = createHash("sha256");
  for (const file of files) {
    const path = join(folder, file);
    const rights = (statSync(path).mode & 0o111) === 0 ? "-" : "x";
    hash.update(`${file}\0${rights}\0${await digestOfFile(path)}\n`);
  }
  return hash.digest("hex");
}

/** Takes entries one after the other, within all limits. */
class Writer {
  readonly #folder: string;
  readonly #seen = new Set<string>();
  readonly #folders = new Set<string>();
  #bytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { mode: 0o700 });
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Writes one file. `name` is relative, with slashes. */
  async file(name: string, executable: boolean, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#folder, this.#checked(name));
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(path, "wx", executable ? 0o700 : 0o600);
    try {
      for await (const piece of pieces) {
        this.#bytes += piece.length;
        if (this.#bytes > BYTES_MAX)
          throw refusal(`has more than ${BYTES_MAX / 1_048_576} MiB when it is unpacked`);
        writeSync(file, piece);
      }
    } finally {
      closeSync(file);
    }
  }

  #checked(name: string): string {
    const parts = name.replace(/^(\.\/)+/, "").split("/");
    const clean = parts.join("/");
    if (parts.some((part) => part === "" || part === "." || part === ".."))
      throw refusal(`has an entry ${shown(name)}, which leads out of its folder`);
    if (/[\\\p{Cc}]/u.test(clean)) throw refusal(`has an entry with a strange name: ${shown(name)}`);
    if (parts.length > DEPTH_MAX) throw refusal(`has folders more than ${DEPTH_MAX} deep`);
    if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX))
      throw refusal(`has a name with more than ${NAME_BYTES_MAX} bytes`);
    if (this.#seen.has(clean)) throw refusal(`has ${shown(clean)} twice`);
    const above = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join("/"));
    const both = this.#folders.has(clean) ? clean : above.find((folder) => this.#seen.has(folder));
    if (both !== undefined) throw refusal(`has ${shown(both)} as a file and as a folder`);
    for (const folder of above) this.#folders.add(folder);
    if (this.#seen.size >= ENTRIES_MAX) throw refusal(`has more than ${ENTRIES_MAX} files`);
    this.#seen.add(clean);
    return clean;
  }
}

async function unpack(path: string, packedBytes: number, writer: Writer): Promise<void> {
  const packed = Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array<ArrayBuffer>>;
  const isGzip = !path.endsWith(".tar");
  const unpacked = isGzip ? packed.pipeThrough(new DecompressionStream("gzip")) : packed;
  const entries = unpacked.pipeThrough(growth(packedBytes)).pipeThrough(createTarDecoder({ strict: true }));
  let files = 0;
  try {
    for await (const { header, body } of entries) {
      files++;
      if (files > 2 * ENTRIES_MAX) throw refusal(`has more than ${ENTRIES_MAX} files`);
      if (header.type === "directory") await body.cancel();
      else if (header.type === "file")
        await writer.file(header.name, ((header.mode ?? 0) & 0o111) !== 0, body);
      else throw refusal(`has ${shown(header.name)}, which is a ${header.type} and not a file`);
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw refusal(`cannot be unpacked: ${withoutStop(messageOf(error))}`);
  }
  if (writer.bytes === 0) throw refusal("has nothing in it");
}

/** Looks at all that is unpacked, also at what belongs to no file. */
function growth(packedBytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  return new TransformStream({
    transform(piece, stream) {
      bytes += piece.length;
      if (bytes > RATIO_FROM_BYTES && bytes > RATIO_MAX * packedBytes)
        throw refusal(`grows to more than ${RATIO_MAX} times its size when it is unpacked`);
      stream.enqueue(piece);
    },
  });
}

/** Links are followed where they stay inside, as package managers make them; a folder is somebody's own. */
async function copyFolder(folder: string, writer: Writer): Promise<void> {
  const root = realpathSync(folder);
  const walk = async (at: string): Promise<void> => {
    for (const entry of entriesOf(join(root, at))) {
      const name = join(at, entry.name);
      const real = realPathOf(join(root, name));
      if (real === null) throw refusal(`has ${shown(name)}, a link that leads nowhere`);
      if (relative(root, real).startsWith(".."))
        throw refusal(`has ${shown(name)}, a link that leads out of it`);
      const stat = statSync(real);
      if (entry.isSymbolicLink() && stat.isDirectory()) continue; // What is in it comes by its own name.
      if (stat.isDirectory()) await walk(name);
      else if (stat.isFile()) await copyFile(real, name, writer);
      else throw refusal(`has ${shown(name)}, which is neither a file nor a folder`);
    }
  };
  await walk("");
  if (writer.bytes === 0) throw refusal("has nothing in it");
}

async function copyFile(from: string, name: string, writer: Writer): Promise<void> {
  const stat = statSync(from);
  if (!stat.isFile()) throw refusal("is neither a file nor a folder");
  await writer.file(name.split(sep).join("/"), (stat.mode & 0o111) !== 0, Bun.file(from).stream());
}

function isArchive(path: string): boolean {
  if (extname(path) === ".zip")
    throw new Fault("usage", `${shown(basename(path))} is a zip archive, which qntx does not read.`, {
      hint: "Hand in a .tar.gz, or the unpacked folder.",
    });
  return /\.(tar|tar\.gz|tgz)$/.test(path);
}

function entriesOf(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** All files below a folder, by name. */
function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).toSorted();
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of Bun.file(path).stream()) hash.update(piece); // In pieces: others have their turn meanwhile.
  return hash.digest("hex");
}

/** Null for a link to nothing, or to itself. */
function realPathOf(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function refusal(what: string): Fault {
  return new Fault("denied", `It is not installed: it ${what}.`);
}
