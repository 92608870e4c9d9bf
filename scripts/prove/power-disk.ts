/**
 * Disk: what a power cut may leave of a folder. A write reaches the disk when its file
 * is synced, a name when its folder is; what was not synced may be there or not, in any
 * order and in part. It is as strict as the rules allow: a sync of a new file does not
 * keep its name, though most file systems do that too.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { APPENDS, type Change, type Event } from "./power-trace.ts";

/**
 * What becomes of what was not synced.
 *
 *   kept       all of it is there: the power stayed long enough
 *   lost       nothing of it is
 *   reordered  some writes and names are, chosen one by one
 *   torn       the same, and of each write some sectors
 */
export const MANNERS = ["kept", "lost", "reordered", "torn"] as const;
export type Manner = (typeof MANNERS)[number];

const SECTOR_BYTES = 512; // The least that a disk writes whole.

type Write = Extract<Change, { kind: "write" | "truncate" }>;

/** A file or a folder, whatever its name. */
interface Node {
  isFolder: boolean;
  content: Content;
  pending: Write[];
  /** How long it is for whoever appends to it now. */
  size: number;
}

interface Naming {
  path: string;
  /** Null: the name goes. */
  node: Node | null;
  /** The name that it had until now, and loses in the same moment. */
  from?: string;
}

export class Disk {
  readonly #root: string;
  /** Names as the host sees them, and as they are on the disk. */
  readonly #seen = new Map<string, Node>();
  readonly #synced = new Map<string, Node>();
  #pending: Naming[] = [];

  /** What is below `root` by now is on the disk. */
  constructor(root: string) {
    this.#root = root;
    for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      const path = join(root, name);
      const stat = statSync(path);
      if (!stat.isFile() && !stat.isDirectory()) continue;
      const content = new Content(stat.isFile() ? readFileSync(path) : new Uint8Array());
      const node = { isFolder: stat.isDirectory(), content, pending: [], size: content.size };
      this.#seen.set(path, node);
      this.#synced.set(path, node);
    }
  }

  /** Follows one more event. */
  follow(event: Event): void {
    const { path } = event;
    switch (event.kind) {
      case "make":
        if (!this.#seen.has(path)) this.#name({ path, node: newNode(event.isFolder) });
        return;
      case "remove":
        return this.#name({ path, node: null });
      case "rename":
        return this.#name({ path: event.to, node: this.#seen.get(path) ?? null, from: path });
      case "sync":
        return this.#sync(path);
      case "write":
      case "truncate":
        return write(this.#seen.get(path), event);
      case "say":
    }
  }

  /** Puts into a folder what may be left when the power goes now. */
  leave(folder: string, manner: Manner, random: () => number): void {
    const isKept = () => manner === "kept" || (manner !== "lost" && random() < 0.5);
    const names = new Map(this.#synced);
    for (const naming of this.#pending) if (isKept()) apply(names, naming);
    const hasParent = (path: string): boolean =>
      path === this.#root || (names.has(path) && hasParent(dirname(path)));
    for (const [path, { isFolder, content, pending }] of names) {
      if (!hasParent(path) || path.endsWith("-shm")) continue; // SQLite makes that one anew.
      const place = join(folder, relative(this.#root, path));
      mkdirSync(isFolder ? place : dirname(place), { recursive: true, mode: 0o700 });
      if (isFolder) continue;
      const left = content.copy();
      for (const one of pending)
        for (const piece of manner === "torn" ? sectors(one) : [one]) if (isKept()) left.change(piece);
      writeFileSync(place, left.bytes, { mode: 0o600 });
    }
  }

  #name(naming: Naming): void {
    apply(this.#seen, naming);
    this.#pending.push(naming);
  }

  #sync(path: string): void {
    const node = this.#seen.get(path);
    for (const one of node?.pending.splice(0) ?? []) node?.content.change(one);
    if (node && !node.isFolder) return;
    for (const naming of this.#pending) if (dirname(naming.path) === path) apply(this.#synced, naming);
    this.#pending = this.#pending.filter((naming) => dirname(naming.path) !== path);
  }
}

function newNode(isFolder: boolean): Node {
  return { isFolder, content: new Content(new Uint8Array()), pending: [], size: 0 };
}

function apply(names: Map<string, Node>, { path, node, from }: Naming): void {
  if (from !== undefined) names.delete(from);
  if (node) names.set(path, node);
  else names.delete(path);
}

/** Notes a write to a file that still has a name. */
function write(node: Node | undefined, change: Write): void {
  if (!node) return;
  if (change.kind === "truncate") {
    node.size = change.size;
    node.pending.push(change);
    return;
  }
  const offset = change.offset === APPENDS ? node.size : change.offset;
  node.size = Math.max(node.size, offset + change.bytes.length);
  node.pending.push({ ...change, offset });
}

/** A write as the disk may do it: sector by sector. */
function sectors(change: Write): Write[] {
  if (change.kind === "truncate") return [change];
  const pieces: Write[] = [];
  const { offset, bytes } = change;
  for (let from = 0; from < bytes.length;) {
    const until = Math.min(bytes.length, from + SECTOR_BYTES - ((offset + from) % SECTOR_BYTES));
    pieces.push({ kind: "write", offset: offset + from, bytes: bytes.subarray(from, until) });
    from = until;
  }
  return pieces;
}

/** Bytes that grow; what was never written is zero. */
class Content {
  #room: Uint8Array;
  size: number;

  constructor(bytes: Uint8Array) {
    this.#room = bytes;
    this.size = bytes.length;
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.size);
  }

  copy(): Content {
    return new Content(this.bytes.slice());
  }

  change(change: Write): void {
    if (change.kind === "truncate") return this.#resize(change.size);
    this.#resize(Math.max(this.size, change.offset + change.bytes.length));
    this.#room.set(change.bytes, change.offset);
  }

  #resize(size: number): void {
    if (size > this.#room.length) {
      const room = new Uint8Array(2 * size);
      room.set(this.bytes);
      this.#room = room;
    } else this.#room.fill(0, size, this.size); // Nothing when it grows.
    this.size = size;
  }
}
