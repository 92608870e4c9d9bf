/**
 * Disk: folders and small files that are there after a power cut.
 *
 * To sync a file keeps its bytes and not always its name: that is kept by a sync of its
 * folder. A database does both by itself; what is written beside it comes through here.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Makes a folder with all that it is in. Its name is on the disk when this returns. */
export function makeFolder(path: string, mode: number): void {
  const first = mkdirSync(path, { recursive: true, mode });
  if (first === undefined) return; // It was there.
  const above = dirname(resolve(first));
  for (let made = resolve(path); made !== above; made = dirname(made)) syncFolder(dirname(made));
}

/** Writes a file that others find whole or not at all, also after a power cut. */
export function writeWhole(path: string, text: string, mode: number): void {
  const next = `${path}.next`;
  writeFileSync(next, text, { mode, flush: true });
  renameSync(next, path);
  syncFolder(dirname(path));
}

/** Gives a folder of our own another name; its name and all that is in it are on the disk when this resolves. */
export async function moveWhole(folder: string, to: string): Promise<void> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const name of [...names, "."]) {
    await using file = await open(join(folder, name), "r");
    await file.sync(); // In another thread: there may be thousands, and others have their turn meanwhile.
  }
  renameSync(folder, to);
  syncFolder(dirname(to));
}

function syncFolder(path: string): void {
  let folder: number;
  try {
    folder = openSync(path, "r");
  } catch {
    return; // One that may be written to and not read: rare, and no reason to refuse.
  }
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
