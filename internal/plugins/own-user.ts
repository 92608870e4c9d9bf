/**
 * Own user: a number of its own for every plugin, so that the kernel keeps it from the
 * memory, the files and the processes of all others. Only root can give numbers away.
 *
 * The number follows from the data folder and the plugin's name: it is the same after
 * each start, two hosts do not share it, and nobody has to remember it. It has no line
 * in /etc/passwd and needs none.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { PASSAGE_MODE } from "../store/open.ts";

/** A user and group as the kernel knows them. */
export interface User {
  uid: number;
  gid: number;
}

// systemd lists 1879048192 to 2147352575 as used by nobody: no person, no service, no container.
const FIRST_UID = 1_900_000_000;
const UIDS = 2 ** 24;

/** The user of one plugin of one data folder. */
export function ownUser(home: string, plugin: string): User {
  const digest = createHash("sha256").update(`${home}\0${plugin}`).digest();
  const uid = FIRST_UID + (digest.readUInt32BE(0) % UIDS);
  return { uid, gid: uid };
}

/** A user by the name that it has on this machine; null when there is none. */
export function namedUser(name: string): User | null {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

const PASS = 1; // The bits of a mode, for one of its three kinds of users.
const READ = 4;

/** The first folder or file on the way to a path that a user may not pass or read; null when it may. */
export function closedTo({ uid, gid }: User, path: string, may: "pass" | "read"): string | null {
  const real = realpathSync(path);
  for (let at = real; ; at = dirname(at)) {
    const { mode, owner, group, isFolder } = statOf(at);
    const bits = owner === uid ? mode >> 6 : group === gid ? mode >> 3 : mode;
    const needed = (at === real && may === "read" ? READ : 0) | (isFolder ? PASS : 0);
    if ((bits & needed) !== needed) return at;
    if (at === dirname(at)) return null;
  }
}

function statOf(path: string) {
  const stat = lstatSync(path);
  return {
    mode: stat.mode & 0o777,
    owner: stat.uid,
    group: stat.gid,
    isFolder: stat.isDirectory(),
    isLink: stat.isSymbolicLink(),
  };
}
/** Folders of the data folder in which other users have something to look for. */
const SHARED = ["installed", "plugins-data", "sdk"];

/**
 * Lets other users pass through the data folder, and closes to them what lies in it.
 * What the operator opens again later (a folder with programs) stays open; files do not.
 */
export function openPassage(home: string): void {
  const wasClosed = (lstatSync(home).mode & 0o777) !== PASSAGE_MODE;
  for (const entry of readdirSync(home, { withFileTypes: true })) {
    const path = join(home, entry.name);
    if (SHARED.includes(entry.name)) chmodSync(path, 0o711);
    else if (entry.isFile() || (wasClosed && entry.isDirectory()))
      chmodSync(path, lstatSync(path).mode & 0o770);
  }
  if (wasClosed) chmodSync(home, PASSAGE_MODE);
}

/** Makes a folder and everything in it a user's own. */
export function giveFolder(folder: string, { uid, gid }: User): void {
  const top = lstatSync(folder);
  if (top.uid === uid && top.gid === gid) return;
  for (const path of pathsIn(folder)) lchownSync(path, uid, gid); // A link's target is somebody else's.
  chownSync(folder, uid, gid); // Last: it says that the rest is done.
}

/** Lets a user read a folder and everything in it, and change nothing. */
export function showFolder(folder: string, { gid }: User): void {
  for (const path of [folder, ...pathsIn(folder)]) {
    const { mode, owner, group, isFolder, isLink } = statOf(path);
    if (isLink) continue; // Its target is somebody else's.
    const shown = isFolder || (mode & 0o100) !== 0 ? 0o750 : 0o640;
    if (group !== gid) chownSync(path, owner, gid);
    if (mode !== shown) chmodSync(path, shown);
  }
}

/** All that is in a folder. Links are not followed, as the runtime's own walk would: a plugin may have made one to /etc. */
function pathsIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...pathsIn(path)] : [path];
  });
}
